"""What is one row of a catalogue, before it is predicted?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One image to predict.

    Attributes
    ----------
    place : str
        A path as the operating system takes it, or an http(s) URL; empty where `error` says why.
    name : str
        As a table can hold it; see `printable`.
    id_str : str, optional
        The table's own name for the object.
    error : str, optional
        Why the row has no image: it becomes a row of the output all the same.
    """

    place: str
    name: str
    subject_id: int | None = None
    id_str: str | None = None
    frame: int = 0
    error: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the image has to be fetched."""
        return is_url(self.place)


def is_url(place: str) -> bool:
    """Whether a place is an address on the network."""
    return place[:8].lower().startswith(("http://", "https://"))


def row_of(
    place: str, *, subject_id: int | None = None, id_str: str | None = None, frame: int = 0
) -> Row:
    """Make a row; a file name that no file can have is a row with an error."""
    error = None
    if "\0" in place:
        error = "expected a file name, got one with a zero byte in it"
    return Row(place, printable(place), subject_id, id_str, frame, error)


def printable(name: str) -> str:
    """Return a file name with everything escaped that is no text, as a table can hold it."""
    if name.isascii() and name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def digest_of(rows: Iterable[Row]) -> str:
    """Name a run of rows by what it asks for: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for row in rows:
        said = f"{row.name}\0{row.subject_id}\0{row.id_str}\0{row.frame}\n"
        digest.update(said.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
