"""What is a piece of a mask? A box of pixels in a frame: small marks stay small in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Size(NamedTuple):
    """The natural size of a frame in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a frame, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns; (0, 0) for a box that holds nothing."""
        return max(0, self.bottom - self.top), max(0, self.right - self.left)


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of a frame's mask that is not all empty.

    Attributes
    ----------
    top, left : int
        Row and column of ``cells[0, 0]`` in the frame.
    cells : array of bool, shape (rows, columns)
        Inside the box; everything outside it is False.
    """

    top: int
    left: int
    cells: Mask

    @property
    def box(self) -> Box:
        """Where the patch lies."""
        rows, columns = self.cells.shape
        return Box(self.top, self.left, self.top + rows, self.left + columns)

    @property
    def area(self) -> int:
        """How many pixels are set."""
        return int(np.count_nonzero(self.cells))

    def within(self, box: Box) -> Mask:
        """Return a view of the cells inside a box that lies within the patch."""
        rows = slice(box.top - self.top, box.bottom - self.top)
        return self.cells[rows, box.left - self.left : box.right - self.left]

    def in_frame(self, size: Size) -> Mask:
        """Return the mask of the whole frame, shape (height, width)."""
        mask = np.zeros((size.height, size.width), dtype=np.bool_)
        box = self.box
        mask[box.top : box.bottom, box.left : box.right] = self.cells
        return mask


EMPTY = Patch(0, 0, np.zeros((0, 0), dtype=np.bool_))


def overlap(one: Box, other: Box) -> Box | None:
    """Return the box that two boxes share, None when they share no pixel."""
    box = Box(
        max(one.top, other.top),
        max(one.left, other.left),
        min(one.bottom, other.bottom),
        min(one.right, other.right),
    )
    return box if box.top < box.bottom and box.left < box.right else None


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box around all that hold anything."""
    held = [box for box in boxes if 0 not in box.shape]
    if not held:
        return Box(0, 0, 0, 0)
    tops, lefts, bottoms, rights = zip(*held, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


def trimmed(patch: Patch) -> Patch:
    """Return a patch without the empty rows and columns at its edges."""
    rows, columns = np.flatnonzero(patch.cells.any(axis=1)), np.flatnonzero(patch.cells.any(axis=0))
    if not len(rows):
        return EMPTY
    top, left = int(rows[0]), int(columns[0])
    cells = patch.cells[top : rows[-1] + 1, left : columns[-1] + 1]
    return Patch(patch.top + top, patch.left + left, cells)


def united(patches: Sequence[Patch]) -> Patch:
    """Return what any of the patches covers."""
    return _folded(patches, np.logical_or)


def exclusive(patches: Sequence[Patch]) -> Patch:
    """Return what an odd number of the patches covers: the even-odd fill of all their outlines."""
    return _folded(patches, np.logical_xor)


def without(patch: Patch, hole: Patch) -> Patch:
    """Return a patch with a hole cut into it."""
    shared = overlap(patch.box, hole.box)
    if shared is None:
        return patch
    cut = Patch(patch.top, patch.left, patch.cells.copy())
    cut.within(shared)[hole.within(shared)] = False
    return cut


def iou(one: Patch, other: Patch) -> float:
    """Return intersection over union, 0 when both are empty."""
    shared = overlap(one.box, other.box)
    if shared is None:
        return 0.0
    both = int(np.count_nonzero(one.within(shared) & other.within(shared)))
    either = one.area + other.area - both
    return both / either if either else 0.0


def _folded(patches: Sequence[Patch], combine: np.ufunc) -> Patch:
    if len(patches) == 1:
        return patches[0]
    box = around(patch.box for patch in patches)
    whole = Patch(box.top, box.left, np.zeros(box.shape, dtype=np.bool_))
    for patch in patches:
        if patch.cells.size:
            target = whole.within(patch.box)
            combine(target, patch.cells, out=target)
    return whole
