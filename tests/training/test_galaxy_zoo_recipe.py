from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.splits import split_of
from zooassist_exporters.votes_csv_form import CHALLENGE_COLUMNS
from zooassist_plugin.errors import BadInput
from zooassist_plugin.trees import TREES
from zooassist_serving.model_folder import BUNDLED, load_model_folder
from zooassist_training.recipes import galaxy_zoo
from zooassist_training.restore import restore_network


def write_folder(folder, name: str, header: list[str], rows: list[dict]) -> None:
    folder.mkdir(parents=True)
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for row in rows:
            buffer = BytesIO()
            pixels = random.integers(0, 255, (128, 128, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(buffer, "JPEG")
            archive.writestr(row["file"], buffer.getvalue())


@pytest.fixture
def data(tmp_path):
    """Both folders with a dozen galaxies, as laid out in the real data."""
    ids = range(1, 13)
    files = {number: f"images/{number}.jpg" for number in ids}
    classes = [{"GalaxyID": n, "file": files[n], "class": galaxy_zoo.CLASSES[n % 5]} for n in ids]
    folder = tmp_path / "data"
    write_folder(folder / "galaxies_pool", "classes.csv", ["GalaxyID", "file", "class"], classes)
    nothing = dict.fromkeys(CHALLENGE_COLUMNS, 0.0) | {"Class6.2": 1.0}
    smooth = nothing | {"Class1.1": 1.0, "Class7.1": 1.0}
    doubtful = nothing | {"Class1.1": 0.5, "Class1.3": 0.5, "Class7.1": 0.5}
    votes = [{"GalaxyID": n, "file": files[n], **(smooth, doubtful)[n % 2]} for n in ids]
    write_folder(folder / "galaxies", "votes.csv", ["GalaxyID", "file", *CHALLENGE_COLUMNS], votes)
    return folder


def test_the_recipe_runs_and_holds_back_the_test_split(data, tmp_path, monkeypatch):
    def short(make):
        def made(*arguments):
            recipe = make(*arguments)
            return replace(recipe, fit=replace(recipe.fit, epochs=1, batch_size=4))

        return made

    for name in ("teacher_recipe", "student_recipe", "votes_recipe"):
        monkeypatch.setattr(galaxy_zoo, name, short(getattr(galaxy_zoo, name)))
    out = tmp_path / "galaxy-zoo"
    trained = galaxy_zoo.make(data, out, tmp_path / "work", threads=1, precision="32")
    splits = [split_of(number) for number in range(1, 13)]
    held_back = splits.count("test")
    assert held_back > 0
    assert trained.images == splits.count("train")
    assert trained.test.galaxies == held_back
    card = load_model_folder(out).card
    assert card.label_schema == TREES["gz2"]
    assert "Willett" in card.credits[0]
    told = json.loads((tmp_path / "work" / "teacher" / "recipe.json").read_text())
    assert told["recipe"]["encoder"] == "local-dir:imagenet", "no path of this machine"


def test_unknown_class_is_named(tmp_path):
    rows = [{"GalaxyID": 1, "file": "images/1.jpg", "class": "banana"}]
    write_folder(tmp_path / "pool", "classes.csv", ["GalaxyID", "file", "class"], rows)
    with pytest.raises(BadInput, match="banana"):
        galaxy_zoo.class_table(tmp_path / "pool")


def test_missing_pool_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"classes\.csv"):
        galaxy_zoo.class_table(tmp_path)


def test_the_shipped_model_is_small_and_can_be_trained_on():
    folder = load_model_folder("galaxy-zoo")
    files = [path for path in BUNDLED["galaxy-zoo"].rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 6_000_000
    assert folder.card.label_schema == TREES["gz2"]
    assert folder.card.metrics["galaxies"] == 787
    network, _ = restore_network("galaxy-zoo")
    assert network.spec.answers == 37
