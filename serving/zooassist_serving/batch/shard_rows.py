"""What is one row of a shard, before it is predicted?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.rows import Row, is_url, printable


@dataclass(frozen=True, slots=True)
class ShardRow:
    """One image to predict.

    Attributes
    ----------
    place : str
        ``s3://bucket/key``, an http(s) URL or a path; may be empty where `error` says why.
    member : str
        Name inside the archive that lies at `place`; empty when `place` is the image itself.
    frame : int
        Page of a stack, or the manifest's frame.
    paged : bool
        Whether `frame` is a page of the file at `place`.
    etag, version : str
        Of the object that must be read, where it is known.
    error : str, optional
        Why there is no image: it becomes a row of the output all the same.
    """

    place: str
    member: str = ""
    frame: int = 0
    paged: bool = False
    subject_id: int | None = None
    id_str: str | None = None
    etag: str = ""
    version: str = ""
    error: str | None = None

    @property
    def name(self) -> str:
        """What the column `image` says."""
        # What signs an address is a secret, and differs each time.
        place = self.place.partition("?")[0] if is_url(self.place) else self.place
        return printable(f"{place}#{self.member}" if self.member else place)

    @property
    def in_file(self) -> bool:
        """Whether the image is a part of the file at `place`."""
        return bool(self.member) or self.paged

    def catalogue_row(self) -> Row:
        """Return the row as the catalogue's columns are made of it."""
        return Row(self.place, self.name, self.subject_id, self.id_str, self.frame, self.error)

    def identity(self) -> tuple[object, ...]:
        """Say what makes two rows of a job the same; a row that failed is only itself."""
        return (self.name, self.frame, self.subject_id, self.error)


FIELDS = tuple(ShardRow.__dataclass_fields__)


def write_rows(rows: Iterable[ShardRow]) -> bytes:
    """Return JSON lines; fields at their defaults are left out."""
    plain = ShardRow("")
    lines = []
    for row in rows:
        said = {
            field: getattr(row, field)
            for field in FIELDS
            if getattr(row, field) != getattr(plain, field)
        }
        lines.append(orjson.dumps(said))
    return b"\n".join(lines)


def read_rows(content: bytes) -> list[ShardRow]:
    """Read JSON lines.

    Raises
    ------
    BadInput
        When they are damaged.
    """
    try:
        return [
            ShardRow(**({"place": ""} | orjson.loads(line)))
            for line in content.splitlines()
            if line
        ]
    except (orjson.JSONDecodeError, TypeError) as error:
        raise BadInput(f"expected the rows of a shard, got damaged ones ({error})") from error


def digest_of_rows(rows: Sequence[ShardRow]) -> str:
    """Name a run of rows by what it asks for: 16 hexadecimal digits."""
    return hashlib.sha256(write_rows(rows)).hexdigest()[:16]
