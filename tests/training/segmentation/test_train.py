"""From a set with masks to a model folder; killed and gone on; the doors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from mask_sets import draw_image, draw_volume, write_mask_set, write_volume_pairs

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass, VolumeScaling
from zooassist_serving.mask_tiles import mask_probabilities
from zooassist_serving.masks.label_maps import label_map
from zooassist_serving.masks.volume_files import Volume, scaled
from zooassist_serving.masks.volume_runner import VolumeRunner
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.augment import Augmentation
from zooassist_training.command import train
from zooassist_training.evaluation.masks.overlap import count, dice
from zooassist_training.fit_options import FitOptions
from zooassist_training.run_state import DONE, HISTORY, LAST, read_state
from zooassist_training.segmentation.fit import SECOND, WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import (
    AUC,
    AdversaryOptions,
    SegmentationModule,
    area_under_curve,
)
from zooassist_training.segmentation.networks import (
    DiscriminatorSpec,
    SegmentationNetwork,
    SegmentationSpec,
)
from zooassist_training.segmentation.train import train_masks

FIT = FitOptions(
    epochs=40,
    batch_size=4,
    learning_rate=1e-2,
    averaging=0.9,
    threads=1,
    patience=0,
    augmentation=Augmentation(zoom=0, shift=0),
)
JUDGE = DiscriminatorSpec(4, 2)
RECIPE = MaskRecipe(
    name="discs",
    network_options={"width": 6, "levels": 3, "dropout": 0.1},
    discriminator=JUDGE,
    windows=WindowOptions(32),
    fit=FIT,
    adversary=AdversaryOptions(loss="dice-ce", epochs=2, learning_rate=1e-3),
)
VOLUME_RECIPE = replace(
    RECIPE,
    kind="volume",
    network_options={"hidden": [6, 8]},
    discriminator=replace(JUDGE, normal=True),
    windows=WindowOptions(24, 8),
    classes=(MaskClass(number=1, name="left"), MaskClass(number=2, name="right")),
    fit=replace(FIT, batch_size=2, epochs=30),
)


@pytest.fixture(scope="module")
def mask_set(tmp_path_factory) -> Path:
    return write_mask_set(tmp_path_factory.mktemp("masks"), classes=2)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory) -> Path:
    return write_volume_pairs(tmp_path_factory.mktemp("volumes"), 14)


@pytest.mark.slow
def test_masks_are_learnt_and_served(mask_set, tmp_path):
    trained = train_masks(mask_set, tmp_path / "model", RECIPE)
    card = load_model_folder(tmp_path / "model").card
    assert card.kind == "mask"
    assert [each.name for each in card.classes] == ["disc", "bar"]
    assert card.inputs[0].divisor == 8
    assert trained.parity < 1e-4
    assert trained.test["dice"] > 0.7
    assert set(card.metrics) == {"dice", "dice/disc", "dice/bar"}
    image, labels = draw_image(np.random.default_rng(99), 70, 45, classes=2)
    runtime = OnnxRuntime(trained.folder.onnx_path, 1)
    found = label_map(mask_probabilities(runtime, card, image), card)
    assert dice(count(found == 1, labels == 1)) > 0.7
    recipe = json.loads((tmp_path / "model" / "recipe.json").read_text())
    assert len(recipe["history"]) == 40
    assert len(recipe["discriminator_history"]) == 2
    assert all(0 <= epoch[AUC] <= 1 for epoch in recipe["history"])
    assert str(tmp_path) not in json.dumps(recipe)


@pytest.mark.slow
def test_volumes_are_learnt_and_served(volumes, tmp_path):
    trained = train_masks(volumes, tmp_path / "model", VOLUME_RECIPE)
    assert trained.test["dice"] > 0.6
    values, labels = draw_volume(np.random.default_rng(98), 12)
    runner = VolumeRunner(trained.folder.card, OnnxRuntime(trained.folder.onnx_path, 1), 5)
    seen = scaled(Volume(values[..., None]), VolumeScaling())
    found = np.concatenate([runner.labels(part) for part in runner.run(seen)])
    assert dice(count(found > 0, labels > 0)) > 0.6


def test_any_monai_network_by_name(mask_set, tmp_path):
    recipe = replace(
        RECIPE,
        network="monai:BasicUNet",
        network_options={"features": [4, 4, 4, 8, 8, 4]},
        fit=replace(FIT, epochs=1),
        adversary=replace(RECIPE.adversary, epochs=0),
    )
    trained = train_masks(mask_set, tmp_path / "model", recipe)
    assert trained.epochs == 1
    assert trained.parity < 1e-4


# Trains in another process; at a given step it says so and waits to be killed.
SCRIPT = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
from zooassist_training.segmentation import module
from zooassist_training.segmentation.train import train_masks
from segmentation_recipe import SHORT
data, out, checkpoints, cls, epoch, batch = sys.argv[2:]
cls = getattr(module, cls)
original = cls.training_step
def step(self, batch_, batch_idx):
    loss = original(self, batch_, batch_idx)
    if type(self) is cls and (self.current_epoch, batch_idx) == (int(epoch), int(batch)):
        print("here", flush=True)
        time.sleep(300)
    return loss
cls.training_step = step
train_masks(Path(data), Path(out), SHORT, checkpoints=Path(checkpoints))
"""
SHORT = replace(RECIPE, fit=replace(FIT, epochs=3), adversary=replace(RECIPE.adversary, epochs=2))


