"""How good are masks of nuclei that were never trained on? (`make bench-nuclei`)

A fifth of 140 microscopy images is held back by the hash of their names. Measured are the mean Dice
of an image's mask and the F1 of its nuclei: parts of the mask (of 8 pixels or more) against the
nuclei that biologists drew, matched at an IoU of 0.5; over all nuclei, and as a mean over images,
of which one has more nuclei than ten others. Beside it, with the same images, scale, seams, loss,
augmentations and minutes of training, a network of MONAI, which knows no photographs before.
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
from zooassist_training.recipes.nuclei import (
    knowing_imagenet,
    nuclei_recipe,
    write_nuclei_set,
)
from zooassist_training.segmentation.sources import number_of
from zooassist_training.segmentation.train import MaskRecipe, train_masks

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


def trained(
    recipe: MaskRecipe, training_set: Path, data: Path, minutes: float, model: Path
) -> dict[str, Any]:
    """Train so many minutes, and measure; the discriminator's own epochs come on top."""

    def train(epochs: int, judging: int = 0) -> None:
        with_epochs = replace(
            recipe,
            fit=replace(recipe.fit, epochs=epochs),
            adversary=replace(recipe.adversary, epochs=judging),
        )
        train_masks(training_set, model, with_epochs, overwrite=True)

    epochs = epochs_within(minutes, train)
    start = time.perf_counter()
    train(epochs, recipe.adversary.epochs)
    seconds = time.perf_counter() - start
    size = (model / "model.onnx").stat().st_size
    scores = score(model, data, recipe.fit.threads)
    return {**scores, "epochs": epochs, "seconds": seconds, "megabytes": size / 1e6}


def main() -> int:
    """Train both, measure both, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", help="measure this model, too: the bundled one by its name")
    parser.add_argument("--minutes", type=float, default=30.0, help="of training, each network")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("ours", "monai"), help="train this one, record nothing")
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
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        training_set = write_nuclei_set(folder, work / "set")
        digest = read_training_set(training_set).sha256
        plain = nuclei_recipe(args.threads)
        # A rival's discriminator would never be asked.
        rival = replace(plain, **RIVAL, adversary=replace(plain.adversary, epochs=0))
        ours = knowing_imagenet(plain, work / "imagenet")
        for name, recipe in (("ours", ours), ("monai", rival)):
            if args.only not in (None, name):
                continue
            options = {
                "network": recipe.network,
                "options": dict(recipe.network_options),
                "minutes": args.minutes,
                "threads": args.threads,
                "learning_rate": recipe.fit.learning_rate,
                "scale": recipe.scale,
                "gap": recipe.gap,
                "set": digest,
            }
            model = (args.keep or work) / name
            result = runs.result_of(
                options,
                lambda recipe=recipe, model=model: trained(
                    recipe, training_set, folder, args.minutes, model
                ),
            )
            goals = (DICE, F1) if name == "ours" and not args.model else (None, None)
            figures |= of_scores(name, result, *goals)
            figures[f"{name}_epochs"] = Figure(result["epochs"], "epochs")
            figures[f"{name}_minutes"] = Figure(result["seconds"] / 60, "min")
            figures[f"{name}_megabytes"] = Figure(result["megabytes"], "MB")
    if args.model:
        figures |= of_scores("model", score(args.model, folder, args.threads), DICE, F1)
        size = load_model_folder(args.model).onnx_path.stat().st_size
        figures["model_megabytes"] = Figure(size / 1e6, "MB", 8.0)
    for name, figure in figures.items():
        print(f"{name}: {figure.value:.4g} {figure.unit} {figure.goal_text}")
    if args.only:
        return 0
    command = f"python benchmarks/nuclei.py --minutes {args.minutes:g} --threads {args.threads}"
    return 0 if record("nuclei", figures, command) else 1


def of_scores(
    name: str, scores: dict[str, Any], dice_goal: float | None, f1_goal: float | None
) -> dict[str, Figure]:
    """Name the figures of one model."""
    return {
        f"{name}_dice": Figure(scores["dice"], "", dice_goal, "higher"),
        f"{name}_object_f1": Figure(scores["f1"], "at IoU 0.5, all nuclei", f1_goal, "higher"),
        f"{name}_object_f1_of_images": Figure(scores["f1_of_images"], "at IoU 0.5, mean of images"),
    }


if __name__ == "__main__":
    sys.exit(main())
