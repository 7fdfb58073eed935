"""How good are the masks of images that were never trained on? Through the graph, as served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.model_card import ModelCard, Preprocessing
from zooassist_serving.mask_tiles import mask_probabilities
from zooassist_serving.masks.label_maps import class_places
from zooassist_serving.masks.volume_runner import VolumeRunner
from zooassist_serving.model_folder import ONNX_FILE
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.evaluation.masks.overlap import Counts, count, dice
from zooassist_training.segmentation.stacks import Stacks


def score_test_split(
    onnx_bytes: bytes, card: ModelCard, test: Stacks, threads: int | None = None
) -> dict[str, float]:
    """Return the mean Dice over images (or volumes), of each class and of all; empty without any.

    A class that is neither in the mask nor in the truth of an image has 1 there.
    """
    found = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / ONNX_FILE
        path.write_bytes(onnx_bytes)
        runtime = OnnxRuntime(path, threads=threads)
        for image, truth in zip(test.images, test.labels, strict=True):
            counts = [Counts()] * len(card.classes)
            for start, predicted in predicted_places(card, runtime, image):
                true = truth[start : start + len(predicted)]
                counts = [
                    known + count(predicted == place, true == place)
                    for place, known in enumerate(counts, start=1)
                ]
            found.append([dice(each) for each in counts])
    if not found:
        return {}
    means = np.mean(found, axis=0)
    named = zip(card.classes, means, strict=True)
    return {"dice": float(means.mean())} | {f"dice/{each.name}": float(m) for each, m in named}


def predicted_places(
    card: ModelCard, runtime: OnnxRuntime, image: NDArray[np.uint8]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield number of a slice, and places of classes (slices, height, width) from there on.

    Parameters
    ----------
    image : array of shape (slices, height, width, channels)
        Of its own size, see `unscaled`; volumes brought to 8 bits as the card says.
    """
    thresholds = list(card.thresholds.values())
    if card.kind == "volume":
        for slices in VolumeRunner(card, runtime).run(image):
            yield slices.start, class_places(slices.probabilities, thresholds)
        return
    for number, one in enumerate(image):
        yield number, class_places(mask_probabilities(runtime, card, one), thresholds)[None]


def unscaled(spec: Preprocessing) -> Preprocessing:
    """Return how images are read to be measured: a mask is one of the image's own pixels."""
    return spec.model_copy(update={"scale": 1.0})
