"""How good are masks of the hippocampus in MRI scans? (`make bench-hippocampus`)

60 volumes, a fifth held back by the hash of their names; measured is the mean Dice of two parts.
The recipe has 45 minutes on two cores. Beside it, with the same volumes, loss, augmentations and
minutes of training, MONAI's three-dimensional BasicUNet.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_record import Figure, record
from finished_runs import FinishedRuns
from monai.networks.nets import BasicUNet
from timed_training import epochs_within
from torch import Tensor, nn

from zooassist_serving.masks.label_maps import class_places
from zooassist_serving.masks.tiling import mirrored, next_multiple
from zooassist_training.evaluation.masks.overlap import count, dice
from zooassist_training.recipes.hippocampus import CLASSES, FOLDER, hippocampus_recipe
from zooassist_training.segmentation.fit import fit_masks
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.networks import SegmentationNetwork, SegmentationSpec
from zooassist_training.segmentation.sources import open_source
from zooassist_training.segmentation.stacks import Stacks, channel_statistics
from zooassist_training.segmentation.train import TrainedMasks, train_masks

DICE, MINUTES = 0.82, 45.0
FEATURES = (16, 16, 32, 64, 128, 16)
RIVAL_DIVISOR = 16


class InThreeDimensions(nn.Module):
    """MONAI's network on volumes (batch, slices, channels, height, width)."""

    divisor = RIVAL_DIVISOR

    def __init__(self, channels: int, logits: int) -> None:
        super().__init__()
        self.network = BasicUNet(3, channels, logits, FEATURES)

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits of the same layout."""
        return self.network(volume.transpose(1, 2)).transpose(1, 2)


def ours(data: Path, recipe: MaskRecipe, minutes: float) -> dict[str, Any]:
    """Train the recipe so many minutes, and measure on what is held back."""
    with tempfile.TemporaryDirectory() as scratch:

        def train(epochs: int) -> TrainedMasks:
            with_epochs = replace(recipe, fit=replace(recipe.fit, epochs=epochs))
            return train_masks(data, Path(scratch) / "model", with_epochs, overwrite=True)

        epochs = epochs_within(minutes, train)
        start = time.perf_counter()
        trained = train(epochs)
        return {
            "dice": trained.test["dice"],
            **{each.name: trained.test[f"dice/{each.name}"] for each in CLASSES},
            "parity": trained.parity,
            "epochs": epochs,
            "seconds": time.perf_counter() - start,
        }


def rival(data: Path, recipe: MaskRecipe, minutes: float) -> dict[str, Any]:
    """Train MONAI's network so many minutes on the same windows, and measure."""
    source = open_source(data, "volume", CLASSES)
    training, validation, test = (
        source.read((split,), recipe.preprocessing) for split in ("train", "validation", "test")
    )
    size = next_multiple(recipe.windows.size, RIVAL_DIVISOR)
    windows = replace(recipe.windows, size=size)

    def train(epochs: int) -> SegmentationNetwork:
        torch.manual_seed(recipe.fit.seed)
        spec = SegmentationSpec(
            "volume",
            "tcup",
            len(CLASSES),
            1,
            {"hidden": [4, 4, 4]},
            recipe.discriminator,
            divisor=RIVAL_DIVISOR,
        )
        network = SegmentationNetwork(spec)
        network.generator = InThreeDimensions(1, spec.logits)
        network.normalise_by(*channel_statistics(training))
        options = replace(recipe.fit, epochs=epochs)
        fit_masks(network, training, validation, windows, options, recipe.adversary)
        return network

    epochs = epochs_within(minutes, train)
    start = time.perf_counter()
    network = train(epochs)
    seconds = time.perf_counter() - start
    found = dices(network, test)
    named = {each.name: float(d) for each, d in zip(CLASSES, found, strict=True)}
    return {"dice": float(found.mean()), **named, "epochs": epochs, "seconds": seconds}


def dices(network: SegmentationNetwork, test: Stacks) -> np.ndarray:
    """Return the mean Dice of each class over whole volumes, mirrored to what the network takes."""
    found = []
    for image, truth in zip(test.images, test.labels, strict=True):
        axes = [mirrored(0, next_multiple(n, RIVAL_DIVISOR), n) for n in truth.shape]
        pixels = torch.from_numpy(image[np.ix_(*axes)]).permute(0, 3, 1, 2).float()[None]
        with torch.no_grad():
            masks = network.probabilities(network.logits(network.normalised(pixels)))[0].numpy()
        slices, height, width = truth.shape
        places = class_places(masks[:slices, :, :height, :width], [0.5] * len(CLASSES))
        of_classes = [count(places == n, truth == n) for n in range(1, len(CLASSES) + 1)]
        found.append([dice(each) for each in of_classes])
    return np.mean(found, axis=0)


def main() -> int:
    """Train both, measure both, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=40.0, help="of training, each network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--only", choices=("tcup", "monai_3d"), help="train this one, record nothing"
    )
    parser.add_argument("--runs", type=Path, default=Path("build/bench-hippocampus.jsonl"))
    args = parser.parse_args()
    data = args.data / FOLDER
    if not data.is_dir():
        print(f"{data}: not there, nothing measured")
        return 0
    args.runs.parent.mkdir(parents=True, exist_ok=True)
    runs = FinishedRuns(args.runs)
    recipe = hippocampus_recipe(args.threads)
    recipe = replace(recipe, adversary=replace(recipe.adversary, epochs=0))
    figures: dict[str, Figure] = {}
    for name, run in (("tcup", ours), ("monai_3d", rival)):
        if args.only not in (None, name):
            continue
        options = {
            "network": name,
            "options": {key: list(value) for key, value in recipe.network_options.items()},
            "features": list(FEATURES),
            "minutes": args.minutes,
            "threads": args.threads,
            "learning_rate": recipe.fit.learning_rate,
            "batch": recipe.fit.batch_size,
            "set": open_source(data, "volume", CLASSES).reference.sha256,
        }
        result = runs.result_of(options, lambda run=run: run(data, recipe, args.minutes))
        goal = DICE if name == "tcup" else None
        figures[f"{name}_dice"] = Figure(result["dice"], "", goal, "higher")
        for each in CLASSES:
            figures[f"{name}_dice_{each.name}"] = Figure(result[each.name])
        limit = MINUTES if name == "tcup" else None
        figures[f"{name}_minutes"] = Figure(result["seconds"] / 60, "min", limit)
        figures[f"{name}_epochs"] = Figure(result["epochs"], "epochs")
        if "parity" in result:
            figures[f"{name}_parity"] = Figure(result["parity"], "probability", 1e-4)
    for name, figure in figures.items():
        print(f"{name}: {figure.value:.4g} {figure.unit} {figure.goal_text}")
    if args.only:
        return 0
    command = (
        f"python benchmarks/hippocampus.py --minutes {args.minutes:g} --threads {args.threads}"
    )
    return 0 if record("hippocampus", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
