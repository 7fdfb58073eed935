"""How is a NIfTI volume read? Its last axis gives the slices; rows are y, columns x."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.stack import Plane, Spacing, Stack, size_text


def open_nifti(path: Path) -> Stack:
    """Open a volume; only the header is read.

    Raises
    ------
    BadInput
        When it is damaged, or has more than three axes that hold anything.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError

    try:
        # The file stays open: going forward through a compressed one then unpacks it once.
        volume: Any = nibabel.load(path, keep_file_open=True)
    except (ImageFileError, OSError, ValueError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error
    shape = tuple(int(side) for side in volume.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
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
        _Volume(path, volume),
        spacing=spacing,
        affine=np.asarray(volume.affine, dtype=np.float64),
    )


class _Volume:
    def __init__(self, path: Path, volume: Any) -> None:  # noqa: ANN401 - nibabel's
        self._path, self._volume = path, volume

    def read(self, at: int) -> Plane:
        axes = len(self._volume.shape)
        chosen = (slice(None), slice(None), at)[:axes] + (0,) * (axes - 3)
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
