"""How good are the masks of images that were never trained on? Through the graph, as served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.model_card import MaskClass, ModelCard
from zooassist_serving.masks.label_maps import label_map
from zooassist_serving.masks.mask_runner import MaskRunner
from zooassist_serving.masks.volume_runner import VolumeRunner
from zooassist_serving.model_folder import ONNX_FILE
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.segmentation.stacks import Stacks


def score_test_split(
    onnx_bytes: bytes, card: ModelCard, test: Stacks, threads: int | None = None
) -> dict[str, float]:
    """Return the mean Dice over images (or volumes), of each class and of all; empty without any.

    A class that is neither in the mask nor in the truth of an image does not count there.
    """
    found = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / ONNX_FILE
        path.write_bytes(onnx_bytes)
        runtime = OnnxRuntime(path, threads=threads)
        for image, truth in zip(test.images, test.labels, strict=True):
            predicted = np.concatenate(list(_labels(card, runtime, image)))
            found.append([dice(predicted == each, truth == each) for each in _places(card)])
    if not found:
        return {}
    with np.errstate(invalid="ignore"):
        table = np.array(found)
        per_class = {
            f"dice/{each.name}": float(np.nanmean(column))
            for each, column in zip(card.classes, table.T, strict=True)
            if np.isfinite(column).any()
        }
    means = [row[np.isfinite(row)].mean() for row in table if np.isfinite(row).any()]
    overall = {"dice": float(np.mean(means))} if means else {}
    return overall | per_class


def dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return twice what both share over what each has; NaN when both are empty."""
    total = np.count_nonzero(predicted) + np.count_nonzero(truth)
    return 2 * float(np.count_nonzero(predicted & truth)) / total if total else float("nan")


def _places(card: ModelCard) -> range:
    return range(1, len(card.classes) + 1)


def _labels(
    card: ModelCard, runtime: OnnxRuntime, image: NDArray[np.uint8]
) -> Iterator[NDArray[np.uint8]]:
    """Yield places of classes (slices, height, width), as the labels of stacks are."""
    classes: Sequence[MaskClass] = [
        MaskClass(number=place, name=str(place)) for place in _places(card)
    ]
    if card.kind == "volume":
        for slices in VolumeRunner(card, runtime).run(image):
            yield label_map(slices.probabilities, classes)
        return
    unscaled = card.model_copy(
        update={"preprocessing": card.preprocessing.model_copy(update={"scale": 1.0})}
    )
    runner = MaskRunner(unscaled, runtime)  # stacks are scaled already
    for one in image:
        yield label_map(runner.run(one).probabilities, classes)[None]
