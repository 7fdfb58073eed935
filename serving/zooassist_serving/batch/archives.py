"""Which images does an archive hold, and what are their bytes? Nothing of it is ever unpacked.

Members are read into memory one by one, so that a name that climbs out of its folder reaches
nothing; such names are refused all the same, since whoever wrote them meant something by it.
"""

from __future__ import annotations

import lzma
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Final, Protocol, Self

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.object_kinds import kind_of

MAX_MEMBERS: Final = 2_000_000
# Bytes of all members together; more is refused before any is read.
MAX_UNPACKED: Final = 200 * 2**30
# Pictures are compressed already: an archive of them hardly shrinks.
MAX_RATIO: Final = 200
RATIO_FROM: Final = 64 * 2**20
DAMAGED: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """An image in an archive, or why it is none."""

    name: str
    error: str | None = None


class _Entries(Protocol):
    """A format of archives."""

    def members(self) -> Iterator[tuple[str, int, str | None]]:
        """Yield name, bytes when unpacked, and what is wrong with a file."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open one member."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


class Archive:
    """An archive on this machine; used as a context manager, from several threads.

    Parameters
    ----------
    path : Path
    said : str
        How messages name it.
    limit : int
        Largest member in bytes.

    Raises
    ------
    BadInput
        When it is damaged, or would unpack to more than can be meant.
    """

    def __init__(self, path: Path, said: str, limit: int) -> None:
        self._said, self._limit = said, limit
        self._size = max(1, path.stat().st_size)
        self._lock = threading.Lock()
        try:
            self._entries: _Entries = (
                _Zip(path) if path.name.lower().endswith(".zip") else _Tar(path)
            )
        except DAMAGED as error:
            raise self._damaged(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entries.close()

    def members(self) -> Iterator[Member]:
        """Yield its images in order; other files are passed over, bad names are members."""
        unpacked = 0
        try:
            for number, (name, size, problem) in enumerate(self._entries.members(), start=1):
                unpacked += size
                self._refuse_explosion(number, unpacked)
                if _is_hidden(name) or kind_of(name) not in ("image", "stack"):
                    continue
                yield Member(name, problem or self._problem(name, size))
        except DAMAGED as error:
            raise self._damaged(error) from error

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises
        ------
        BadInput
            When it is not there, is damaged, or is larger than it says.
        """
        try:
            with self._lock, self._entries.open(name) as file:
                content = file.read(self._limit + 1)
        except KeyError as error:
            raise BadInput(f"{self._said}: holds no {name!r} any more") from error
        except DAMAGED as error:
            raise self._damaged(error, name) from error
        if len(content) > self._limit:
            raise BadInput(
                f"expected at most {self._limit:,} bytes in the archive, got more; leave it out"
            )
        return content

    def _problem(self, name: str, size: int) -> str | None:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            return (
                "expected a name inside the archive's folder, got one that climbs out; "
                "write the archive again"
            )
        if size > self._limit:
            return f"expected at most {self._limit:,} bytes in the archive, got {size:,}; shrink it"
        return None

    def _refuse_explosion(self, number: int, unpacked: int) -> None:
        if number > MAX_MEMBERS:
            raise BadInput(
                f"{self._said}: expected at most {MAX_MEMBERS:,} files in an archive, got more; "
                "split it"
            )
        most = min(MAX_UNPACKED, max(RATIO_FROM, MAX_RATIO * self._size))
        if unpacked > most:
            raise BadInput(
                f"{self._said}: expected an archive of pictures, got {self._size:,} bytes that "
                f"unpack to more than {most:,}; it is not opened"
            )

    def _damaged(self, error: BaseException, name: str = "") -> BadInput:
        words = " ".join(str(error).split())[:120] or type(error).__name__
        where = f"{self._said}#{name}" if name else self._said
        return BadInput(f"{where}: expected a whole archive, got a damaged one ({words}); mend it")


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in parts)


class _Zip:
    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)

    def members(self) -> Iterator[tuple[str, int, str | None]]:
        for info in self._file.infolist():
            if info.is_dir():
                continue
            problem = None
            if info.flag_bits & 1:
                problem = "expected a file without a password in the archive; write it again"
            elif stat.S_ISLNK(info.external_attr >> 16):
                problem = "expected a file in the archive, got a link; write it again"
            yield info.filename, info.file_size, problem

    def open(self, name: str) -> IO[bytes]:
        return self._file.open(name)

    def close(self) -> None:
        self._file.close()


class _Tar:
    def __init__(self, path: Path) -> None:
        self._file = tarfile.open(path)  # noqa: SIM115 - closed by `close`

    def members(self) -> Iterator[tuple[str, int, str | None]]:
        for info in self._file:
            if info.isdir():
                continue
            problem = None
            if not info.isreg():
                problem = "expected a file in the archive, got a link or device; write it again"
            yield info.name, info.size, problem

    def open(self, name: str) -> IO[bytes]:
        file = self._file.extractfile(self._file.getmember(name))
        if file is None:
            raise KeyError(name)
        return file

    def close(self) -> None:
        self._file.close()
