from __future__ import annotations

import json

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec, model_version

SHA = "ab" * 32
SCHEMA = {
    "questions": [
        {
            "name": "odd",
            "task": "T0",
            "type": "single",
            "asked_after": [],
            "answers": [
                {"label": "Yes", "index": 0, "column": "odd_yes"},
                {"label": "No", "index": 1, "column": "odd_no"},
            ],
        }
    ]
}


def card(**changes) -> ModelCard:
    spec = Preprocessing(size=64, crop=0.9)
    fields = {
        "name": "odd-ones",
        "version": model_version(SHA, spec),
        "sha256": SHA,
        "kind": "votes",
        "inputs": [TensorSpec(name="image", dtype="uint8", shape=("batch", 64, 64, 3))],
        "outputs": [TensorSpec(name="concentrations", dtype="float32", shape=("batch", 1, 2))],
        "preprocessing": spec,
        "label_schema": SCHEMA,
        "licence": "CC0-1.0",
    }
    return ModelCard.model_validate(fields | changes)


def test_written_and_read_is_the_same(tmp_path):
    original = card()
    original.write(tmp_path)
    assert ModelCard.read(tmp_path) == original
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]


def test_version_follows_graph_and_preprocessing():
    a = model_version(SHA, Preprocessing(size=64))
    assert len(a) == 16
    assert a == model_version(SHA, Preprocessing(size=64))
    assert len({a, model_version("cd" * 32, Preprocessing(size=64)),
                model_version(SHA, Preprocessing(size=64, crop=0.5))}) == 3  # fmt: skip


def edited(tmp_path, **changes):
    card().write(tmp_path)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | changes))
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding-version": "0.2.0"}, r"encoding-version 0\.2\.0 is not readable.*install"),
        ({"encoding-type": "something"}, "not a model folder"),
        ({"version": "0" * 16}, "changed by hand"),
        ({"preprocessing": {"size": 32}}, "changed by hand"),
        ({"outputs": []}, "outputs"),
        ({"kind": "mask"}, "output named 'mask'"),
        ({"label_schema": None}, "needs a label_schema"),
        ({"name": "../up"}, "name"),
        ({"surprise": 1}, "surprise"),
        ({"licence": ""}, "licence"),
    ],
)
def test_cards_that_are_refused(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message) as error:
        ModelCard.read(edited(tmp_path, **changes))
    assert "\n" not in str(error.value)


def test_patch_versions_of_the_encoding_are_read(tmp_path):
    assert ModelCard.read(edited(tmp_path, **{"encoding-version": "0.1.7"})).name == "odd-ones"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_files_that_are_no_card(tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"model\.json: expected"):
        ModelCard.read(tmp_path)


def test_no_card(tmp_path):
    with pytest.raises(BadInput, match=r"found no model\.json"):
        ModelCard.read(tmp_path)
