from __future__ import annotations

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.repository import changes
from zooassist_serving.repository.local_store import LocalStore


@pytest.fixture
def names(versions):
    return [folder.card.version for folder in versions]


def test_activate_and_roll_back(store, names):
    changes.activate(store, "tiny", names[0])
    changes.activate(store, "tiny", names[1])
    assert changes.roll_back(store, "tiny").active == names[0]
    assert store.read("tiny").release.active == names[0]
    with pytest.raises(BadInput, match="expected an earlier version"):
        changes.roll_back(store, "tiny")


def test_rolling_back_to_what_was_damaged_leaves_what_is(store, names):
    changes.activate(store, "tiny", names[0])
    changes.activate(store, "tiny", names[1])
    store.folder("tiny", names[0]).onnx_path.write_bytes(b"")
    with pytest.raises(BadInput, match="expected sha256"):
        changes.roll_back(store, "tiny")
    assert store.read("tiny").release.active == names[1]


class Meddler(LocalStore):
    """A store on which somebody else acts between the first look and the change."""

    def __init__(self, root, act):
        super().__init__(root)
        self._act = act

    def folder(self, name, version):
        act, self._act = self._act, None
        if act is not None:
            act()
        return super().folder(name, version)


def test_a_roll_back_does_not_undo_what_was_not_seen(store, names, tmp_path):
    changes.activate(store, "tiny", names[0])
    changes.activate(store, "tiny", names[1])
    meddled = Meddler(tmp_path / "models", lambda: changes.activate(store, "tiny", names[2]))
    with pytest.raises(BadInput, match=f"meanwhile {names[2]} was made active"):
        changes.roll_back(meddled, "tiny")
    assert store.read("tiny").release.history == (names[0], names[1])


def test_two_roll_backs_at_a_time_go_back_once(store, names, tmp_path):
    for name in names:
        changes.activate(store, "tiny", name)
    meddled = Meddler(tmp_path / "models", lambda: changes.roll_back(store, "tiny"))
    with pytest.raises(BadInput, match="was to be rolled back, but meanwhile"):
        changes.roll_back(meddled, "tiny")
    assert store.read("tiny").release.active == names[1]


def test_an_activation_after_another_keeps_both(store, names, tmp_path):
    changes.activate(store, "tiny", names[0])
    meddled = Meddler(tmp_path / "models", lambda: changes.activate(store, "tiny", names[2]))
    assert changes.activate(meddled, "tiny", names[1]).history == (names[0], names[2])


def test_shadow_and_shares(store, names):
    changes.activate(store, "tiny", names[0])
    changes.shadow(store, "tiny", names[1])
    release = changes.share(store, "tiny", {names[2]: 0.5})
    assert release.versions == (names[0], names[2], names[1])
    with pytest.raises(BadInput, match="answers already"):
        changes.shadow(store, "tiny", names[2])
    with pytest.raises(BadInput, match="active version answers the rest"):
        changes.share(store, "tiny", {names[0]: 0.5})
    with pytest.raises(BadInput, match="less than"):
        changes.share(store, "tiny", {names[2]: 1.5})
    assert changes.share(store, "tiny", {}).shares == {}
    assert changes.shadow(store, "tiny", None).shadow is None


def test_a_version_of_other_questions_may_be_shadow_but_answers_nobody(
    store, names, make_version, make_values_card, make_values_onnx, tmp_path
):
    from zooassist_serving.model_folder import write_model_folder

    onnx_bytes = make_values_onnx()
    other = write_model_folder(
        onnx_bytes, make_values_card(onnx_bytes, name="tiny"), tmp_path / "values"
    )
    store.add(other)
    changes.activate(store, "tiny", names[0])
    with pytest.raises(BadInput, match="expected versions that answer the same questions"):
        changes.share(store, "tiny", {other.card.version: 0.5})
    changes.shadow(store, "tiny", other.card.version)


def test_what_is_not_there(store, names):
    with pytest.raises(BadInput, match="expected a model 'other', found tiny"):
        changes.roll_back(store, "other")
    with pytest.raises(BadInput, match="no version is active"):
        changes.roll_back(store, "tiny")
    with pytest.raises(BadInput, match="no version is active"):
        changes.shadow(store, "tiny", names[0])
    with pytest.raises(BadInput, match="expected a model folder"):
        changes.activate(store, "tiny", "f" * 16)
    assert changes.find_version(store, "tiny", names[0][:6]) == names[0]
    with pytest.raises(BadInput, match="found tiny"):
        changes.find_version(store, "none", "aaaa")
