"""Training sets of every published format must stay readable."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.training_set_layout import MASK_KINDS

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
    marks = None if found.marks is None else found.marks.to_pylist()
    assert marks == expected.get("marks")
    masks = {} if found.masks is None else found.masks.to_pylist()
    maps = {
        f"{mask['subject_id']}_{mask['frame']}{kind and '.' + kind}": pixels(
            found.mask_path(mask["subject_id"], mask["frame"], kind)
        )
        for mask in masks
        for kind in MASK_KINDS
        if found.has_mask(mask["subject_id"], mask["frame"], kind)
    }
    assert maps == expected.get("maps", {})
    assert {str(key): name for key, name in found.mask_classes.items()} == expected.get(
        "classes", {}
    )


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).tolist()


def test_there_is_an_archive_of_each_version():
    assert {"v0.1", "v0.1.1"} <= {path.name for path in ARCHIVES.iterdir()}
