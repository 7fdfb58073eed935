"""Training sets of every published format must stay readable."""

import json
from pathlib import Path

import pytest

from zooassist_exporters.training_set import read_training_set

ARCHIVES = Path(__file__).parents[1] / "data" / "archives"


@pytest.mark.parametrize("version", sorted(path.name for path in ARCHIVES.glob("v*")))
def test_old_training_sets_read_as_they_did(version):
    folder = ARCHIVES / version
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    found = read_training_set(folder / "training-set")
    assert found.subjects.to_pylist() == expected["subjects"]
    assert found.votes.to_pylist() == expected["votes"]
    assert found.schema.to_json() == expected["schema"]
    assert found.sha256 == expected["sha256"]


def test_there_is_an_archive():
    assert "v0.1" in [path.name for path in ARCHIVES.iterdir()]
