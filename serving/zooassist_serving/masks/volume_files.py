"""How does a file or folder become a volume? NIfTI, tiff stacks, folders with a file per slice."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import VolumeScaling
from zooassist_serving.masks.nifti import read_nifti
from zooassist_serving.preprocessing import DECODER_ERRORS, open_image

# A volume is held in memory, as it is in the file and as bytes.
MAX_VOXELS = 500_000_000
NIFTI = (".nii", ".nii.gz")
TIFF = (".tif", ".tiff")
SLICE_FILES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
# Percentiles are taken of so many values at most, evenly spaced.
SAMPLED = 4_000_000


@dataclass(frozen=True, eq=False)
class Volume:
    """The values of a scan.

    Attributes
    ----------
    values : array of shape (slices, height, width, modalities)
    spacing : tuple of float, optional
        Distance of slices, rows and columns, where the file says it.
    """

    values: NDArray[Any]
    spacing: tuple[float, float, float] | None = None


def is_volume(path: Path) -> bool:
    """Say whether a path looks like a volume: by its name, or as a folder with slices in it."""
    if path.is_dir():
        return any(file.suffix.lower() in SLICE_FILES for file in path.iterdir())
    return path.name.lower().endswith((*NIFTI, *TIFF))


def read_volume(path: Path, max_voxels: int = MAX_VOXELS) -> Volume:
    """Read a volume.

    Parameters
    ----------
    path : Path
        A NIfTI file (a fourth axis are modalities), a tiff with one page per slice, or a folder
        with one image per slice, in the order of the numbers in their names.

    Raises
    ------
    BadInput
        When it can't be read whole, slices differ in size or bit depth, a number is missing
        between the slices, a voxel is not a number, or there are more than `max_voxels`.
    """
    spacing = None
    if path.is_dir():
        values = _folder(path, max_voxels)
    elif path.name.lower().endswith(NIFTI):
        values, spacing = read_nifti(path, max_voxels)
    elif path.name.lower().endswith(TIFF):
        values = _pages(path, max_voxels)
    else:
        raise BadInput(
            f"{path}: expected a volume: NIfTI (.nii, .nii.gz), a tiff stack, or a folder with one "
            "image per slice; convert it"
        )
    if values.dtype.kind == "f":
        broken = int(values.size - np.count_nonzero(np.isfinite(values)))
        if broken:
            raise BadInput(
                f"{path}: expected numbers, got {broken} voxels that are NaN or infinite; replace "
                "them, or leave the volume out"
            )
    return Volume(values, spacing)


def scaled(volume: Volume, spec: VolumeScaling) -> NDArray[np.uint8]:
    """Bring each modality to 8 bits by its own percentiles: scans have no common scale.

    Returns
    -------
    array of shape (slices, height, width, modalities), uint8
    """
    result = np.empty(volume.values.shape, dtype=np.uint8)
    for modality in range(volume.values.shape[3]):
        values = volume.values[..., modality]
        step = max(1, values.size // SAMPLED)
        low, high = np.percentile(values.reshape(-1)[::step], (spec.low, spec.high))
        span = float(high - low)
        for number, plane in enumerate(values):  # slice by slice: floats take four times the bytes
            share = (plane.astype(np.float32) - np.float32(low)) * (255 / span if span > 0 else 0)
            result[number, ..., modality] = np.clip(np.rint(share), 0, 255)
    return result


def _pages(path: Path, max_voxels: int) -> NDArray[Any]:
    image = _open(path)
    count = int(getattr(image, "n_frames", 1))
    _check_voxels(path, count * image.width * image.height, max_voxels)
    planes = []
    try:
        for page in range(count):
            image.seek(page)
            planes.append(np.asarray(image))
    except DECODER_ERRORS as error:
        raise BadInput(
            f"{path}: page {len(planes) + 1} of {count} is damaged "
            f"({' '.join(str(error).split())[:80]}); copy the file again"
        ) from error
    return _stacked(path, planes, [f"page {page + 1}" for page in range(count)])


def _folder(path: Path, max_voxels: int) -> NDArray[Any]:
    files = sorted(
        (file for file in path.iterdir() if file.suffix.lower() in SLICE_FILES), key=_natural
    )
    if not files:
        raise BadInput(f"{path}: expected one image per slice, found none; give another folder")
    _check_no_gap(path, files)
    planes: list[NDArray[Any]] = []
    for file in files:
        image = _open(file)
        _check_voxels(path, len(files) * image.width * image.height, max_voxels)
        try:
            planes.append(np.asarray(image))
        except DECODER_ERRORS as error:
            raise BadInput(
                f"{file}: expected a whole image, got damaged data; copy it again"
            ) from error
    return _stacked(path, planes, [file.name for file in files])


def _open(path: Path) -> Image.Image:
    try:
        return open_image(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except BadInput as error:
        raise BadInput(f"{path}: {error}") from error


def _check_voxels(path: Path, voxels: int, max_voxels: int) -> None:
    if voxels > max_voxels:
        raise BadInput(
            f"{path}: expected at most {max_voxels:,} voxels, got {voxels:,}; "
            "cut the volume into smaller ones"
        )


def _stacked(path: Path, planes: Sequence[NDArray[Any]], names: Sequence[str]) -> NDArray[Any]:
    first = planes[0]
    for name, plane in zip(names, planes, strict=True):
        if plane.shape != first.shape:
            raise BadInput(
                f"{path}: expected slices of one size, got {_size(first)} ({names[0]}) and "
                f"{_size(plane)} ({name}); cut them to one size"
            )
        if plane.dtype != first.dtype:
            raise BadInput(
                f"{path}: expected slices of one bit depth, got {first.dtype} ({names[0]}) and "
                f"{plane.dtype} ({name}); convert them to one"
            )
    values = np.stack(planes)
    return values[..., None] if values.ndim == 3 else values


def _size(plane: NDArray[Any]) -> str:
    channels = f" x {plane.shape[2]} channels" if plane.ndim > 2 else ""
    return f"{plane.shape[1]} x {plane.shape[0]}{channels}"


def _natural(file: Path) -> list[tuple[int, str]]:
    """Sort 2 before 10."""
    parts = re.split(r"(\d+)", file.stem)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _check_no_gap(path: Path, files: Sequence[Path]) -> None:
    """Refuse a folder in which a number is left out; names without numbers have no gaps."""
    found = [re.search(r"(\d+)\D*$", file.stem) for file in files]
    numbers = sorted(int(match.group(1)) for match in found if match is not None)
    if len(numbers) < len(files):
        return
    for one, other in itertools.pairwise(numbers):
        if other == one:
            raise BadInput(f"{path}: two slices have the number {one}; keep one of them")
        if other != one + 1:
            raise BadInput(
                f"{path}: slice {one + 1} is missing ({len(files)} slices from {numbers[0]} to "
                f"{numbers[-1]}); add it, or number the slices anew"
            )
