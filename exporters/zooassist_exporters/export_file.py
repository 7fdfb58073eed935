"""How is an export's CSV opened and read row by row, whatever its compression and encoding?"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from zooassist_exporters.digests import Source
from zooassist_exporters.problems import Problem
from zooassist_plugin.errors import BadInput

STDIN: Final = "-"
STDIN_NAME: Final = "standard input"
# One cell of drawn marks can be megabytes; csv refuses more than 128 KiB unless told otherwise.
csv.field_size_limit(2**31 - 1)

_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are not UTF-8 as Windows Latin-1, which old R and Excel scripts wrote."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("zooassist-cp1252", _as_cp1252)


class _HashingReader(io.RawIOBase):
    """A file that digests what is read from it, so that standard input has a sha256 too."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._raw.read(len(view)) or b""
        view[: len(data)] = data
        self.digest.update(data)
        self.size += len(data)
        return len(data)


class _Unzipped(io.RawIOBase):
    """Unpacked gzip data up to where it is damaged; `damage` then says how."""

    def __init__(self, packed: io.BufferedReader) -> None:
        self._gzip = gzip.GzipFile(fileobj=packed)
        self.damage: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            data = self._gzip.read1(len(view))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            self.damage = error
            return 0
        view[: len(data)] = data
        return len(data)


class ExportFile:
    """A CSV export, opened for one pass; a context manager.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or gzip-compressed ``.csv`` (told apart by content, not by name), or ``-``.
    required : sequence of str
        Columns that must be there.
    kind : str
        What the file should be, for messages: ``classification export``.

    Raises
    ------
    BadInput
        When the file cannot be opened, is empty, is no CSV, or lacks a required column.
    """

    def __init__(self, path: str | Path, required: Sequence[str], kind: str) -> None:
        self.name = STDIN_NAME if str(path) == STDIN else Path(path).name
        self._kind = kind
        self._opened = self._open(path)
        self._hashing = _HashingReader(self._opened)
        self._unzipped: _Unzipped | None = None
        try:
            self._text = self._decode(io.BufferedReader(self._hashing, 1 << 20))
            self._reader = csv.reader(self._text)
            self.header = self._read_header()
            self._require(required)
        except BadInput:
            self._close_opened()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._text.close()
        self._close_opened()

    def _close_opened(self) -> None:
        if self.name != STDIN_NAME:
            self._opened.close()

    def index(self, column: str) -> int | None:
        """Return the position of a column, None when the file has none of that name."""
        return self.header.index(column) if column in self.header else None

    def source(self) -> Source:
        """Return name, digest and size of the file; reads on to the end if need be."""
        while self._hashing.read(1 << 20):
            pass
        return Source(self.name, self._hashing.digest.hexdigest(), self._hashing.size)

    def rows(self) -> Iterator[tuple[int, list[str]] | Problem]:
        """Yield ``(row number, cells)``, or a problem for a row that cannot be read.

        The header is row 1, as in a spreadsheet. A file that ends early yields a last problem.
        """
        width = len(self.header)
        number, held = 1, None
        for number, cells in enumerate(self._reader, start=2):
            if held is not None:
                yield held
                held = None
            if len(cells) == width:
                held = number, cells
            elif cells:
                yield Problem(
                    f"row {number}",
                    "wrong number of columns",
                    f"expected {width} as in the header, got {len(cells)}",
                    "the row was cut off or edited, download the file again",
                )
        damage = self._unzipped.damage if self._unzipped is not None else None
        if damage is None:
            if held is not None:
                yield held
            return
        # The last row may have lost its end, even if it has all columns.
        yield Problem(
            f"row {number if held else number + 1}",
            "file cut off",
            f"expected more gzip data, got: {damage}",
            "download the file again",
        )

    def _open(self, path: str | Path) -> BinaryIO:
        if str(path) == STDIN:
            return sys.stdin.buffer
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise BadInput(
                f"{path}: expected a {self._kind}, cannot open it: {error.strerror}"
            ) from error

    def _decode(self, stream: io.BufferedReader) -> io.TextIOWrapper:
        start = stream.peek(4)[:4]
        if start.startswith(b"PK"):
            raise BadInput(
                f"{self.name}: expected a {self._kind} as CSV, got a zip or an Excel workbook; "
                "unpack it, or save it as CSV (UTF-8)"
            )
        content: BinaryIO = stream
        if start.startswith(b"\x1f\x8b"):
            self._unzipped = _Unzipped(stream)
            unzipped = io.BufferedReader(self._unzipped, 1 << 20)
            start = unzipped.peek(4)[:4]
            if not start and self._unzipped.damage is not None:
                raise BadInput(
                    f"{self.name}: expected gzip data, got: {self._unzipped.damage}; "
                    "download the file again"
                )
            content = unzipped
        encoding = "utf-16" if start.startswith(_UTF16_MARKS) else "utf-8-sig"
        return io.TextIOWrapper(content, encoding, errors="zooassist-cp1252", newline="")

    def _read_header(self) -> list[str]:
        try:
            header = next(self._reader, [])
        except (csv.Error, UnicodeError) as error:
            raise BadInput(f"{self.name}: expected a {self._kind} as CSV, got: {error}") from error
        if not header:
            raise BadInput(
                f"{self.name}: expected a {self._kind}, the file is empty; download it again"
            )
        return [name.strip() for name in header]

    def _require(self, required: Sequence[str]) -> None:
        missing = [name for name in required if name not in self.header]
        if not missing:
            return
        found = ", ".join(name[:40] for name in self.header[:20])
        remedy = f"give the {self._kind} as it was downloaded"
        if len(self.header) == 1 and any(mark in self.header[0] for mark in ";\t"):
            remedy = "its columns are not separated by commas, " + remedy
        columns = "columns" if len(missing) > 1 else "column"
        names = ", ".join(repr(name) for name in missing)
        raise BadInput(
            f"{self.name}: {columns} {names} missing from the {self._kind}; "
            f"found: {found}; {remedy}"
        )
