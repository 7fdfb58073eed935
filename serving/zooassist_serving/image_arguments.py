"""Which image files do these command line arguments mean?"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import Item

# What is taken out of a folder; a file that is named itself may be called anything.
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".webp"}


def find_images(arguments: Iterable[str], listed: Iterable[bytes] = ()) -> list[Item]:
    """Expand files, folders (recursively), patterns and ``-`` to one item per image file.

    A file that is not there, and a folder or pattern without an image, is an item too: it fails
    when it is read, and the rest goes on.

    Parameters
    ----------
    listed : iterable of bytes
        What ``-`` stands for: one path per line, in the bytes of the file system.

    Raises
    ------
    BadInput
        When there is no image at all.
    """
    items: list[Item] = []
    without: list[BadInput] = []
    for argument in arguments:
        if argument == "-":
            names = [os.fsdecode(line.strip()) for line in listed if line.strip()]
        else:
            names = _files_of(argument)
            if not names:
                without.append(
                    BadInput(
                        f"expected images ({' '.join(sorted(IMAGE_SUFFIXES))}), found none; check "
                        "the path"
                    )
                )
                items.append(Item(printable(argument), partial(_fail, without[-1])))
        items += [Item(printable(name), _reader(name)) for name in names]
    if not items:
        raise BadInput("expected image files, got none; name files, folders, patterns or -")
    if len(without) == len(items):
        raise BadInput(f"{items[0].name}: {without[0]}")
    return items


def _files_of(argument: str) -> list[str]:
    path = Path(argument)
    if _is_there(path.is_dir):
        return sorted(str(each) for each in path.rglob("*") if _is_image_of(path, each))
    if not _is_there(path.exists) and glob.has_magic(argument):
        # `Path.glob` takes no absolute patterns.
        paths = glob.glob(argument, recursive=True)  # noqa: PTH207
        return sorted(each for each in paths if not Path(each).is_dir())
    return [argument]


def _is_there(question: Callable[[], bool]) -> bool:
    """Ask the file system; a name that it refuses is found to be bad when the item is read."""
    try:
        return question()
    except OSError:
        return False


def _is_image_of(folder: Path, path: Path) -> bool:
    """Whether a folder's entry is to be predicted; a link to nothing is, and fails by name."""
    return (
        path.suffix.lower() in IMAGE_SUFFIXES
        and (path.is_file() or (path.is_symlink() and not path.exists()))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _reader(name: str) -> Callable[[], bytes]:
    if "\0" in name:
        return partial(_fail, BadInput("expected a file name, got one with a zero byte in it"))
    return Path(name).read_bytes


def _fail(error: BadInput) -> bytes:
    raise error


def printable(name: str) -> str:
    """Return a file name with everything escaped that is no text, as a table can hold it."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
