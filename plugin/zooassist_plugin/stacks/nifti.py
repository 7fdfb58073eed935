"""How is a NIfTI volume read? Its last axis gives the slices; rows are y, columns x."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.stack import Plane, Spacing, Stack, size_text


def open_nifti(path: Path, channel: int | None = None) -> Stack:
    """Open a volume; only the header is read.

    Parameters
    ----------
    channel : int, optional
        Which place along the fourth axis, of a file that has one.

    Raises
    ------
    BadInput
        When it is damaged, or has more than three axes that hold anything.
    """
    volume = _load(path)
    shape = _held(volume)
    if channel is not None and len(shape) == 4:
        shape = shape[:3]
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3:
        raise BadInput(
            f"{path}: expected a volume of three axes, got {size_text(volume.shape)}; write one "
            "file per time or channel"
        )
    zooms = [abs(float(each)) for each in volume.header.get_zooms()[:3]]
    zooms += [1.0] * (3 - len(zooms))
    spacing: Spacing | None = (zooms[2], zooms[1], zooms[0])
    if not all(np.isfinite(zooms)) or min(zooms) <= 0:
        spacing = None
    return Stack(
        path,
        (shape[2], shape[1], shape[0]),
        np.dtype(volume.get_data_dtype()),
        _Volume(path, volume, channel or 0),
        spacing=spacing,
        affine=np.asarray(volume.affine, dtype=np.float64),
    )


def channels_of(path: Path) -> int:
    """Return how many volumes of one shape a file holds, along its fourth axis.

    Raises
    ------
    BadInput
        When it is damaged.
    """
    shape = _held(_load(path))
    return shape[3] if len(shape) == 4 else 1


def _load(path: Path) -> Any:  # noqa: ANN401 - nibabel's
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        # The file stays open: going forward through a compressed one then unpacks it once.
        return nibabel.load(path, keep_file_open=True)
    except (ImageFileError, OSError, ValueError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _held(volume: Any) -> tuple[int, ...]:  # noqa: ANN401 - nibabel's
    """Return the shape without axes behind the third that hold nothing."""
    shape = tuple(int(side) for side in volume.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


class _Volume:
    def __init__(self, path: Path, volume: Any, channel: int) -> None:  # noqa: ANN401 - nibabel's
        self._path, self._volume, self._channel = path, volume, channel

    def read(self, at: int) -> Plane:
        axes = len(self._volume.shape)
        chosen: tuple[Any, ...] = (slice(None), slice(None), at)[:axes]
        chosen += ((self._channel,) + (0,) * (axes - 4)) if axes > 3 else ()
        try:
            return np.asarray(self._volume.dataobj[chosen]).T
        except (OSError, ValueError, EOFError, zlib.error) as error:
            raise _damaged(self._path, error) from error

    def close(self) -> None:
        # nibabel closes its file with the last reference to the image, and has no other way.
        self._volume = None


def _damaged(path: Path, error: Exception) -> BadInput:
    words = " ".join(str(error).split())[:80] or type(error).__name__
    return BadInput(
        f"{path}: expected a whole NIfTI volume, got damaged data ({words}); fetch it again"
    )
