"""Which reader opens this stack? PNG, TIFF, NIfTI, or a folder with a picture per slice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.nifti import open_nifti
from zooassist_plugin.stacks.slice_folder import open_pictures, open_slice_folder
from zooassist_plugin.stacks.stack import Stack
from zooassist_plugin.stacks.tiff import open_tiff


def _open_png(path: Path) -> Stack:
    return open_pictures(path, [path])


# Ending of the name -> reader. JPEG is not among them: it changes class numbers.
READERS: Final[dict[str, Callable[[Path], Stack]]] = {
    ".nii.gz": open_nifti,
    ".nii": open_nifti,
    ".png": _open_png,
    ".tif": open_tiff,
    ".tiff": open_tiff,
}
ENDINGS: Final = tuple(READERS)


def open_stack(path: Path) -> Stack:
    """Open a stack; no slice is read yet.

    Parameters
    ----------
    path : Path
        A file with one of `ENDINGS`, or a folder of numbered PNG or one-slice TIFF files.

    Raises
    ------
    BadInput
        When it is nothing of that, is damaged, holds colours, lacks slices, or mixes sizes or bit
        depths.
    ModuleNotFoundError
        For TIFF and NIfTI without the extra ``volumes``.
    """
    if path.is_dir():
        return open_slice_folder(path)
    if not path.is_file():
        raise BadInput(f"{path}: no such file or folder; check the path")
    ending = ending_of(path)
    if ending is None:
        raise BadInput(
            f"{path.name}: expected a file that ends with {', '.join(ENDINGS)}, or a folder of "
            "slices; convert it (JPEG changes class numbers and is not read)"
        )
    return READERS[ending](path)


def ending_of(path: Path) -> str | None:
    """Return the ending of a stack's file name; None when no reader takes it."""
    name = path.name.lower()
    return next((each for each in ENDINGS if name.endswith(each)), None)


def stem_of(path: Path) -> str:
    """Return a stack's name without its ending: ``case_1`` of ``case_1.nii.gz``."""
    ending = None if path.is_dir() else ending_of(path)
    return path.name[: -len(ending)] if ending else path.name
