"""How does a folder of this machine act as a store? Files appear whole, and once."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import writing
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.store import (
    Looked,
    ObjectProblem,
    changed,
    gone,
    too_large,
)

CHUNK: Final = 2**20
DENIED: Final = {errno.EACCES, errno.EPERM}
TEMPORARY: Final = ".zooassist-"


class LocalStore:
    """Files; a place without a bucket is a path. Metadata is not kept."""

    def read(self, seen: Seen, limit: int) -> bytes:
        """Return a file's bytes."""
        with _open(seen.place) as file:
            before = _state(file)
            self._check(seen, before, limit)
            # What is asked for is taken from the system each time: not a byte more than there is.
            data = file.read(before[0] + 1)
            if _state(file) != before:
                raise changed(seen.place)
        return data

    def download(self, seen: Seen, path: Path, limit: int) -> None:
        """Copy a file."""
        with _open(seen.place) as file, path.open("wb") as target:
            before = _state(file)
            self._check(seen, before, limit)
            while chunk := file.read(CHUNK):
                target.write(chunk)
            if _state(file) != before:
                raise changed(seen.place)

    def look(self, place: Place) -> Looked | None:
        """Say what is there."""
        try:
            with _open(place) as file:
                return Looked(_seen(place, os.fstat(file.fileno())))
        except ObjectProblem as problem:
            if problem.trouble == "gone":
                return None
            raise

    def put_new(self, place: Place, data: bytes, metadata: Mapping[str, str]) -> bool:
        """Write under a temporary name; a hard link, unlike a rename, replaces nothing."""
        path = Path(place.key)
        with writing(path):
            temporary = self._written(path, data)
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            finally:
                temporary.unlink()
        return True

    def put(self, place: Place, data: bytes) -> None:
        """Write under a temporary name and put it in place."""
        path = Path(place.key)
        with writing(path):
            self._written(path, data).replace(path)

    def _written(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return temporary

    def list(self, prefix: Place) -> Iterator[Seen]:
        """Yield the files of a folder, or those whose path begins with the prefix.

        Hidden files and folders are left out.
        """
        root = Path(prefix.key)
        if root.is_dir():
            start, begin = root, ""
        else:
            start, begin = root.parent, root.name
        if not start.is_dir():
            return
        for path in sorted(start.rglob("*")):
            inside = path.relative_to(start)
            if str(inside).startswith(begin) and not any(p.startswith(".") for p in inside.parts):
                try:
                    stat = path.stat()
                except OSError:
                    # A link to nothing, or gone just now: reading it says so by name.
                    yield Seen(Place("", str(path)))
                    continue
                if path.is_file():
                    yield _seen(Place("", str(path)), stat)

    def presign(self, place: Place, seconds: int) -> str | None:
        """Return none: files have no address."""
        return None

    def _check(self, seen: Seen, now: tuple[int, int], limit: int) -> None:
        if now[0] > limit:
            raise too_large(seen.place, now[0], limit)
        if seen.etag and seen.etag != f"{now[0]:x}-{now[1]:x}":
            raise changed(seen.place)


def _open(place: Place) -> BinaryIO:
    try:
        file = open(place.key, "rb", buffering=0)  # noqa: PTH123, SIM115 - returned to a `with`
    except (FileNotFoundError, NotADirectoryError) as error:
        raise gone(place) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ObjectProblem(
            "denied" if error.errno in DENIED else "unreadable",
            f"{place.uri}: cannot be read: {reason}; mend its permissions, or leave it out",
        ) from error
    except ValueError as error:
        raise BadInput(f"{place.uri!r}: expected a path, got {error}") from error
    return file


def _state(file: BinaryIO) -> tuple[int, int]:
    stat = os.fstat(file.fileno())
    return stat.st_size, stat.st_mtime_ns


def _seen(place: Place, stat: os.stat_result) -> Seen:
    # No digest: as `make` and rsync do, a file of the same size and time is the same.
    return Seen(place, etag=f"{stat.st_size:x}-{stat.st_mtime_ns:x}", size=stat.st_size)
