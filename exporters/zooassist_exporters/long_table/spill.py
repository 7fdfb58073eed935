"""Where does a table stay that may be larger than memory? In a file, in runs sorted by a key.

A merge sort on disk: rows are collected up to a bound, sorted and appended to one file as a run. A
range of keys is then read from all runs, so that what is worked on at a time is as large as it
is meant to be, however many rows there are.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.ipc

# Bytes that are kept in memory before they go to the file.
RUN_BYTES: Final = 16 << 20
# A run is written in so many batches: a range of keys need not read all of it.
BATCHES: Final = 64
# Bytes of a part, on disk; in memory it is some times that while it is worked on.
PART_BYTES: Final = 8 << 20
NAME: Final = "runs.arrow"


@dataclass(frozen=True)
class KeyRange:
    """Keys from `start` on and below `stop`; None for no bound."""

    start: int | None = None
    stop: int | None = None


@dataclass(frozen=True)
class _Batch:
    """A batch in the file: its smallest and its largest key, and its size."""

    first: int
    last: int
    size: int

    def meets(self, keys: KeyRange) -> bool:
        below = keys.stop is None or self.first < keys.stop
        return below and (keys.start is None or self.last >= keys.start)


class Spill:
    """Batches of one schema, given back by ranges of a key.

    A context manager; the file is gone at its end. Several threads may read at a time.

    Parameters
    ----------
    schema : pyarrow.Schema
    key : str
        The integer column by which rows are parted.
    run_bytes : int, optional
        Bytes to hold before they are written out; `RUN_BYTES` by default.
    """

    def __init__(self, schema: pa.Schema, key: str, run_bytes: int | None = None) -> None:
        self._schema, self._key = schema, key
        self._run_bytes = RUN_BYTES if run_bytes is None else run_bytes
        self._held: list[pa.RecordBatch] = []
        self._size = 0
        self._files = ExitStack()
        self._path: Path | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._reader: pa.ipc.RecordBatchFileReader | None = None
        self._batches: list[_Batch] = []
        self._reading = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep some rows; not after the first was read."""
        if batch.num_rows == 0:
            return
        self._held.append(batch)
        self._size += batch.nbytes
        if self._size > self._run_bytes:
            self._write_run()

    def between(self, keys: KeyRange) -> pa.Table:
        """Return the rows with keys in a range; those of one key in the order they came in."""
        with self._reading:
            if self._path is None:
                if keys != KeyRange():
                    self._held = self._sorted().to_batches()
                found = [self._cut(batch, keys) for batch in self._held]
                return pa.Table.from_batches(found, schema=self._schema)
            reader = self._open()
            chosen = [i for i, batch in enumerate(self._batches) if batch.meets(keys)]
            found = [_own(self._cut(reader.get_batch(place), keys)) for place in chosen]
        return pa.Table.from_batches(found, schema=self._schema).combine_chunks()

    def parts(self) -> Iterator[pa.Table]:
        """Yield all rows in parts with ascending keys, none of them in two parts."""
        yield from map(self.between, key_ranges([self]))

    def sizes(self) -> list[tuple[int, int]]:
        """Return (smallest key, bytes) of what lies in the file; writes out what is held."""
        if self._path is not None:
            self._write_run()
        return [(batch.first, batch.size) for batch in self._batches]

    def _write_run(self) -> None:
        if self._writer is None:
            folder = tempfile.TemporaryDirectory(prefix="zooassist-")
            self._path = Path(self._files.enter_context(folder)) / NAME
            sink = self._files.enter_context(pa.OSFile(str(self._path), "wb"))
            self._writer = self._files.enter_context(pa.ipc.new_file(sink, self._schema))
        if not self._held:
            return
        table = self._sorted()
        self._held, self._size = [], 0
        for batch in table.to_batches(max_chunksize=-(-table.num_rows // BATCHES)):
            self._writer.write_batch(batch)
            first, last = batch[self._key][0].as_py(), batch[self._key][-1].as_py()
            self._batches.append(_Batch(first, last, batch.nbytes))

    def _sorted(self) -> pa.Table:
        """Return what is held, by key; rows of one key stay in the order they came in."""
        table = pa.Table.from_batches(self._held, schema=self._schema).combine_chunks()
        keys = table[self._key].to_numpy()
        if (keys[1:] < keys[:-1]).any():
            table = table.take(pa.array(np.argsort(keys, kind="stable"))).combine_chunks()
        return table

    def _open(self) -> pa.ipc.RecordBatchFileReader:
        if self._reader is None:
            assert self._writer is not None
            self._write_run()
            self._writer.close()
            source = self._files.enter_context(pa.OSFile(str(self._path)))
            self._reader = self._files.enter_context(pa.ipc.open_file(source))
        return self._reader

    def _cut(self, batch: pa.RecordBatch, keys: KeyRange) -> pa.RecordBatch:
        """Return the rows of a batch that are in a range; it is sorted, unless all are wanted."""
        column = batch[self._key].to_numpy()
        start = 0 if keys.start is None else int(np.searchsorted(column, keys.start))
        stop = len(column) if keys.stop is None else int(np.searchsorted(column, keys.stop))
        return batch.slice(start, stop - start)


def _own(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Copy a slice out of its batch, which would stay as a whole: one of each run, in the end."""
    if batch.get_total_buffer_size() > 2 * batch.nbytes:
        return pa.concat_batches([batch])
    return batch


def key_ranges(spills: Sequence[Spill], part_bytes: int | None = None) -> list[KeyRange]:
    """Cut the keys of some spills into ranges of about `PART_BYTES`, all spills together.

    A key is never in two ranges, so one with more rows than that makes a larger part.
    """
    most = PART_BYTES if part_bytes is None else part_bytes
    cuts: list[int | None] = [None]
    size, start = 0, None
    for first, more in sorted(entry for spill in spills for entry in spill.sizes()):
        start = first if start is None else start
        if size >= most and first > start:
            cuts.append(first)
            size, start = 0, first
        size += more
    return [KeyRange(*ends) for ends in pairwise([*cuts, None])]
