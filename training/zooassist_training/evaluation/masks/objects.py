"""How many objects are found? F1 of objects that overlap by at least an IoU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.overlap import Bools, check_same_shape

SURELY_UNIQUE: Final = 0.5
"""Above this IoU an object overlaps one other at most, so that nothing has to be chosen."""


@dataclass(frozen=True)
class ObjectScore:
    """How many objects are found, false and missed; scores of several images add up."""

    found: int = 0
    false: int = 0
    missed: int = 0

    def __add__(self, other: ObjectScore) -> ObjectScore:
        return ObjectScore(
            self.found + other.found, self.false + other.false, self.missed + other.missed
        )

    @property
    def f1(self) -> float:
        """2 found / (2 found + false + missed); 1 when there are no objects at all."""
        whole = 2 * self.found + self.false + self.missed
        return 2 * self.found / whole if whole else 1.0


def object_score(
    predicted: NDArray[np.integer[Any]], truth: NDArray[np.integer[Any]], at: float = 0.5
) -> ObjectScore:
    """Match the objects of two instance maps one to one.

    As many as can be are matched, each pair with an IoU of at least `at`.

    Parameters
    ----------
    predicted, truth : arrays of int, one shape
        One number per object, 0 for none (`components` makes them of a mask).
    at : float
        Above 0, at most 1.
    """
    check_same_shape(predicted, truth)
    if not 0 < at <= 1:
        raise BadInput(f"object F1: expected an IoU above 0 and at most 1, got {at}")
    ours, our_place, our_sizes = _numbered(predicted)
    theirs, their_place, their_sizes = _numbered(truth)
    both = (predicted != 0) & (truth != 0)
    if not both.any():
        return ObjectScore(0, ours, theirs)
    pairs = our_place[predicted[both]].astype(np.int64) * theirs + their_place[truth[both]]
    codes, shared = np.unique(pairs, return_counts=True)
    rows, columns = np.divmod(codes, theirs)
    overlaps = shared / (our_sizes[rows] + their_sizes[columns] - shared)
    good = overlaps >= at
    found = _most_pairs(rows[good], columns[good], ours, theirs, at)
    return ObjectScore(found, ours - found, theirs - found)


def components(mask: Bools) -> NDArray[np.int32]:
    """Give each part of a mask a number; pixels that touch by a corner are of one part."""
    from scipy import ndimage

    numbers, _ = ndimage.label(mask, np.ones((3,) * mask.ndim))
    return np.asarray(numbers, dtype=np.int32)


def _numbered(objects: NDArray[np.integer[Any]]) -> tuple[int, NDArray[np.int64], NDArray[Any]]:
    """Return how many objects there are, the place of each number, and how large each is."""
    if objects.size and int(objects.min()) < 0:
        raise BadInput(f"instance map: expected numbers from 0, got {int(objects.min())}")
    numbers, sizes = np.unique(objects[objects != 0], return_counts=True)
    place = np.zeros(int(numbers[-1]) + 1 if len(numbers) else 1, dtype=np.int64)
    place[numbers] = np.arange(len(numbers))
    return len(numbers), place, sizes


def _most_pairs(
    rows: NDArray[np.int64], columns: NDArray[np.int64], ours: int, theirs: int, at: float
) -> int:
    if at > SURELY_UNIQUE:
        return len(rows)
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    graph = csr_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), (ours, theirs))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())
