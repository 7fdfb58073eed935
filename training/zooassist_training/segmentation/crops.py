"""Which part of an image or volume does a step see? Windows, drawn at random or side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from zooassist_serving.masks.tiling import covering, mirrored, next_multiple
from zooassist_training.epoch_order import EpochOrder
from zooassist_training.segmentation.stacks import UNLEARNT, Stacks

# Half of the windows are the one of so many places that holds most of the classes: where objects
# are rare, most windows would be empty.
LOOKS = 4


class RandomWindows(Dataset[tuple[Tensor, Tensor]]):
    """Windows at random places of stacks; beyond the borders the stack is mirrored.

    A stack that is smaller than the window begins where the window begins, as when it is served,
    and what lies beyond the multiple of `divisor` that is served is `UNLEARNT`: a mirror image of
    an object would be one that never comes, at a place where none is.

    Parameters
    ----------
    depth, size : int
        Slices and pixels that will be learnt from.
    side : int
        Pixels of the window, which leaves room to turn, see `augment.margin_side`.
    divisor : int
        Up to a multiple of which images are mirrored when they are served.
    """

    def __init__(self, stacks: Stacks, depth: int, size: int, side: int, divisor: int = 1) -> None:
        self._stacks, self._depth, self._size, self._side = stacks, depth, size, side
        self._divisor = divisor

    def __len__(self) -> int:
        return len(self._stacks)

    def __getitem__(self, drawn: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return a window (depth, side, side, channels) and its labels.

        Parameters
        ----------
        drawn : tuple of int
            Which stack, and the seed of the place.
        """
        index, seed = drawn
        random = np.random.default_rng(seed)
        image, labels = self._stacks.images[index], self._stacks.labels[index]
        places = [self._place(labels.shape, random) for _ in range(LOOKS)]
        chosen = places[0]
        if random.random() < 0.5:
            chosen = max(places, key=lambda place: np.count_nonzero(labels[np.ix_(*place)]))
        cut = np.ix_(*chosen)
        known = labels[cut]
        margin = (self._side - self._size) // 2
        _leave_out(
            known, labels.shape, (self._depth, self._size, self._size), margin, self._divisor
        )
        return torch.from_numpy(image[cut]), torch.from_numpy(known)

    def _place(
        self, shape: tuple[int, ...], random: np.random.Generator
    ) -> tuple[NDArray[np.intp], ...]:
        margin = (self._side - self._size) // 2
        axes = []
        wanted = ((self._depth, 0), (self._size, margin), (self._size, margin))
        for length, (window, edge) in zip(shape, wanted, strict=True):
            start = int(random.integers(0, length - window + 1)) if length > window else 0
            axes.append(mirrored(start - edge, window + 2 * edge, length))
        return tuple(axes)


class WindowOrder(EpochOrder):
    """So many windows of every stack and epoch, in an order and at places that a run repeats."""

    def __init__(self, stacks: int, windows: int, seed: int) -> None:
        super().__init__(stacks * windows, seed)
        self._stacks = stacks

    def __iter__(self) -> Iterator[tuple[int, int]]:  # type: ignore[override]
        base = (self._seed * 1_000_003 + self._epoch) * self._length
        return ((number % self._stacks, base + number) for number in super().__iter__())


class EveryWindow(Dataset[tuple[Tensor, Tensor]]):
    """Windows side by side that cover all stacks, always the same. Parameters as for the others."""

    def __init__(self, stacks: Stacks, depth: int, size: int, divisor: int = 1) -> None:
        self._stacks, self._window, self._divisor = stacks, (depth, size, size), divisor
        self._places = [
            (index, place)
            for index, shape in enumerate(stacks.labels.shapes)
            for place in itertools.product(
                *(covering(n, window) for n, window in zip(shape, self._window, strict=True))
            )
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Return a window (depth, size, size, channels) and its labels."""
        index, place = self._places[number]
        labels = self._stacks.labels[index]
        axes = zip(place, self._window, labels.shape, strict=True)
        cut = np.ix_(*(mirrored(start, window, length) for start, window, length in axes))
        known = labels[cut]
        _leave_out(known, labels.shape, self._window, 0, self._divisor)
        return torch.from_numpy(self._stacks.images[index][cut]), torch.from_numpy(known)


def _leave_out(
    labels: NDArray[np.uint8],
    lengths: tuple[int, ...],
    window: tuple[int, ...],
    margin: int,
    divisor: int,
) -> None:
    """Mark what is never served of a window of a stack that is smaller, in place."""
    multiples, margins = (1, divisor, divisor), (0, margin, margin)
    for axis, (length, side) in enumerate(zip(lengths, window, strict=True)):
        if length < side:
            served = margins[axis] + next_multiple(length, multiples[axis])
            labels[(slice(None),) * axis + (slice(served, None),)] = UNLEARNT
