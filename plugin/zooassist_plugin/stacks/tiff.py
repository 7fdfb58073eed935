"""How is a TIFF stack read? Slice by slice, also past 4 GB and as ImageJ writes it."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.stack import Plane, Spacing, Stack, size_text

# Axes of a stack of single numbers: what lies before rows and columns is one axis of slices.
PLANAR: Final = "YX"
COLOURS: Final = "S"


def open_tiff(path: Path) -> Stack:
    """Open a TIFF file.

    Raises
    ------
    BadInput
        When it is damaged, holds colours or more than one axis of slices, or mixes sizes or bit
        depths.
    """
    import tifffile

    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, ValueError, OSError) as error:
        raise _damaged(path, error) from error
    try:
        return _stack(path, file)
    except BadInput:
        file.close()
        raise
    except (tifffile.TiffFileError, ValueError, OSError, IndexError, struct.error) as error:
        file.close()
        raise _damaged(path, error) from error


def _stack(path: Path, file: Any) -> Stack:  # noqa: ANN401 - tifffile's
    _check_whole(path, file)
    series = file.series
    if len(series) != 1:
        kinds = sorted({f"{size_text(each.shape)} of {each.dtype}" for each in series})
        raise BadInput(
            f"{path}: expected slices of one size and one bit depth, got {'; '.join(kinds[:3])}; "
            "write them alike"
        )
    [whole] = series
    axes = "".join(a for a, n in zip(whole.axes, whole.shape, strict=True) if n > 1 or a in PLANAR)
    shape = tuple(n for a, n in zip(whole.axes, whole.shape, strict=True) if n > 1 or a in PLANAR)
    if COLOURS in axes:
        raise BadInput(f"{path}: expected one number per pixel, got {whole.shape[-1]} colours")
    if not axes.endswith(PLANAR) or len(shape) > 3:
        raise BadInput(
            f"{path}: expected slices, rows and columns, got the axes {whole.axes} of "
            f"{size_text(whole.shape)}; write one file per channel or time"
        )
    depth = (1, *shape) if len(shape) == 2 else shape
    full = (int(depth[0]), int(depth[1]), int(depth[2]))
    return Stack(path, full, whole.dtype, _Pages(path, file, whole, full), spacing=_spacing(file))


def _check_whole(path: Path, file: Any) -> None:  # noqa: ANN401 - tifffile's
    """Refuse a file whose last page names a next one: tifffile would pass over what is cut off."""
    form, last = file.tiff, file.pages[len(file.pages) - 1]
    handle = file.filehandle
    handle.seek(last.offset)
    (tags,) = struct.unpack(form.tagnoformat, handle.read(form.tagnosize))
    handle.seek(tags * form.tagsize, 1)
    (following,) = struct.unpack(form.offsetformat, handle.read(form.offsetsize))
    if following:
        raise _damaged(path, EOFError("some pages are missing"))


class _Pages:
    def __init__(self, path: Path, file: Any, series: Any, shape: tuple[int, int, int]) -> None:  # noqa: ANN401
        self._path, self._file, self._series = path, file, series
        self._mapped: Plane | None = None
        self._shape = shape[1:]
        # ImageJ writes one page and the rest of the numbers behind it: such a file, like every
        # uncompressed one in a row, is looked at in place.
        if series.dataoffset is not None and len(series.pages) != shape[0]:
            kind = series.dtype.newbyteorder(file.byteorder)
            self._mapped = np.memmap(path, kind, "r", offset=series.dataoffset, shape=shape)

    def read(self, at: int) -> Plane:
        import tifffile

        if self._mapped is not None:
            plane = np.array(self._mapped[at])
            return plane.astype(plane.dtype.newbyteorder("="))
        try:
            page = np.asarray(self._series.pages[at].asarray())
        except (tifffile.TiffFileError, ValueError, OSError, IndexError, RuntimeError) as error:
            raise _damaged(self._path, error) from error
        # Axes of length 1 come and go in pages; a page of another size is told by `Stack`.
        return page.reshape(self._shape) if page.size == math.prod(self._shape) else page

    def close(self) -> None:
        self._mapped = None
        self._file.close()


def _spacing(file: Any) -> Spacing | None:  # noqa: ANN401 - tifffile's
    """Return what ImageJ noted: distance of slices, and pixels per unit."""
    noted = file.imagej_metadata or {}
    tags = file.pages[0].tags
    if "spacing" not in noted or not {"XResolution", "YResolution"} <= {t.name for t in tags}:
        return None
    x, y = tags["XResolution"].value, tags["YResolution"].value
    if not (x[0] and y[0] and noted["spacing"] > 0):
        return None
    return float(noted["spacing"]), y[1] / y[0], x[1] / x[0]


def _damaged(path: Path, error: Exception) -> BadInput:
    words = " ".join(str(error).split())[:80] or type(error).__name__
    return BadInput(
        f"{path}: expected a whole TIFF file, got damaged data ({words}); fetch it again"
    )
