"""Which image files do these command line arguments mean?"""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from zooassist_plugin.errors import BadInput

# What is taken out of a folder; a file that is named itself may be called anything.
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".webp"}


def find_images(arguments: Iterable[str], listed: Iterable[str] = ()) -> list[str]:
    """Expand files, folders (recursively), patterns and ``-`` to file paths.

    A file that does not exist stays in the list: it fails as an item, and the rest goes on.

    Parameters
    ----------
    listed : iterable of str
        What ``-`` stands for: one path per line.

    Raises
    ------
    BadInput
        When a folder or a pattern has no image, or there is nothing at all.
    """
    found: list[str] = []
    for argument in arguments:
        if argument == "-":
            found += [line.strip() for line in listed if line.strip()]
            continue
        path = Path(argument)
        if path.is_dir():
            matches = _in_folder(path)
        elif not path.exists() and glob.has_magic(argument):
            # `Path.glob` takes no absolute patterns.
            paths = glob.glob(argument, recursive=True)  # noqa: PTH207
            matches = sorted(path for path in paths if Path(path).is_file())
        else:
            matches = [argument]
        if not matches:
            raise BadInput(
                f"{argument}: expected images ({' '.join(sorted(IMAGE_SUFFIXES))}), found none; "
                "check the path"
            )
        found += matches
    if not found:
        raise BadInput("expected image files, got none; name files, folders, patterns or -")
    return found


def _in_folder(folder: Path) -> list[str]:
    return sorted(
        str(path)
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
