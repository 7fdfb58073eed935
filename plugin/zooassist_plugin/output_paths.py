"""Can this output be written? Asked before the work, so that none is lost at its end."""

from __future__ import annotations

import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zooassist_plugin.errors import BadInput

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_output_file(path: Path, suffix: str, *others: str) -> None:
    """Refuse what could not become the file at the end of the work.

    Writing ends with a rename, which would replace a device or a pipe by a file.

    Parameters
    ----------
    suffix, *others : str
        That the name has to end with, such as ``.parquet``; any one of them.

    Raises
    ------
    BadInput
        When the path is ``-``, has another suffix, is there and no file, or its folder is missing
        or takes no files.
    """
    ending = " or ".join((suffix, *others))
    remedy = f"name a file that ends with {ending}"
    if str(path) == "-":
        raise BadInput(f"-: {ending} cannot be written to standard output; {remedy}")
    with writing(path):
        if path.exists() and not path.is_file():
            kind = "a folder" if path.is_dir() else "a device, pipe or socket"
            raise BadInput(f"{path}: expected a file to write, found {kind}; {remedy}")
        if path.suffix.lower() not in (suffix, *others):
            raise BadInput(
                f"{path}: expected a name that ends with {ending}, which is what is written; "
                f"name it {path.stem}{suffix}"
            )
        if not path.parent.is_dir():
            raise BadInput(
                f"{path.parent}: expected a folder to write into, found none; make it first"
            )
    check_folder_takes_files(path.parent)


def check_folder_takes_files(folder: Path) -> None:
    """Refuse a folder in which no file can be made; one that is missing is asked for its parent.

    Tried rather than read from permissions, which say nothing of a read-only disk.

    Raises
    ------
    BadInput
    """
    with writing(folder):
        there = folder
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            raise BadInput(f"{there}: expected a folder to write into, found a file")
        with tempfile.TemporaryFile(dir=there):
            pass


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a write in the block into `BadInput` with the path."""
    try:
        yield
    except OSError as error:
        reason = str(error) if error.errno is None else os.strerror(error.errno)
        remedy = (
            "make room there, or choose another place"
            if error.errno in NO_ROOM
            else "choose a place where you may write"
        )
        raise BadInput(f"{path}: cannot be written: {reason}; {remedy}") from error


def temporary_beside(path: Path) -> Path:
    """Name a temporary file or folder beside its final place, for a rename at the end.

    What killed processes left there under such names is removed.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        process = left.name.rpartition(".")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True  # of another user, or no process id at all
    return True