def killed_at(data: Path, folder: Path, module: str, epoch: int, batch: int) -> None:
    """Start a training and end it with SIGKILL at a step."""
    (folder / "segmentation_recipe.py").write_text(
        f"import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('recipes_of_test', {__file__!r})\n"
        "made = importlib.util.module_from_spec(spec)\n"
        "sys.modules['recipes_of_test'] = made\n"
        "spec.loader.exec_module(made)\n"
        "SHORT = made.SHORT\n"
    )
    paths = ":".join([str(folder), *(path for path in sys.path if path)])
    arguments = (data, folder / "broken", folder / "checkpoints", module, epoch, batch)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, paths, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "here\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_in_both_parts_and_resumed_is_the_unbroken_run(mask_set, tmp_path):
    unbroken = train_masks(mask_set, tmp_path / "whole", SHORT)
    checkpoints = tmp_path / "checkpoints"
    killed_at(mask_set, tmp_path, "SegmentationModule", 1, 1)
    assert len(read_state(checkpoints / LAST)[HISTORY]) == 1
    killed_at(mask_set, tmp_path, "DiscriminatorModule", 1, 1)
    assert (checkpoints / DONE).is_file()
    assert len(read_state(checkpoints / SECOND / LAST)[HISTORY]) == 1
    assert not (tmp_path / "broken").exists()
    resumed = train_masks(mask_set, tmp_path / "resumed", SHORT, checkpoints=checkpoints)
    assert resumed.folder.card.version == unbroken.folder.card.version
    other = replace(SHORT, adversary=replace(SHORT.adversary, seg_alpha=10.0))
    with pytest.raises(BadInput, match="option seg_alpha: expected 10"):
        train_masks(mask_set, tmp_path / "other", other, checkpoints=checkpoints)


def module_of(seg_alpha: float) -> SegmentationModule:
    torch.manual_seed(0)
    options = {"width": 4, "levels": 2, "dropout": 0.0}
    spec = SegmentationSpec("mask", "unet", 1, options=options, discriminator=JUDGE)
    adversary = AdversaryOptions(loss="dice-ce", seg_alpha=seg_alpha)
    return SegmentationModule(SegmentationNetwork(spec), FIT, adversary, 16)


def test_generator_and_discriminator_do_not_feel_each_others_losses():
    module = module_of(1.0)
    stacks = torch.randn(2, 1, 3, 16, 16)
    network = module.network
    masks = network.probabilities(network.logits(stacks))
    module._fooled(stacks, masks).backward()
    assert all(weight.grad is None for weight in network.discriminator.parameters())
    assert any(weight.grad.abs().sum() > 0 for weight in network.generator.parameters())


