from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import write_model_folder
from zooassist_serving.repository import changes
from zooassist_serving.repository.local_store import LocalStore
from zooassist_serving.repository.release import Release, activated
from zooassist_serving.repository.store import ChangedMeanwhile


def of(folder):
    return folder.card.version


def test_versions_are_kept_by_digest(store, versions, tmp_path):
    assert store.names() == ("tiny",)
    assert store.versions("tiny") == tuple(sorted(map(of, versions)))
    assert store.read("tiny").release is None
    kept = store.folder("tiny", of(versions[0]))
    assert kept.path == tmp_path / "models" / "tiny" / of(versions[0])
    assert kept.onnx_path.read_bytes() == versions[0].onnx_path.read_bytes()
    assert not store.add(versions[0]), "the same digest is the same model"


def test_a_damaged_version_is_refused_and_replaced_by_a_sound_one(store, versions):
    kept = store.folder("tiny", of(versions[0]))
    kept.onnx_path.write_bytes(b"no graph")
    with pytest.raises(BadInput, match="expected sha256"):
        store.folder("tiny", of(versions[0]))
    assert store.add(versions[0])
    store.folder("tiny", of(versions[0]))


@pytest.mark.parametrize("file", ["weights.pkl", "model.pt", "run.py", "ops.so"])
def test_code_in_a_version(store, versions, file):
    (store.folder("tiny", of(versions[0])).path / file).write_bytes(b"x")
    with pytest.raises(BadInput, match="does not belong in a model folder"):
        changes.activate(store, "tiny", of(versions[0]))


def test_a_version_at_the_place_of_another(store, versions):
    path = store.folder("tiny", of(versions[0])).path
    shutil.rmtree(path)
    shutil.copytree(versions[1].path, path)
    with pytest.raises(BadInput, match="as its place says"):
        changes.activate(store, "tiny", of(versions[0]))


@pytest.mark.parametrize("name", ["..", "../models/tiny", "/etc", "a/b", ""])
def test_names_that_lead_elsewhere(store, name):
    for ask in (
        lambda: store.read(name),
        lambda: store.versions(name),
        lambda: store.folder(name, "a" * 16),
        lambda: store.replace(name, Release(active="a" * 16), ""),
        lambda: changes.activate(store, name, "a" * 16),
        lambda: changes.roll_back(store, name),
    ):
        with pytest.raises(BadInput, match="expected a name"):
            ask()
    with pytest.raises(BadInput, match="expected 16 hexadecimal digits"):
        store.folder("tiny", "../tiny")


def test_a_link_out_of_the_repository(store, versions, tmp_path):
    path = store.folder("tiny", of(versions[0])).path
    graph = tmp_path / "elsewhere.onnx"
    shutil.move(path / "model.onnx", graph)
    (path / "model.onnx").symlink_to(graph)
    with pytest.raises(BadInput, match="a link that leaves it"):
        store.folder("tiny", of(versions[0]))


def test_what_else_lies_about_is_no_model(store, tmp_path):
    root = tmp_path / "models"
    (root / "NOT-A-MODEL").mkdir()
    (root / "notes.txt").write_text("x")
    (root / "tiny" / ("e" * 16)).mkdir()  # an add that was killed: no card yet
    assert store.names() == ("tiny",)
    assert "e" * 16 not in store.versions("tiny")
    assert LocalStore(tmp_path / "nowhere").names() == ()


def test_a_release_is_replaced_only_unchanged(store, versions):
    first = activated(None, of(versions[0]))
    store.replace("tiny", first, "")
    seen = store.read("tiny")
    assert seen.release == first
    store.replace("tiny", activated(first, of(versions[1])), seen.stamp)
    with pytest.raises(ChangedMeanwhile):
        store.replace("tiny", activated(first, of(versions[2])), seen.stamp)
    with pytest.raises(ChangedMeanwhile):
        store.replace("tiny", first, "")
    assert store.read("tiny").release.active == of(versions[1])


def test_a_release_that_a_hand_damaged(store, versions, tmp_path):
    changes.activate(store, "tiny", of(versions[0]))
    (tmp_path / "models" / "tiny" / "release.json").write_text("{")
    with pytest.raises(BadInput, match="activate a version again"):
        store.read("tiny")


def test_a_repository_that_nobody_may_read(store, versions, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    changes.activate(store, "tiny", of(versions[0]))
    (tmp_path / "models" / "tiny" / "release.json").chmod(0)
    with pytest.raises(BadInput, match="check who may read it"):
        store.read("tiny")


def _activate_often(root, versions, start):
    store = LocalStore(root)
    start.wait()
    for version in versions:
        changes.activate(store, "tiny", version)


def test_activations_of_many_processes_are_all_in_the_history(store, versions, tmp_path):
    root = tmp_path / "models"
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    orders = [[of(versions[(i + n) % 3]) for i in range(4)] for n in range(3)]
    workers = [
        context.Process(target=_activate_often, args=(root, order, start)) for order in orders
    ]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    release = store.read("tiny").release
    steps = (*release.history, release.active)
    assert all(a != b for a, b in itertools.pairwise(steps))
    # Each of twelve activations is a step, except those of what was active already.
    assert 3 <= len(steps) <= 12
    left = {path.name for path in (root / "tiny").iterdir() if path.is_file()}
    assert left == {"release.json", ".release.lock"}


def test_copying_keeps_other_files_of_the_folder(tmp_path, make_onnx, make_card):
    onnx_bytes = make_onnx(samples=5)
    source = write_model_folder(
        onnx_bytes,
        make_card(onnx_bytes, samples=5),
        tmp_path / "with-recipe",
        files={"recipe.json": b"{}"},
    )
    store = LocalStore(tmp_path / "models")
    store.add(source)
    assert (store.folder("tiny", of(source)).path / "recipe.json").read_bytes() == b"{}"
