"""How much of a mask is right? Dice, IoU and MCC from counts that add up slice by slice."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Counts:
    """How many pixels (voxels) are predicted and true; counts of parts of a volume add up.

    Attributes
    ----------
    both, predicted_only, true_only, neither : int
        True positives, false positives, false negatives, true negatives.
    """

    both: int = 0
    predicted_only: int = 0
    true_only: int = 0
    neither: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.both + other.both,
            self.predicted_only + other.predicted_only,
            self.true_only + other.true_only,
            self.neither + other.neither,
        )

    @property
    def wrong(self) -> int:
        """How many are predicted and not true, or the other way round."""
        return self.predicted_only + self.true_only

    @property
    def is_empty(self) -> bool:
        """Whether nothing is predicted and nothing is true."""
        return self.both + self.wrong == 0


def count(predicted: Bools, truth: Bools) -> Counts:
    """Count pixels of two masks of one shape, any number of dimensions.

    Raises
    ------
    BadInput
        When the shapes differ.
    """
    check_same_shape(predicted, truth)
    both = int(np.count_nonzero(predicted & truth))
    in_predicted, in_truth = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    return Counts(
        both, in_predicted - both, in_truth - both, truth.size - in_predicted - in_truth + both
    )


def check_same_shape(predicted: NDArray[np.generic], truth: NDArray[np.generic]) -> None:
    """Refuse two masks that cannot lie on each other."""
    if predicted.shape != truth.shape:
        raise BadInput(
            f"expected two masks of one size, got {_size(predicted)} predicted and {_size(truth)} "
            "true; resize the label map with nearest neighbours, or fetch the right file"
        )


def _size(mask: NDArray[np.generic]) -> str:
    return " x ".join(map(str, mask.shape))


def dice(counts: Counts) -> float:
    """Return 2 |P and T| / (|P| + |T|); 1 when both are empty (as BraTS does)."""
    whole = 2 * counts.both + counts.wrong
    return 2 * counts.both / whole if whole else 1.0


def iou(counts: Counts) -> float:
    """Return intersection over union; 1 when both are empty."""
    union = counts.both + counts.wrong
    return counts.both / union if union else 1.0


def mcc(counts: Counts) -> float:
    """Return Matthews' correlation coefficient, -1 to 1.

    Where its denominator is 0 (a mask is all or nothing): 1 when the masks are equal, -1 when they
    are opposites, else 0, the limits of Chicco and Jurman 2020.
    """
    tp, fp, fn, tn = counts.both, counts.predicted_only, counts.true_only, counts.neither
    square = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    if square:
        return (tp * tn - fp * fn) / math.sqrt(square)
    if not counts.wrong:
        return 1.0
    return -1.0 if not (tp or tn) else 0.0
