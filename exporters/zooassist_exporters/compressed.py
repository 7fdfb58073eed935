"""How is a packed file read as if it were not? gzip, zstd and zip, told apart by content."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

import pyarrow as pa

from zooassist_plugin.errors import BadInput

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
ZIP: Final = b"PK\x03\x04"
ZIP_EMPTY: Final = b"PK\x05\x06"
# Excel up to 2003; later workbooks are zips.
OLE: Final = b"\xd0\xcf\x11\xe0"
# Every Office file holds it, no export does.
OFFICE_PART: Final = "[Content_Types].xml"
DAMAGES: Final = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, OSError)


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Unpacked(io.RawIOBase):
    """Unpacked data up to where it is damaged; `damage` then says how.

    Parameters
    ----------
    stream : object
        Has ``read(size)``, which raises one of `DAMAGES` where the data are damaged.
    form : str
        ``gzip``, ``zstd`` or ``zip``, for messages.
    """

    def __init__(self, stream: _Readable, form: str) -> None:
        self._stream = stream
        self.form = form
        self.damage: Exception | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer as far as there are good data; 0 at the end of them."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self.damage is not None:
            return 0
        try:
            data = self._stream.read(len(view))
        except DAMAGES as error:
            self.damage = error
            return 0
        view[: len(data)] = data
        return len(data)


class _Gzip:
    """`gzip.GzipFile` that hands out what it has instead of filling every request."""

    def __init__(self, packed: BinaryIO) -> None:
        self._file = gzip.GzipFile(fileobj=packed)

    def read(self, size: int, /) -> bytes:
        return self._file.read1(size)


class _Zstd:
    """Arrow's zstd; asked for little at a time, for what it has is lost where it finds damage."""

    def __init__(self, packed: BinaryIO) -> None:
        self._file = pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd")

    def read(self, size: int, /) -> bytes:
        data: bytes = self._file.read(min(size, 1 << 16))
        return data


def _only_member(reopen: Callable[[], BinaryIO] | None, name: str, kind: str) -> _Readable:
    """Open the one file in a zip.

    Raises
    ------
    BadInput
        For a workbook, and for a zip that cannot be read or holds several files.
    """
    if reopen is None:
        raise BadInput(
            f"{name}: expected a {kind} as CSV, gzip or zstd, got a zip, which cannot be read "
            "from a pipe; give the file's path"
        )
    try:
        archive = zipfile.ZipFile(reopen())
    except zipfile.BadZipFile as error:
        raise BadInput(
            f"{name}: expected a {kind}, got a zip that is damaged ({error}); download it again"
        ) from error
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    if OFFICE_PART in names:
        raise workbook(name, kind)
    # macOS puts a shadow of every file into the zips it makes.
    files = [entry for entry in names if not entry.startswith("__MACOSX/")]
    if len(files) != 1:
        listed = ", ".join(sorted(files)[:5]) or "none"
        raise BadInput(
            f"{name}: expected a zip with one {kind}, found {len(files)} files: {listed}; "
            "unpack it and give the CSV"
        )
    try:
        return archive.open(files[0])
    except (NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{name}: cannot unpack {files[0]}: {error}; unpack it yourself") from error


def workbook(name: str, kind: str) -> BadInput:
    """Say that a spreadsheet program's own format came in place of CSV."""
    return BadInput(
        f"{name}: expected a {kind} as CSV, got an Excel workbook, whatever its name says; "
        "Excel may have changed ids and dates, so download the export again"
    )


def unpack(
    stream: io.BufferedReader, name: str, kind: str, reopen: Callable[[], BinaryIO] | None
) -> Unpacked | None:
    """Return the unpacked content of a file that is packed, None for one that is not.

    Parameters
    ----------
    stream : BufferedReader
        The file, at its beginning.
    name, kind : str
        For messages: the file's name and what it should be.
    reopen : callable, optional
        Opens the file again to jump about in it, as a zip needs; None for a pipe.

    Raises
    ------
    BadInput
        When it is an Excel workbook, or a zip that holds no single file.
    """
    start = stream.peek(4)[:4]
    if start == OLE:
        raise workbook(name, kind)
    if start in (ZIP, ZIP_EMPTY):
        return Unpacked(_only_member(reopen, name, kind), "zip")
    openers: dict[bytes, tuple[str, Callable[[BinaryIO], _Readable]]] = {
        GZIP: ("gzip", _Gzip),
        ZSTD: ("zstd", _Zstd),
    }
    for magic, (form, opener) in openers.items():
        if start.startswith(magic):
            return Unpacked(opener(stream), form)
    return None
