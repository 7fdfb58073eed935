"""Who covered which pixel? Volunteers' masks on top of each other, by pattern instead of pixel.

A frame of a million pixels covered by fifteen volunteers holds a few hundred different sets of
volunteers ("patterns"). Every rule that judges a pixel by who covered it is worked out once per
pattern; the cost no longer depends on the size of the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.mask_patch import Box, Mask, Patch, around, trimmed

BITS: Final = 31
SMALL: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class Overlay:
    """Volunteers' masks of one class in one frame.

    Attributes
    ----------
    box : Box
        The part of the frame in which anybody drew.
    pattern : array of int, shape (rows, columns)
        Which pattern each pixel of the box has.
    votes : array of bool, shape (patterns, volunteers)
        Who covered the pixels of a pattern; volunteers who drew nothing have an empty column.
        Pattern 0 is "nobody".
    """

    box: Box
    pattern: NDArray[np.int32]
    votes: NDArray[np.bool_]

    @property
    def volunteers(self) -> int:
        """How many volunteers saw the frame."""
        return int(self.votes.shape[1])

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """Pixels per pattern, shape (patterns,)."""
        return np.bincount(self.pattern.ravel(), minlength=len(self.votes))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Volunteers per pattern, shape (patterns,)."""
        return np.asarray(self.votes.sum(axis=1), dtype=np.int64)

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """Volunteers per pattern as a fraction of all, shape (patterns,)."""
        return self.counts / max(1, self.volunteers)

    def spread(self, per_pattern: NDArray[Any]) -> NDArray[Any]:
        """Return a value per pattern as a map of the box, shape (rows, columns)."""
        return per_pattern[self.pattern]

    def patch(self, chosen: NDArray[np.bool_]) -> Patch:
        """Return the pixels of the chosen patterns."""
        cells: Mask = self.spread(chosen)
        return Patch(self.box.top, self.box.left, cells)


def overlay(patches: Sequence[Patch]) -> Overlay:
    """Lay the masks of all volunteers who saw a frame on top of each other.

    Parameters
    ----------
    patches : sequence of Patch
        One per volunteer; an empty one is a vote for "nothing here".
    """
    patches = [trimmed(patch) for patch in patches]
    box = around(patch.box for patch in patches)
    pattern: NDArray[np.int64] = np.zeros(box.shape, dtype=np.int64)
    votes = np.zeros((1, 0), dtype=np.bool_)
    for start in range(0, len(patches), BITS):
        group = patches[start : start + BITS]
        # The patterns so far and the bits of the next volunteers make one number per pixel.
        pattern <<= BITS
        for bit, patch in enumerate(group):
            if patch.cells.size:
                rows = slice(patch.top - box.top, patch.box.bottom - box.top)
                columns = slice(patch.left - box.left, patch.box.right - box.left)
                pattern[rows, columns] |= patch.cells.astype(np.int64) << bit
        found, pattern = _distinct(pattern)
        bits = (found[:, None] >> np.arange(len(group))) & 1
        votes = np.hstack([votes[found >> BITS], bits.astype(np.bool_)])
    return Overlay(box, pattern.astype(np.int32), votes)


def _distinct(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct codes in ascending order, and the place of each pixel's code in them.

    0, nobody, is always among them, even when no pixel has it.
    """
    highest = int(codes.max(initial=0))
    if highest >= SMALL:
        found, place = np.unique(np.append(0, codes), return_inverse=True)
        return found, place[1:].reshape(codes.shape)
    # Codes of a few volunteers: counting them is much faster than sorting the pixels.
    there = np.bincount(codes.ravel(), minlength=1) > 0
    there[0] = True
    places = np.cumsum(there) - 1
    return np.flatnonzero(there), places[codes]
