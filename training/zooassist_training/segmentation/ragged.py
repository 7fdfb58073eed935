"""Where are pixels of many sizes kept while they are learnt from? In a file, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.output_paths import writing


class Ragged(Sequence[NDArray[np.uint8]]):
    """Arrays of bytes, each with its own shape, in a file that the system forgets with the process.

    Parameters
    ----------
    shapes : sequence of tuple of int
        One per array.
    pixels : array of shape (bytes,), uint8
        Of all arrays, one after another.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], pixels: NDArray[np.uint8]) -> None:
        self.shapes = tuple(shapes)
        self._pixels = pixels
        self._ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:  # type: ignore[override]
        """Return one array; nothing is read before it is looked at."""
        start, end = self._ends[index], self._ends[index + 1]
        return self._pixels[start:end].reshape(self.shapes[index])


class RaggedWriter:
    """Takes arrays one by one; `done` gives them back."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.gettempdir())
        with writing(self._folder):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the mapping
        self._shapes: list[tuple[int, ...]] = []

    def add(self, array: NDArray[np.uint8]) -> None:
        """Keep an array."""
        with writing(self._folder):
            self._file.write(np.ascontiguousarray(array).data)
        self._shapes.append(array.shape)

    def done(self) -> Ragged:
        """Return all arrays that were added."""
        with writing(self._folder):
            self._file.flush()
            size = self._file.tell()
            empty: NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
            # The mapping outlives the handle.
            pixels = np.memmap(self._file, np.uint8, "r", shape=(size,)) if size else empty
            self._file.close()
        return Ragged(self._shapes, pixels)
