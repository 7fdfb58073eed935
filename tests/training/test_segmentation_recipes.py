from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.splits import SPLITS
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.evaluation.masks.objects import components
from zooassist_training.recipes import hippocampus, nuclei
from zooassist_training.recipes.imagenet_lite0 import PACKAGE
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.sources import open_source

DATA = Path("../shared/data")


def there(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not there")
    return DATA / name


def write_nuclei(folder: Path, images: int = 12) -> Path:
    """Write two bright squares that touch, in so many images of 64 x 64 px."""
    for name in ("images", "nucleus_ids"):
        (folder / "nuclei" / name).mkdir(parents=True)
    lines = ["name,kind"]
    for number in range(images):
        ids = np.zeros((64, 64), np.uint16)
        top = 4 + 2 * number
        ids[top : top + 20, 8:24], ids[top : top + 20, 24:44] = 4, 7
        picture = np.where(ids[..., None] > 0, 200, 30).repeat(3, -1).astype(np.uint8)
        Image.fromarray(picture).save(folder / "nuclei" / "images" / f"n{number}.png")
        Image.fromarray(ids).save(folder / "nuclei" / "nucleus_ids" / f"n{number}.png")
        lines.append(f"n{number}.png,fluorescence")
    (folder / "nuclei" / "index.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_nuclei_that_touch_have_a_seam_between_them(tmp_path):
    data = write_nuclei(tmp_path / "data", 1)
    written = nuclei.write_nuclei_set(data / "nuclei", tmp_path / "set")
    recipe = nuclei.nuclei_recipe()
    sources = [open_source(written, "mask", gap=gap) for gap in (0, recipe.gap)]
    whole, learnt = (
        np.array(source.read(SPLITS, recipe.preprocessing).labels[0]) for source in sources
    )
    assert whole.shape == (1, 128, 128)  # twice the size
    assert components(whole[0] > 0).max() == 1
    assert components(learnt[0] == 1).max() == 2
    assert 20 * 2 * 4 <= (learnt == 2).sum() <= 24 * 2 * 4


def test_the_recipe_of_the_nuclei_runs(tmp_path):
    pytest.importorskip(PACKAGE, reason="the package of weights is not installed")
    recipe = nuclei.nuclei_recipe(1, windows=WindowOptions(64), tile=64)
    short = replace(
        recipe,
        fit=replace(recipe.fit, epochs=1, batch_size=2),
        adversary=replace(recipe.adversary, epochs=1),
    )
    data = write_nuclei(tmp_path / "data")
    trained = nuclei.make(data, tmp_path / "model", tmp_path / "work", short)
    assert not trained.problems
    assert trained.parity < 1e-4
    assert trained.folder.card.classes[0].name == "nucleus"
    assert len(trained.folder.card.classes) == 1  # the seam is not told of
    of_members = [tmp_path / "work" / name / "model" for name in ("nuclei-1", "nuclei-2")]
    told = json.loads((trained.folder.path / "recipe.json").read_text())
    assert told["recipe"]["members"] == [load_model_folder(m).card.version for m in of_members]
    of_second = (of_members[1] / "recipe.json").read_text()
    assert '"encoder_weights": "local-dir:imagenet"' in of_second
    assert str(tmp_path) not in of_second + json.dumps(told)


def test_the_nuclei_become_a_training_set_with_a_fifth_held_back(tmp_path):
    data = read_training_set(nuclei.write_nuclei_set(there("nuclei"), tmp_path / "set"))
    assert len(data) == 140
    assert data.mask_classes == {1: "nucleus"}
    assert 15 <= len(data.rows_of("test")) <= 40
    source = open_source(tmp_path / "set", "mask")
    stacks = source.read(["validation"], nuclei.nuclei_recipe().preprocessing)
    assert not stacks.problems
    assert all(shape == (1, 512, 512) for shape in stacks.labels.shapes)


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
