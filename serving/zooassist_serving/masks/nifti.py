"""What is in a NIfTI file? The values of a scan and the size of its voxels, and nothing else.

The format: https://nifti.nimh.nih.gov/nifti-1 (a header of 348 bytes, then the values, the first
axis running fastest). Coordinates of the scanner are not read: slices are those along the third
axis, as they were taken.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

HEADER_BYTES = 348
MAGIC = (b"n+1\x00",)
# Code of the header -> numpy's name, without the byte order.
TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    spacing: tuple[float, float, float]


def read_nifti(path: Path, max_voxels: int) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """Read a file (.nii or .nii.gz).

    Returns
    -------
    array of shape (slices, height, width, modalities)
        A fourth axis in the file are modalities.
    tuple of float
        Distance of slices, rows and columns, in the file's unit (usually mm).

    Raises
    ------
    BadInput
        When it is no such file, is damaged, holds another kind of values, or too many.
    """
    try:
        with _open(path) as file:
            header = _header(path, file.read(HEADER_BYTES))
            voxels = math.prod(header.shape)
            if voxels > max_voxels:
                raise BadInput(
                    f"{path}: expected at most {max_voxels:,} voxels, got {voxels:,} "
                    f"({' x '.join(map(str, header.shape))}); cut the volume into smaller ones"
                )
            file.read(header.offset - HEADER_BYTES)
            content = file.read(voxels * header.dtype.itemsize)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(
            f"{path}: expected a whole gzip file, got: {error}; copy it again"
        ) from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}; check the path") from error
    if len(content) < voxels * header.dtype.itemsize:
        raise BadInput(
            f"{path}: expected {voxels * header.dtype.itemsize:,} bytes of values, got "
            f"{len(content):,}; the file is cut off: copy it again"
        )
    values: NDArray[Any] = np.frombuffer(content, header.dtype).reshape(header.shape, order="F")
    if values.ndim == 3:
        values = values[..., None]
    if (header.slope, header.intercept) not in ((0.0, 0.0), (1.0, 0.0)) and header.slope != 0:
        values = values * np.float32(header.slope) + np.float32(header.intercept)
    x, y, z = header.spacing
    return values.transpose(2, 1, 0, 3), (z, y, x)


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def _header(path: Path, content: bytes) -> _Header:
    if len(content) < HEADER_BYTES or content[344:348] not in MAGIC:
        raise BadInput(
            f"{path}: expected a NIfTI-1 file (.nii or .nii.gz, values inside), got something "
            "else; convert it"
        )
    order = "<" if struct.unpack("<i", content[:4])[0] == HEADER_BYTES else ">"
    dims = struct.unpack(f"{order}8h", content[40:56])
    shape = tuple(int(size) for size in dims[1 : dims[0] + 1])
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise BadInput(
            f"{path}: expected 3 axes, and modalities as a fourth, got {list(shape)}; "
            "convert it to one volume per file"
        )
    code = struct.unpack(f"{order}h", content[70:72])[0]
    if code not in TYPES:
        raise BadInput(
            f"{path}: expected integers or floats as values, got NIfTI data type {code}; convert it"
        )
    spacing = struct.unpack(f"{order}8f", content[76:108])
    offset, slope, intercept = struct.unpack(f"{order}3f", content[108:120])
    return _Header(
        shape=shape,
        dtype=np.dtype(order + TYPES[code]),
        offset=max(HEADER_BYTES, int(offset)),
        slope=slope if math.isfinite(slope) else 0.0,
        intercept=intercept if math.isfinite(intercept) else 0.0,
        spacing=(abs(spacing[1]), abs(spacing[2]), abs(spacing[3])),
    )
