"""How good are masks of nuclei that were never trained on? (`make bench-nuclei`)

A fifth of 140 microscopy images is held back by the hash of their names. Measured are the mean Dice
of an image's mask and the F1 of its nuclei: parts of the mask (of 8 pixels or more) against the
nuclei that biologists drew, matched at an IoU of 0.5; over all nuclei, and as a mean over images,
of which one has more nuclei than ten others. Beside it, with the same images, scale, seams, loss,
augmentations and minutes of training, one network of MONAI, which knows no photographs before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_record import Figure, record
from finished_runs import FinishedRuns
from numpy.typing import NDArray
from PIL import Image
from timed_training import epochs_within

from zooassist_exporters.splits import split_of
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput
from zooassist_serving.mask_tiles import mask_probabilities
from zooassist_serving.masks.label_maps import class_places
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import decode_image
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.evaluation.masks.objects import ObjectScore, components, object_score
from zooassist_training.evaluation.masks.overlap import count, dice
from zooassist_training.recipes.nuclei import make, nuclei_recipe, write_nuclei_set
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.sources import number_of
from zooassist_training.segmentation.train import train_masks

DICE, F1 = 0.88, 0.75
# Smaller parts of a mask are specks. The smallest nuclei have some 6 pixels.
LEAST = 8
RIVAL = {
    "network": "monai:BasicUNet",
    "network_options": {"features": [24, 24, 48, 96, 192, 24]},
}


def score(model: str | Path, data: Path, threads: int | None) -> dict[str, float]:
    """Measure a model on the images that are held back."""
    folder = load_model_folder(model)
    runtime = OnnxRuntime(folder.onnx_path, threads=threads, sha256=folder.card.sha256)
    thresholds = list(folder.card.thresholds.values())
    dices: list[float] = []
    images: list[ObjectScore] = []
    for path in sorted((data / "images").glob("*.png")):
        if split_of(number_of(path.stem)) != "test":
            continue
        probabilities = mask_probabilities(runtime, folder.card, decode_image(path.read_bytes()))
        found = class_places(probabilities, thresholds) > 0
        ids = np.array(Image.open(data / "nucleus_ids" / path.name)).astype(np.int64)
        dices.append(dice(count(found, ids > 0)))
        images.append(object_score(without_specks(components(found)), ids))
    if not dices:
        raise BadInput(f"{data}: expected images of nuclei, found none held back")
    return {
        "dice": float(np.mean(dices)),
        "f1": sum(images, ObjectScore()).f1,
        "f1_of_images": float(np.mean([each.f1 for each in images])),
        "images": float(len(dices)),
    }


def without_specks(objects: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return an instance map without the objects of fewer than `LEAST` pixels."""
    return np.where(np.bincount(objects.ravel())[objects] >= LEAST, objects, 0)


def rival(recipe: MaskRecipe, training_set: Path, minutes: float, model: Path) -> int:
    """Train a network so many minutes; return the epochs."""

    def train(epochs: int) -> None:
        with_epochs = replace(recipe, fit=replace(recipe.fit, epochs=epochs))
        train_masks(training_set, model, with_epochs, overwrite=True)

    epochs = epochs_within(minutes, train)
    train(epochs)
    return epochs


def measured(train: Callable[[], int], model: Path, data: Path, threads: int) -> dict[str, Any]:
    """Train, and measure on what is held back."""
    start = time.perf_counter()
    epochs = train()
    seconds = time.perf_counter() - start
    size = (model / "model.onnx").stat().st_size
    scores = score(model, data, threads)
    return {**scores, "epochs": epochs, "seconds": seconds, "megabytes": size / 1e6}


def both_trained(args: argparse.Namespace, folder: Path, runs: FinishedRuns) -> dict[str, Figure]:
    """Train the recipe, then the rival as long; return the figures of both."""
    figures: dict[str, Figure] = {}
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        training_set = write_nuclei_set(folder, work / "set")
        recipe = nuclei_recipe(args.threads)
        options = {
            "recipe": repr(recipe),
            "set": read_training_set(training_set).sha256,
        }
        model = (args.keep or work) / "ours"

        def ours() -> int:
            return make(args.data, model, work / "ours-work", recipe).epochs

        result = runs.result_of(options, lambda: measured(ours, model, folder, args.threads))
        figures |= of_scores("ours", result, DICE, F1)
        minutes = result["seconds"] / 60
        # A rival's discriminator would never be asked.
        other = replace(recipe, **RIVAL, adversary=replace(recipe.adversary, epochs=0))
        beside = (args.keep or work) / "monai"

        def monai() -> int:
            return rival(other, training_set, minutes, beside)

        options = {**options, "recipe": repr(other), "minutes": round(minutes, 1)}
        result = runs.result_of(options, lambda: measured(monai, beside, folder, args.threads))
        figures |= of_scores("monai", result, None, None)
    return figures


def main() -> int:
    """Train both, measure both, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--model", help="measure this model, train none: the bundled one by its name"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep the models in this folder")
    parser.add_argument("--runs", type=Path, default=Path("build/bench-nuclei.jsonl"))
    args = parser.parse_args()
    folder = args.data / "nuclei"
    if not folder.is_dir():
        print(f"{folder}: not there, nothing measured")
        return 0
    args.runs.parent.mkdir(parents=True, exist_ok=True)
    runs = FinishedRuns(args.runs)
    figures: dict[str, Figure] = {}
    if args.model:
        figures |= of_scores("model", score(args.model, folder, args.threads), DICE, F1)
        size = load_model_folder(args.model).onnx_path.stat().st_size
        figures["model_megabytes"] = Figure(size / 1e6, "MB", 8.0)
    else:
        figures |= both_trained(args, folder, runs)
    for name, figure in figures.items():
        print(f"{name}: {figure.value:.4g} {figure.unit} {figure.goal_text}")
    of_model = f" --model {Path(args.model).name}" if args.model else ""
    command = f"python benchmarks/nuclei.py --threads {args.threads}{of_model}"
    return 0 if record("nuclei", figures, command) else 1


def of_scores(
    name: str, scores: dict[str, Any], dice_goal: float | None, f1_goal: float | None
) -> dict[str, Figure]:
    """Name the figures of one model."""
    figures = {
        f"{name}_dice": Figure(scores["dice"], "", dice_goal, "higher"),
        f"{name}_object_f1": Figure(scores["f1"], "at IoU 0.5, all nuclei", f1_goal, "higher"),
        f"{name}_object_f1_of_images": Figure(
            scores["f1_of_images"], "at IoU 0.5, mean of images", f1_goal, "higher"
        ),
    }
    if "seconds" in scores:
        figures[f"{name}_minutes"] = Figure(scores["seconds"] / 60, "min of training")
        figures[f"{name}_megabytes"] = Figure(scores["megabytes"], "MB")
    return figures


if __name__ == "__main__":
    sys.exit(main())
