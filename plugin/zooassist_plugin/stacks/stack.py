"""What is a stack? Slices of one size, with the distance of their voxels where the file says it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

Plane = NDArray[Any]
Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


class Planes(Protocol):
    """Where the slices come from; a reader of one file format."""

    def read(self, at: int) -> Plane:
        """Return one slice, shape (height, width), as numbers of the file."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


class Stack:
    """An open stack; one slice at a time is in memory.

    Parameters
    ----------
    path : Path
        File or folder, for messages.
    shape : (slices, height, width)
        A picture has one slice.
    dtype : numpy dtype
        Of the numbers as they are read.
    spacing : (slices, rows, columns) or None
        Distance of neighbouring voxels in millimetres (TIFF: in the file's own unit).
    affine : array of shape (4, 4) or None
        Where the volume lies in the scanner, of NIfTI files.
    """

    def __init__(
        self,
        path: Path,
        shape: Shape,
        dtype: np.dtype[Any],
        planes: Planes,
        *,
        spacing: Spacing | None = None,
        affine: NDArray[np.float64] | None = None,
    ) -> None:
        if min(shape) < 1:
            raise BadInput(f"{path}: expected at least one pixel, got {size_text(shape)}")
        self.path, self.shape, self.dtype = path, shape, dtype
        self.spacing, self.affine = spacing, affine
        self._planes = planes

    def __len__(self) -> int:
        return self.shape[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._planes.close()

    def read(self, at: int) -> Plane:
        """Return slice `at`, shape (height, width).

        Raises
        ------
        BadInput
            When the file is damaged there, or its slice has another size than it said.
        """
        plane = self._planes.read(at)
        if plane.shape != self.shape[1:]:
            raise BadInput(
                f"{self.where(at)}: expected {size_text(self.shape[1:])} pixels as in the other "
                f"slices, got {size_text(plane.shape)}"
            )
        return plane

    def read_labels(self, at: int) -> NDArray[np.int64]:
        """Return slice `at` as class or object numbers.

        Raises
        ------
        BadInput
            When a number is NaN, not whole or negative.
        """
        plane = self.read(at)
        if plane.dtype.kind == "f":
            wrong = int(np.count_nonzero(~np.isfinite(plane)))
            if wrong:
                raise BadInput(
                    f"{self.where(at)}: expected class numbers, {wrong} voxels are NaN or "
                    "infinite; write 0 where there is no class"
                )
            fraction = plane[plane != np.rint(plane)]
            if fraction.size:
                raise BadInput(
                    f"{self.where(at)}: expected class numbers, got {float(fraction[0]):g}; "
                    "threshold probabilities first, and resize label maps with nearest neighbours"
                )
        labels = plane.astype(np.int64)
        if labels.min() < 0:
            raise BadInput(
                f"{self.where(at)}: expected class numbers from 0, got {int(labels.min())}"
            )
        return labels

    def read_finite(self, at: int) -> NDArray[np.float32]:
        """Return slice `at` as numbers.

        Raises
        ------
        BadInput
            When a voxel is NaN or infinite.
        """
        plane = self.read(at).astype(np.float32)
        wrong = int(np.count_nonzero(~np.isfinite(plane)))
        if wrong:
            raise BadInput(
                f"{self.where(at)}: expected numbers, {wrong} voxels are NaN or infinite; "
                "replace them"
            )
        return plane

    def planes(self) -> Iterator[Plane]:
        """Yield the slices in order."""
        for at in range(len(self)):
            yield self.read(at)

    def where(self, at: int) -> str:
        """Name a slice for messages."""
        return f"{self.path}, slice {at}" if len(self) > 1 else str(self.path)


def size_text(shape: tuple[int, ...]) -> str:
    """Write a shape as ``155 x 240 x 240``."""
    return " x ".join(map(str, shape))
