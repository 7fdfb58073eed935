"""Which images do these command line arguments mean? Files, folders, patterns, tables, lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.manifest import MANIFEST_SUFFIX, manifest_rows
from zooassist_serving.catalogue.rows import Row, is_url, printable, row_of
from zooassist_serving.catalogue.tables import TABLE_SUFFIXES, Table, open_table

# What is taken out of a folder; a file that is named itself may be called anything.
IMAGE_SUFFIXES: Final = {
    ".jpg",
    ".jpeg",
    ".png",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".fits",
    ".fit",
    ".fts",
}
NO_IMAGES: Final = (
    f"expected images ({' '.join(sorted(IMAGE_SUFFIXES))}), found none; check the path"
)


class Source:
    """The rows that some arguments ask for; they can be gone through more than once.

    Folders and patterns are listed when this is made, tables and manifests are opened: what is
    wrong with them is said before any work. Their rows are read as they are asked for.

    Parameters
    ----------
    listed : iterable of bytes
        What ``-`` stands for: one path or URL per line, in the bytes of the file system.
    image_column : str, optional
        Of every table; see `open_table`.

    Raises
    ------
    BadInput
        When there is no image at all, or a table has no column of images.
    """

    def __init__(
        self,
        arguments: Iterable[str],
        listed: Iterable[bytes] = (),
        image_column: str | None = None,
    ) -> None:
        self._parts: list[Sequence[Row] | Table | Path | _Files] = []
        for argument in arguments:
            self._parts.append(_part(argument, listed, image_column))
        if image_column is not None and not any(isinstance(p, Table) for p in self._parts):
            raise BadInput(
                f"--image-column {image_column}: expected a table among the images, got none; "
                f"name a {' '.join(sorted(TABLE_SUFFIXES))} file"
            )
        empty = [part for part in self._parts if isinstance(part, tuple)]
        if len(empty) == len(self._parts):
            if rows := list(chain.from_iterable(empty)):
                raise BadInput(f"{rows[0].name}: {rows[0].error}")
            raise BadInput("expected image files, got none; name files, folders, patterns or -")

    @property
    def has_ids(self) -> bool:
        """Whether a table has a column `id_str`."""
        return any(isinstance(part, Table) and part.id_str for part in self._parts)

    @property
    def total(self) -> int | None:
        """How many rows there are, if that is known without reading them."""
        totals = [
            part.total if isinstance(part, Table) else None if isinstance(part, Path) else len(part)
            for part in self._parts
        ]
        known = [total for total in totals if total is not None]
        return sum(known) if len(known) == len(totals) else None

    def rows(self) -> Iterator[Row]:
        """Yield every row, in the order of the arguments.

        Raises
        ------
        BadInput
            When a table or manifest turns out to be damaged.
        """
        for part in self._parts:
            if isinstance(part, Table):
                yield from part.rows()
            elif isinstance(part, Path):
                yield from manifest_rows(part)
            else:
                yield from part


class _Files(Sequence[Row]):
    """Paths and URLs; a row is made of each when it is asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Row:  # type: ignore[override]
        return row_of(self._names[index])


def _part(
    argument: str, listed: Iterable[bytes], image_column: str | None
) -> Sequence[Row] | Table | Path | _Files:
    if argument == "-":
        names = [os.fsdecode(line.strip()) for line in listed if line.strip()]
        return _Files(names) if names else ()
    path = Path(argument)
    suffix = path.suffix.lower()
    if not is_url(argument) and suffix in TABLE_SUFFIXES and _is_there(path.is_file):
        return open_table(path, image_column)
    if not is_url(argument) and suffix == MANIFEST_SUFFIX and _is_there(path.is_file):
        return path
    names = [argument] if is_url(argument) else _files_of(argument)
    if not names:
        # A row too: it fails by name, and the rest goes on.
        return (Row("", printable(argument), error=NO_IMAGES),)
    return _Files(names)


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
    except (OSError, ValueError):
        return False


def _is_image_of(folder: Path, path: Path) -> bool:
    """Whether a folder's entry is to be predicted; a link to nothing is, and fails by name."""
    return (
        path.suffix.lower() in IMAGE_SUFFIXES
        and (path.is_file() or (path.is_symlink() and not path.exists()))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
