"""In which order does an epoch show the images? Shuffled anew each time, from seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import distributed
from torch.utils.data import Sampler


class EpochOrder(Sampler[int]):
    """A shuffle that a resumed run repeats: Lightning calls `set_epoch` before every epoch.

    When several processes train together each takes every n-th image; the few images that would
    make one of them wait for another are left out of the epoch.
    """

    def __init__(self, length: int, seed: int) -> None:
        self._length, self._seed, self._epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length // _processes()[1]

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 7919 + self._epoch)
        order = torch.randperm(self._length, generator=generator).tolist()
        rank, processes = _processes()
        return iter(order[rank::processes][: len(self)])


def _processes() -> tuple[int, int]:
    """Return this process's number, and how many train together."""
    if not distributed.is_available() or not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()
