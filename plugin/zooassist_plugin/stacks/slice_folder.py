"""How is a folder with one picture per slice read? In the order of the numbers in its names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.stack import Plane, Stack

SUFFIXES: Final[dict[str, Callable[[Path], ImageFile]]] = {
    ".png": PngImageFile,
    ".tif": TiffImageFile,
    ".tiff": TiffImageFile,
}
# Pillow's mode -> numbers of a pixel. Palette pictures count by their indices.
MODES: Final[dict[str, np.dtype[Any]]] = {
    "1": np.dtype(np.uint8),
    "L": np.dtype(np.uint8),
    "P": np.dtype(np.uint8),
    "I;16": np.dtype(np.uint16),
    "I;16B": np.dtype(np.uint16),
    "I": np.dtype(np.int32),
    "F": np.dtype(np.float32),
}
_NUMBER: Final = re.compile(r"(\d+)(?=\D*$)")
# So many missing slices are named.
NAMED: Final = 5


def open_slice_folder(folder: Path) -> Stack:
    """Open a folder as one stack.

    Raises
    ------
    BadInput
        When it holds no picture, a name has no number or two have one, a number between the first
        and the last is missing, or sizes or bit depths differ.
    """
    files = sorted(
        each
        for each in folder.iterdir()
        if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
    )
    if not files:
        raise BadInput(f"{folder}: expected PNG or TIFF files, one per slice, found none")
    if len(files) == 1:
        return open_pictures(folder, files)
    by_number: dict[int, Path] = {}
    for file in files:
        found = _NUMBER.search(file.stem)
        if found is None:
            raise BadInput(
                f"{file}: expected a number in the name, which says the slice; rename it"
            )
        number = int(found.group(1))
        if number in by_number:
            raise BadInput(
                f"{folder}: {by_number[number].name} and {file.name} are both slice {number}; "
                "remove one"
            )
        by_number[number] = file
    first, last = min(by_number), max(by_number)
    missing = [number for number in range(first, last + 1) if number not in by_number]
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise BadInput(
            f"{folder}: expected slices {first} to {last}, missing: "
            f"{', '.join(map(str, missing[:NAMED]))}{more}; add them (empty, if nothing is there)"
        )
    return open_pictures(folder, [by_number[number] for number in sorted(by_number)])


def open_pictures(path: Path, files: Sequence[Path]) -> Stack:
    """Open pictures as the slices of one stack; only headers are read.

    Raises
    ------
    BadInput
        When one is no picture of single numbers, or sizes or bit depths differ.
    """
    seen: tuple[tuple[int, int], np.dtype[Any]] | None = None
    for file in files:
        size, kind = _header(file)
        if seen is not None and (size, kind) != seen:
            raise BadInput(
                f"{file}: expected {_text(*seen)} as in {files[0].name}, got {_text(size, kind)}; "
                "all slices need one size and one bit depth"
            )
        seen = size, kind
    if seen is None:
        raise BadInput(f"{path}: expected at least one slice")
    (width, height), kind = seen
    return Stack(path, (len(files), height, width), kind, _Pictures(files))


class _Pictures:
    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def read(self, at: int) -> Plane:
        file = self._files[at]
        try:
            with SUFFIXES[file.suffix.lower()](file) as picture:
                picture.load()
                # Two values per pixel are written as 0 and 255 elsewhere, and as 0 and 1 here.
                return np.asarray(picture).astype(MODES[picture.mode])
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise _damaged(file, error) from error

    def close(self) -> None:
        """Every picture is closed as soon as it is read."""


def _header(file: Path) -> tuple[tuple[int, int], np.dtype[Any]]:
    try:
        # Called directly: `Image.open` enforces a limit that is global to the process.
        with SUFFIXES[file.suffix.lower()](file) as picture:
            mode, size, frames = picture.mode, picture.size, getattr(picture, "n_frames", 1)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise _damaged(file, error) from error
    if mode not in MODES:
        raise BadInput(
            f"{file}: expected one number per pixel, got {mode} colours; write a grey picture of "
            "class numbers"
        )
    if frames > 1:
        raise BadInput(f"{file}: expected one slice, got {frames}; give the stack by itself")
    return size, MODES[mode]


def _text(size: tuple[int, int], kind: np.dtype[Any]) -> str:
    return f"{size[0]} x {size[1]} pixels of {kind.name}"


def _damaged(file: Path, error: Exception) -> BadInput:
    words = " ".join(str(error).split())[:80] or type(error).__name__
    return BadInput(f"{file}: expected a whole picture, got damaged data ({words}); fetch it again")
