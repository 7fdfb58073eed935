"""How is an export's CSV opened and read row by row, whatever its compression and encoding?"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self, cast

from zooassist_exporters.compressed import Unpacked, unpack
from zooassist_exporters.digests import Source
from zooassist_exporters.problems import Problem
from zooassist_plugin.errors import BadInput

STDIN: Final = "-"
STDIN_NAME: Final = "standard input"
# One cell of drawn marks can be megabytes; csv refuses more than 128 KiB unless told otherwise.
csv.field_size_limit(2**31 - 1)

# A file of one endless line is no CSV.
MOST_HEADER: Final = 1 << 20
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are not UTF-8 as Windows Latin-1, which old R and Excel scripts wrote."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("zooassist-cp1252", _as_cp1252)


class _HashingReader(io.RawIOBase):
    """A file that digests what is read from it, so that standard input has a sha256 too."""

    def __init__(self, raw: io.BufferedIOBase) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        size = self._raw.readinto(view)
        self.digest.update(view[:size])
        self.size += size
        return size


class _AsUtf8(io.RawIOBase):
    """Text in another encoding, read as UTF-8 without a byte order mark."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._ready:
            data = self._stream.read(len(view))
            self._ready = self._decoder.decode(data, final=not data).encode()
            if not data:
                break
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


class ExportFile:
    """A CSV export, opened for one pass; a context manager.

    Parameters
    ----------
    path : str or Path
        ``.csv``, also packed as gzip, zstd or zip (told apart by content, not by name), or ``-``.
    required : sequence of str
        Columns that must be there.
    kind : str
        What the file should be, for messages: ``classification export``.

    Attributes
    ----------
    header : list of str
        The column names.
    stream : BufferedReader
        What follows the header, unpacked, in UTF-8 (or with single bytes of Windows Latin-1).

    Raises
    ------
    BadInput
        When the file cannot be opened, is empty, is no CSV, or lacks a required column.
    """

    def __init__(self, path: str | Path, required: Sequence[str], kind: str) -> None:
        self.name = STDIN_NAME if str(path) == STDIN else Path(path).name
        self._kind = kind
        self._path = None if str(path) == STDIN else Path(path)
        self._files = ExitStack()
        self._opened = self._open(path)
        self._hashing = _HashingReader(cast("io.BufferedIOBase", self._opened))
        self._unpacked: Unpacked | None = None
        try:
            self.stream = self._unpack(io.BufferedReader(self._hashing, 1 << 20))
            self.header = self._read_header()
            self._require(required)
        except BadInput:
            self._files.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    def index(self, column: str) -> int | None:
        """Return the position of a column, None when the file has none of that name."""
        return self.header.index(column) if column in self.header else None

    def source(self) -> Source:
        """Return name, digest and size of the file; reads on to the end if need be."""
        while self._hashing.read(1 << 20):
            pass
        return Source(self.name, self._hashing.digest.hexdigest(), self._hashing.size)

    def cut_off(self, row: int) -> Problem | None:
        """Say that the packed data ended early, once they did; `row` is where."""
        unpacked = self._unpacked
        if unpacked is None or unpacked.damage is None:
            return None
        return Problem(
            f"row {row}",
            "file cut off",
            f"expected more {unpacked.form} data, got: {unpacked.damage}",
            "download the file again",
        )

    def rows(self) -> Iterator[tuple[int, list[str]] | Problem]:
        """Yield ``(row number, cells)``, or a problem for a row that cannot be read.

        The header is row 1, as in a spreadsheet. A file that ends early yields a last problem.
        """
        width = len(self.header)
        number, held = 1, None
        text = io.TextIOWrapper(self.stream, "utf-8", errors="zooassist-cp1252", newline="")
        for number, cells in enumerate(csv.reader(text), start=2):
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
        # The last row of a file cut off may have lost its end, even if it has all columns.
        damage = self.cut_off(number if held else number + 1)
        if damage is not None:
            yield damage
        elif held is not None:
            yield held

    def _open(self, path: str | Path) -> BinaryIO:
        if str(path) == STDIN:
            return sys.stdin.buffer
        try:
            return self._files.enter_context(Path(path).open("rb"))
        except OSError as error:
            raise BadInput(
                f"{path}: expected a {self._kind}, cannot open it: {error.strerror}"
            ) from error

    def _unpack(self, stream: io.BufferedReader) -> io.BufferedReader:
        """Return the content at its first character, unpacked and in UTF-8."""
        reopen = None if self._path is None else partial(self._open, self._path)
        self._unpacked = unpack(stream, self.name, self._kind, reopen)
        if self._unpacked is not None:
            stream = io.BufferedReader(self._unpacked, 1 << 20)
            if not stream.peek(1) and self._unpacked.damage is not None:
                raise BadInput(
                    f"{self.name}: expected {self._unpacked.form} data, "
                    f"got: {self._unpacked.damage}; download the file again"
                )
        start = stream.peek(4)
        if start.startswith(_UTF16_MARKS):
            return io.BufferedReader(_AsUtf8(stream, "utf-16"), 1 << 20)
        if start.startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
        return stream

    def _read_header(self) -> list[str]:
        # Lines are taken one by one, so that the stream then stands at the first row.
        lines = (
            line.decode("utf-8", "zooassist-cp1252")
            for line in iter(partial(self.stream.readline, MOST_HEADER), b"")
        )
        try:
            header = next(csv.reader(lines), [])
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
