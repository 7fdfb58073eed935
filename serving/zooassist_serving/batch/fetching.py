"""How do the bytes of a shard's rows get here? Ahead of the model, so many at once and no more."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from zooassist_plugin.errors import BadInput, Refused
from zooassist_serving.batch.archives import Archive
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.stack_pages import StackPages
from zooassist_serving.batch.stage_times import StageTimes
from zooassist_serving.batch.stores.store import ObjectProblem, Store
from zooassist_serving.catalogue.reading import Reader
from zooassist_serving.catalogue.rows import is_url
from zooassist_serving.dataplane import Item

AHEAD: Final = 32 << 20
"""Bytes of files that are read before they are asked for, of the images of one run of the graph."""


class Fetching:
    """What all shards of a process share: the downloads in flight.

    Used as a context manager, which ends its threads and connections.

    Parameters
    ----------
    downloads : int
        Objects in flight at once.
    max_image, max_container : int
        Bytes.
    """

    def __init__(self, store: Store, downloads: int, max_image: int, max_container: int) -> None:
        self.store, self.max_image, self.max_container = store, max_image, max_container
        self.pool = ThreadPoolExecutor(downloads, thread_name_prefix="download")
        self.reader = Reader(downloads, max_image)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.reader.__exit__(kind, error, traceback)


class ShardReader:
    """Makes items of one shard's rows; used as a context manager, which removes its files.

    Files that hold many images (archives, stacks) are fetched once for a shard.

    Attributes
    ----------
    trouble : Refused or None
        What concerns the store and not one image: the shard cannot go on, and must not be written.
    changed : int
        Objects that were replaced before they were read.
    """

    def __init__(self, fetching: Fetching, times: StageTimes) -> None:
        self._fetching, self._times = fetching, times
        self._files: dict[tuple[str, str, str], Future[Archive | StackPages]] = {}
        self._opened = ExitStack()
        self._lock = threading.Lock()
        self.trouble: Refused | None = None
        self.changed = 0

    def __enter__(self) -> Self:
        folder = self._opened.enter_context(tempfile.TemporaryDirectory(prefix="zooassist-"))
        self._folder = Path(folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            if not file.cancel() and file.exception() is None:
                self._opened.push(file.result())
        self._opened.close()

    def items(self, rows: Sequence[ShardRow]) -> list[Item]:
        """Return the rows as items, whose bytes are on their way from now on."""
        local = [_is_local(row) for row in rows]
        files = [_seen(row) for row, here in zip(rows, local, strict=True) if here]
        ahead = iter(self._ahead(files))
        items = []
        for row, here in zip(rows, local, strict=True):
            data = next(ahead) if here else self._bytes_of(row)
            items.append(Item(row.name, data, row.subject_id, row.frame))
        return items

    def _ahead(self, files: Sequence[Seen]) -> list[Callable[[], bytes]]:
        """Read files of this machine one after the other, beside the model: a disk may be slow.

        One thread for all of them, since to hand over each takes longer than to read it.
        """
        if not files:
            return []
        coming = self._fetching.pool.submit(self._read_some, files)

        def bytes_of(number: int) -> bytes:
            read = coming.result()
            found = read[number] if number < len(read) else None
            if found is None:
                return self._read(files[number])
            read[number] = None  # its memory may go
            if isinstance(found, Exception):
                raise found
            return found

        return [partial(bytes_of, number) for number in range(len(files))]

    def _read_some(self, files: Sequence[Seen]) -> list[bytes | Exception | None]:
        """Read files until they are `AHEAD` bytes; an error is kept for who asks for the file."""
        read: list[bytes | Exception | None] = []
        size = 0
        for seen in files:
            if size > AHEAD:
                break
            try:
                data = self._read(seen)
            except Exception as error:  # noqa: BLE001 - raised where the file is asked for
                read.append(error)
            else:
                read.append(data)
                size += len(data)
        return read

    def _bytes_of(self, row: ShardRow) -> Callable[[], bytes]:
        if row.error is not None:
            return partial(_fail, row.error)
        if row.in_file:
            return partial(self._of_file, row, self._file(row))
        if is_url(row.place):
            [item] = self._fetching.reader.items([row.catalogue_row()])
            assert callable(item.data)
            return partial(self._timed, item.data)
        return self._fetching.pool.submit(self._read, _seen(row)).result

    def _read(self, seen: Seen) -> bytes:
        try:
            with self._times.stage("download"):
                return self._fetching.store.read(seen, self._fetching.max_image)
        except ObjectProblem as problem:
            if problem.trouble == "changed":
                with self._lock:
                    self.changed += 1
            raise
        except Refused as error:
            raise self._stopped(error) from error

    def _timed(self, fetch: Callable[[], bytes]) -> bytes:
        start = time.perf_counter()
        data = fetch()
        self._times.add("download", 1, time.perf_counter() - start)
        return data

    def _stopped(self, error: Refused) -> BadInput:
        """Remember what no single row must be blamed for."""
        self.trouble = self.trouble or error
        return BadInput(str(error))

    def _file(self, row: ShardRow) -> Future[Archive | StackPages]:
        key = (row.place, row.etag, row.version)
        with self._lock:
            if key not in self._files:
                self._files[key] = self._fetching.pool.submit(self._open, row)
            return self._files[key]

    def _open(self, row: ShardRow) -> Archive | StackPages:
        seen = _seen(row)
        if seen.place.bucket:
            path = self._folder / f"{abs(hash((row.place, row.version, row.etag)))}-{_name(row)}"
            with self._times.stage("download", 0):
                self._fetching.store.download(seen, path, self._fetching.max_container)
        else:
            path = Path(seen.place.key)
        if row.member:
            return Archive(path, seen.place.uri, self._fetching.max_image)
        return StackPages(path, seen.place.uri)

    def _of_file(self, row: ShardRow, opening: Future[Archive | StackPages]) -> bytes:
        try:
            file = opening.result()
        except Refused as error:
            raise self._stopped(error) from error
        with self._times.stage("download"):
            return file.read(row.member) if isinstance(file, Archive) else file.read(row.frame)


def _is_local(row: ShardRow) -> bool:
    """Whether a row is a file of its own on this machine."""
    if row.error is not None or row.in_file or is_url(row.place):
        return False
    return not Place.parse(row.place).bucket


def _seen(row: ShardRow) -> Seen:
    return Seen(Place.parse(row.place), row.etag, row.version)


def _name(row: ShardRow) -> str:
    """Name a file so that its ending says what it is."""
    return Place.parse(row.place).name[-80:]


def _fail(error: str) -> bytes:
    raise BadInput(error)