def test_the_area_under_the_curve_counts_pairs():
    random = np.random.default_rng(0)
    high, low = random.integers(0, 6, 30), random.integers(-1, 5, 40)
    wins = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    assert area_under_curve(high, low) == pytest.approx(wins)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"windows": WindowOptions(30)}, "multiple of 8 px for this network, got 30; give 32"),
        ({"network": "resnet"}, "expected unet"),
        ({"encoder_weights": "local-dir:x"}, "expected a network timm:NAME, got 'unet'"),
        ({"fit": replace(FIT, train="head")}, "leave out --train"),
    ],
)
def test_recipes_that_cannot_be_are_refused(change, expected, mask_set, tmp_path):
    with pytest.raises(BadInput, match=expected):
        train_masks(mask_set, tmp_path / "model", replace(RECIPE, **change))
    assert not (tmp_path / "model").exists()


def test_members_of_another_scale_are_refused(mask_set, tmp_path):
    together = replace(RECIPE, network_options={}, members=("nuclei",), scale=0.5)
    with pytest.raises(BadInput, match=r"member nuclei: expected the classes .* at scale 0.5"):
        train_masks(mask_set, tmp_path / "model", together)


def test_wrong_words_are_refused_when_said():
    with pytest.raises(BadInput, match="gap: expected 0 for volumes, got 1"):
        replace(RECIPE, kind="volume", gap=1)
    with pytest.raises(BadInput, match="got both"):
        replace(RECIPE, start="nuclei", encoder_weights="local-dir:x")
    with pytest.raises(BadInput, match="members: expected no --network"):
        replace(RECIPE, members=("a",), network="unet")
    with pytest.raises(BadInput, match="seam: expected a weight above 0"):
        replace(RECIPE, seam=0.0)
    for change, expected in (
        ({"name": "A b"}, "lower-case letters"),
        ({"train_on": ("test",)}, "never the test split"),
        ({"windows": WindowOptions(32, 2)}, "expected 1 for images"),
        ({"store": "int4"}, "store: expected one of"),
    ):
        with pytest.raises(BadInput, match=expected):
            replace(RECIPE, **change)
    with pytest.raises(BadInput, match="loss: expected one of focal-tversky"):
        AdversaryOptions(loss="mse")
    with pytest.raises(BadInput, match="seg_alpha: expected more than 0"):
        AdversaryOptions(seg_alpha=0)


def test_the_doors_train_and_report(mask_set, volumes, tmp_path):
    short = ["--epochs", "1", "--judge-epochs", "1", "--judge-layers", "2", "--threads", "1"]
    size = ["--size", "32", "--network-options", '{"width": 4, "levels": 2}']
    masks = [str(mask_set), "--out", str(tmp_path / "masks"), *size, *short]
    result = CliRunner().invoke(train, ["mask", *masks], catch_exceptions=False)
    assert result.exit_code == 0
    assert "masks: 8, epochs: 2, ONNX parity" in result.output
    # Without --gap: that its members know seams is theirs to say.
    apart = [str(mask_set), "--out", str(tmp_path / "apart"), "--gap", "1", *size, *short]
    assert CliRunner().invoke(train, ["mask", *apart], catch_exceptions=False).exit_code == 0
    of_it = ["--member", str(tmp_path / "apart")] * 2
    together = [str(mask_set), "--out", str(tmp_path / "two"), "--size", "32", *of_it, *short]
    result = CliRunner().invoke(train, ["mask", *together], catch_exceptions=False)
    assert result.exit_code == 0
    assert "masks: 8, epochs: 1, ONNX parity" in result.output
    with pytest.raises(BadInput, match="members: expected no --network"):
        CliRunner().invoke(train, ["mask", *together, "--network", "unet"], catch_exceptions=False)
    size = ["--size", "24", "--depth", "4", "--network-options", '{"hidden": [4, 4]}']
    named = ["--class", "1=left", "--class", "2=right"]
    scans = [str(volumes), "--out", str(tmp_path / "scans"), *size, *short, *named]
    result = CliRunner().invoke(train, ["volume", *scans], catch_exceptions=False)
    assert result.exit_code == 0
    assert "test dice/left" in result.output
    with pytest.raises(BadInput, match="expected NUMBER=NAME"):
        CliRunner().invoke(train, ["volume", *scans, "--class", "left"], catch_exceptions=False)
