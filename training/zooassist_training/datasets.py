"""What does the network see of a training set? Prepared images, and the votes or values of them."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.model_card import Preprocessing
from zooassist_plugin.output_paths import writing
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_training.encoders import Channels
from zooassist_training.networks import GREY

HEAVIEST = 20.0


@dataclass(frozen=True)
class LabelledImages:
    """Images as the network takes them, with labels; rows that could not be used are named.

    Attributes
    ----------
    images : array of shape (images, size, size, 3), uint8
        Kept in a temporary file that the system forgets with the process, not in memory.
    labels : array of shape (images, columns), float32
        Votes per label column, or values of targets with NaN where one is not known.
    subject_ids : array of shape (images,)
    weights : array of shape (images,), float32
        How much each image counts; 1 on average.
    surveys : array of shape (images,)
        Which of several training sets an image is of, by number.
    problems : tuple of ItemFailed
        Subjects whose image is missing or broken.
    without_labels : int
        Subjects that nobody answered a question about, or that have no value.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.float32]
    subject_ids: NDArray[np.int64]
    weights: NDArray[np.float32]
    surveys: NDArray[np.int64]
    problems: tuple[ItemFailed, ...] = ()
    without_labels: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> NDArray[np.float32]:
        """The labels, where these are votes."""
        return self.labels

    def rows(self, chosen: NDArray[np.integer] | slice) -> LabelledImages:
        """Return some of the images, each with the weight that it has; nothing is reported twice.

        Parameters
        ----------
        chosen : array of int, or slice
            Rows; an array copies the images, a slice does not.
        """
        return LabelledImages(
            images=self.images[chosen],
            labels=self.labels[chosen],
            subject_ids=self.subject_ids[chosen],
            weights=self.weights[chosen],
            surveys=self.surveys[chosen],
        )


def read_labelled_images(
    training_set: TrainingSet,
    splits: Sequence[Split],
    spec: Preprocessing,
    values: NDArray[np.floating] | None = None,
) -> LabelledImages:
    """Decode and prepare the images of some splits, exactly as they will be when served.

    A subject without labels is left out; a missing or broken image is left out and reported.

    Parameters
    ----------
    values : array of shape (subjects, targets), optional
        Labels in place of the set's votes; NaN where one is not known.
    """
    found = [training_set.rows_of(split) for split in splits]
    rows = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *found]))
    if values is None:
        labels = training_set.counts[rows].astype(np.float32)
        labelled = labels.sum(1) > 0
    else:
        labels = values[rows].astype(np.float32)
        labelled = np.isfinite(labels).any(1)
    images = temporary_array((int(labelled.sum()), spec.size, spec.size, 3))
    problems: list[ItemFailed] = []
    kept: list[int] = []
    for place in np.flatnonzero(labelled):
        row = int(rows[place])
        try:
            picture = decode_image(training_set.image_path(row).read_bytes(), stretch=spec.stretch)
        except (BadInput, OSError) as error:
            subject = f"subject {training_set.subject_ids[row]}"
            said = error.strerror if isinstance(error, OSError) else str(error)
            reason, _, remedy = (said or type(error).__name__).rpartition("; ")
            if not reason:
                reason, remedy = remedy, "mend or remove its image and export again"
            problems.append(ItemFailed(subject, reason, remedy))
            continue
        images[len(kept)] = prepare(picture, spec)
        kept.append(int(place))
    return LabelledImages(
        images=images[: len(kept)],
        labels=labels[kept],
        subject_ids=training_set.subject_ids[rows[kept]],
        weights=inclusion_weights(training_set.inclusion_probability[rows[kept]]),
        surveys=np.zeros(len(kept), dtype=np.int64),
        problems=tuple(problems),
        without_labels=int((~labelled).sum()),
    )


def temporary_array(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return an empty array in a file that the system forgets with the process."""
    if 0 in shape:
        return np.zeros(shape, dtype=np.uint8)
    with writing(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        # Reserved at once: a disk that fills up under a mapping kills the process without a word.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, math.prod(shape))
        return np.memmap(file, dtype=np.uint8, mode="w+", shape=shape)  # outlives the handle


def inclusion_weights(probability: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weigh images by one over the chance with which they were chosen, so that rare picks count.

    A set that was chosen for being interesting then teaches what the whole population is like
    (Horvitz & Thompson 1952). Weights are 1 on average; none is more than `HEAVIEST` times the
    median, since a few images that count for hundreds would be all that is learnt.

    Parameters
    ----------
    probability : array of shape (images,)
        In (0, 1].
    """
    if len(probability) == 0:
        return np.zeros(0, dtype=np.float32)
    weights = 1 / probability
    weights = np.minimum(weights, HEAVIEST * np.median(weights))
    return np.asarray(weights / weights.mean(), dtype=np.float32)


class LabelledDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """A uint8 image (side, side, 3), its labels (columns,), and how much it counts."""

    def __init__(self, labelled: LabelledImages) -> None:
        self._images, self._labels = labelled.images, torch.from_numpy(labelled.labels)
        self._weights = torch.from_numpy(labelled.weights)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return one image, its labels and its weight."""
        image = torch.from_numpy(np.array(self._images[index]))
        return image, self._labels[index], self._weights[index]


def channel_statistics(
    images: NDArray[np.uint8], sample: int = 1000, greyscale: bool = False
) -> tuple[Channels, Channels]:
    """Return mean and standard deviation per channel, of pixels scaled to 0-1.

    Parameters
    ----------
    sample : int
        At most so many images, evenly spaced, are looked at.
    greyscale : bool
        Of the images without colour, as a network of that kind sees them.
    """
    if len(images) == 0:
        return (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    step = max(1, len(images) // sample)
    pixels = np.asarray(images[::step], dtype=np.float64) / 255
    if greyscale:
        pixels = np.repeat((pixels * GREY).sum(-1, keepdims=True), 3, axis=-1)
    mean = pixels.mean((0, 1, 2))
    # A channel without variation must not divide by zero.
    deviation = np.maximum(pixels.std((0, 1, 2)), 1 / 255)
    return _three(mean), _three(deviation)


def _three(values: NDArray[np.float64]) -> Channels:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
