from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.objects import components
from zooassist_training.recipes import hippocampus, nuclei
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.sources import open_source

DATA = Path("../shared/data")


def there(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there")
    return DATA / name


def test_nuclei_that_touch_come_apart():
    ids = np.zeros((12, 20), np.int32)
    ids[2:9, 2:9], ids[2:9, 9:17] = 4, 7
    labels = nuclei.apart(ids)
    assert components(ids > 0).max() == 1
    assert components(labels > 0).max() == 2
    assert not labels[:, 8:10].any()
    assert labels[:, 2:8].sum() == 7 * 6  # nothing is lost where no other nucleus is
    assert labels[ids == 0].sum() == 0


def test_the_nuclei_become_a_training_set_with_a_fifth_held_back(tmp_path):
    data = read_training_set(nuclei.write_nuclei_set(there("nuclei"), tmp_path / "set"))
    assert len(data) == 140
    assert data.mask_classes == {1: "nucleus"}
    assert 15 <= len(data.rows_of("test")) <= 40
    source = open_source(tmp_path / "set", "mask")
    stacks = source.read(["validation"], nuclei.nuclei_recipe().preprocessing)
    assert not stacks.problems
    assert all(shape == (1, 256, 256) for shape in stacks.labels.shapes)


def test_missing_data_are_named(tmp_path):
    with pytest.raises(BadInput, match="expected the list of nuclei"):
        nuclei.write_nuclei_set(tmp_path, tmp_path / "set")


@pytest.mark.slow
def test_the_recipe_of_the_hippocampus_runs(tmp_path):
    there("hippocampus_mri")
    recipe = hippocampus.hippocampus_recipe(1)
    short = replace(
        recipe,
        network_options={"hidden": [2, 2, 2]},
        windows=WindowOptions(16, 4),
        fit=replace(recipe.fit, epochs=1),
        adversary=replace(recipe.adversary, epochs=0),
    )
    trained = hippocampus.make(DATA, tmp_path / "model", tmp_path / "work", short)
    assert trained.images == 38
    assert not trained.problems
    assert trained.parity < 1e-4
    assert set(trained.test) == {"dice", "dice/anterior", "dice/posterior"}
