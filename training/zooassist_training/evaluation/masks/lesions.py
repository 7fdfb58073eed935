"""How good is a mask lesion by lesion? LesionWise Dice and HD95 as BraTS 2023 defines them.

Every missed lesion and every false one counts as much as a large one. Lesions of the truth that
grow together when dilated are one. After the challenge's published evaluation (Saluja et al.,
BraTS 2023), without its dependence on files and data frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.hausdorff import bounding_box, check_spacing, hd95
from zooassist_training.evaluation.masks.overlap import Bools, Counts, check_same_shape, dice

MISSED_HD95: Final = 374.0
"""Millimetres that a missed or false lesion counts: BraTS' volumes have no longer diagonal."""

REGIONS: Final[dict[str, tuple[int, ...]]] = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
"""Region of a tumour -> the labels it is made of: whole tumour, core, enhancing part."""


@dataclass(frozen=True)
class Challenge:
    """The parameters of one challenge.

    Attributes
    ----------
    dilation : int
        How often a lesion is dilated (by its 18 neighbours) before others count as part of it.
    smallest : float
        Lesions of the truth of at most this volume (mm3) do not count.
    """

    dilation: int
    smallest: float


CHALLENGES: Final[dict[str, Challenge]] = {
    "GLI": Challenge(dilation=3, smallest=50.0),
    "SSA": Challenge(dilation=3, smallest=50.0),
    "PED": Challenge(dilation=3, smallest=50.0),
    "MEN": Challenge(dilation=1, smallest=50.0),
    "MET": Challenge(dilation=1, smallest=2.0),
}


@dataclass(frozen=True)
class Lesion:
    """One lesion of the truth; `hd95` is infinite when nothing predicted belongs to it."""

    volume: float
    dice: float
    hd95: float
    found: bool


@dataclass(frozen=True)
class LesionScore:
    """The score of one region.

    Attributes
    ----------
    lesions : tuple of Lesion
        All of the truth, also those too small to count.
    false_lesions : int
        Predicted components that belong to no lesion, however small.
    """

    lesions: tuple[Lesion, ...]
    false_lesions: int
    challenge: Challenge

    @property
    def counted(self) -> tuple[Lesion, ...]:
        """The lesions that are large enough."""
        return tuple(each for each in self.lesions if each.volume > self.challenge.smallest)

    @property
    def dice(self) -> float:
        """Mean Dice over lesions and false lesions, which have 0; 1 when there are none."""
        whole = len(self.counted) + self.false_lesions
        return sum(each.dice for each in self.counted) / whole if whole else 1.0

    @property
    def hd95(self) -> float:
        """Mean HD95 (mm) over lesions and false lesions; 0 when there are none."""
        whole = len(self.counted) + self.false_lesions
        distances = [
            min(each.hd95, MISSED_HD95) if each.found else MISSED_HD95 for each in self.counted
        ]
        return (sum(distances) + MISSED_HD95 * self.false_lesions) / whole if whole else 0.0


def lesionwise(
    predicted: Bools, truth: Bools, spacing: Sequence[float], challenge: Challenge
) -> LesionScore:
    """Compare two masks of one region lesion by lesion.

    Parameters
    ----------
    predicted, truth : arrays of bool, shape (slices, height, width)
    spacing : 3 floats
        Millimetres between neighbours along each axis. Dilation goes by voxels all the same, as in
        the challenge, whose voxels are 1 mm.

    Raises
    ------
    BadInput
        When the shapes differ, or there are not three dimensions.
    """
    check_same_shape(predicted, truth)
    if truth.ndim != 3:
        raise BadInput(
            f"lesionwise: expected volumes of 3 dimensions, got {truth.ndim}; use dice, hd95 or f1"
        )
    check_spacing(spacing, 3)
    box = bounding_box(predicted | truth)
    if box is None:
        return LesionScore((), 0, challenge)
    grown = _grown(box, truth.shape, challenge.dilation)
    return _compare(predicted[grown], truth[grown], spacing, challenge)


def _compare(
    predicted: Bools, truth: Bools, spacing: Sequence[float], challenge: Challenge
) -> LesionScore:
    from scipy import ndimage

    touching = ndimage.generate_binary_structure(3, 3)
    near = ndimage.generate_binary_structure(3, 2)

    def dilated(mask: Bools) -> Bools:
        # Zero iterations would mean "until nothing changes" to scipy.
        if not challenge.dilation:
            return mask
        out: Bools = ndimage.binary_dilation(mask, near, iterations=challenge.dilation)
        return out

    theirs, found = ndimage.label(predicted, touching)
    joined, _ = ndimage.label(dilated(truth), touching)
    joined[~truth] = 0
    where = ndimage.find_objects(theirs)
    matched: set[int] = set()
    lesions = []
    for number, lies in enumerate(ndimage.find_objects(joined), start=1):
        if lies is None:
            continue
        # Only the lesion's surroundings are looked at: a volume may hold hundreds.
        around = _grown(lies, truth.shape, challenge.dilation)
        reach = dilated(joined[around] == number)
        hits = [int(each) for each in np.unique(theirs[around][reach]) if each]
        matched.update(hits)
        span = _span([lies, *(where[hit - 1] for hit in hits)])
        lesions.append(_lesion(joined[span] == number, theirs[span], hits, spacing))
    return LesionScore(tuple(lesions), found - len(matched), challenge)


def _lesion(
    lesion: Bools, components: NDArray[Any], hits: list[int], spacing: Sequence[float]
) -> Lesion:
    predicted = np.isin(components, hits) if hits else np.zeros_like(lesion)
    both = int(np.count_nonzero(lesion & predicted))
    counts = Counts(
        both, int(np.count_nonzero(predicted)) - both, int(np.count_nonzero(lesion)) - both
    )
    return Lesion(
        volume=float(np.count_nonzero(lesion)) * math.prod(spacing),
        dice=dice(counts),
        hd95=hd95(predicted, lesion, spacing),
        found=bool(hits),
    )


def _grown(box: Sequence[slice], shape: Sequence[int], by: int) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, each.start - by), min(side, each.stop + by))
        for each, side in zip(box, shape, strict=True)
    )


def _span(boxes: Sequence[tuple[slice, ...]]) -> tuple[slice, ...]:
    return tuple(
        slice(min(each.start for each in axis), max(each.stop for each in axis))
        for axis in zip(*boxes, strict=True)
    )
