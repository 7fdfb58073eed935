"""`zooassist demo --kind masks` as a newcomer runs it, small: every room takes part."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from PIL import Image

pytest.importorskip("torch", reason="the demo trains ([train])")
from mask_sets import write_mask_set

from zooassist_exporters.training_set import read_training_set
from zooassist_loop.ledger import Ledger
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.train import train_masks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny network that learnt bright discs: enough to outline some bright nuclei."""
    folder = tmp_path_factory.mktemp("model")
    recipe = MaskRecipe(
        name="discs",
        network="unet",
        network_options={"width": 6, "levels": 3, "dropout": 0.0},
        windows=WindowOptions(32),
        fit=FitOptions(
            epochs=20,
            batch_size=4,
            learning_rate=5e-3,
            patience=0,
            averaging=0.8,
            augmentation=Augmentation(zoom=0.1, shift=0, brightness=0.5),
        ),
        adversary=AdversaryOptions(loss="dice-ce", learning_rate=1e-3, epochs=1),
        licence="Apache-2.0",
    )
    return train_masks(write_mask_set(folder, images=16), folder / "model", recipe).folder


@pytest.fixture(scope="module")
def demo(model, tmp_path_factory):
    out = tmp_path_factory.mktemp("work") / "demo"
    command = [sys.executable, "-m", "zooassist_plugin.cli", "demo", "--kind", "masks"]
    options = ["--subjects", "12", "--volunteers", "3", "--epochs", "1"]
    run = subprocess.run(
        [*command, "--out", str(out), "--model", str(model.path), *options],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(scope="module")
def summary(demo):
    return json.loads((demo / "summary.json").read_text())


def test_the_figures_agree_with_what_lies_in_the_folder(demo, summary):
    assert summary["subjects"] == 12
    assert summary["proposals_written"] == summary["proposals_read_back"] == 24
    assert summary["classifications"] == 3 * 12
    with (demo / "exports" / "classifications.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == summary["classifications"]
    training_set = read_training_set(demo / "training-set")
    assert len(training_set) == summary["masks"] == 12
    assert summary["learnt_from"] == len(training_set.rows_of("train"))
    assert summary["before"]["images"] == len(training_set.rows_of("test")) > 0
    assert summary["problems"] == []


def test_what_was_done_to_outlines_is_found_by_their_geometry(summary):
    said, found = summary["actions"], summary["matched"]
    assert said["kept"] <= found["kept"] <= said["kept"] + 1
    # Every proposed outline was kept, edited or deleted by each of three volunteers.
    for counts in (said, found):
        of_proposed = counts["kept"] + counts["edited"] + counts["deleted"]
        assert of_proposed == 3 * summary["outlines_proposed"]
        assert counts["added"] > 0
    returned = found["kept"] + found["edited"] + found["added"]
    assert summary["by_hand"] == pytest.approx((found["edited"] + found["added"]) / returned)


def test_volunteers_are_better_than_the_model_they_corrected(summary):
    assert summary["volunteers"]["dice"] > max(0.7, summary["before"]["dice"])
    assert summary["volunteers"]["f1"] > max(0.7, summary["before"]["f1"])
    assert 0 < summary["after"]["dice"] <= 1


def test_the_second_version_goes_on_with_the_first_ones_network(demo, model, summary):
    second = load_model_folder(demo / "model-2")
    assert [model.card.version, second.card.version] == summary["versions"]
    made = [json.loads((each.path / "recipe.json").read_text()) for each in (model, second)]
    assert made[0]["network"]["options"] == made[1]["network"]["options"]
    assert made[1]["recipe"]["gap"] == 1


def test_the_ledger_remembers_both_rounds(demo, summary):
    with Ledger(f"sqlite:///{demo / 'ledger.sqlite'}") as ledger:
        assert ledger.counts(1)["presented"] == summary["proposals_written"]


def test_page_and_picture_are_there_and_whole(demo, summary):
    page = (demo / "index.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert page.count('<td><img src="images/') == summary["subjects"]
    with Image.open(demo / "contact-sheet.png") as sheet:
        sheet.load()
        assert sheet.width > 1000
    assert [path.name for path in demo.parent.iterdir()] == ["demo"], "nothing half done beside it"
