"""In which order does an epoch show the images? Shuffled anew each time, from seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler


class EpochOrder(Sampler[int]):
    """A shuffle that a resumed run repeats: Lightning calls `set_epoch` before every epoch."""

    def __init__(self, length: int, seed: int) -> None:
        self._length, self._seed, self._epoch = length, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 7919 + self._epoch)
        return iter(torch.randperm(self._length, generator=generator).tolist())
