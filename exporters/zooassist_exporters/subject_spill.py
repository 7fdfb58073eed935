"""How are the records of a file grouped by subject when they do not fit into memory?

A merge sort on disk: records are collected up to a bound, sorted by subject and written away; in
the end all these runs are read side by side. Memory is bounded by one run and by the records of one
subject, disk by the size of all records.
"""

from __future__ import annotations

import heapq
import shutil
import struct
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

RUN_BYTES: Final = 64 << 20
# So many runs are open at once; more are first merged into longer ones.
MOST_OPEN: Final = 200
_HEAD: Final = struct.Struct("<qqI")
BUFFER: Final = 1 << 16

Entry = tuple[int, int, bytes]


class SubjectSpill:
    """Records of many subjects in any order, given back subject by subject; a context manager.

    Parameters
    ----------
    folder : Path, optional
        Where the runs lie until the end; by default the system's folder for temporary files.
    run_bytes : int
        Memory for the records of one run.
    """

    def __init__(self, folder: Path | None = None, run_bytes: int = RUN_BYTES) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="zooassist-", dir=folder))
        self._run_bytes = run_bytes
        # One buffer instead of an object per record: freeing millions of those would leave the
        # memory full of holes. Subject, place in the buffer and length of each record beside it.
        self._buffer = bytearray()
        self._index = array("q")
        self._added = 0
        self._runs: list[Path] = []
        self._named = 0

    def __enter__(self) -> SubjectSpill:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, subject_id: int, record: bytes) -> None:
        """Keep one record."""
        self._index.extend((subject_id, len(self._buffer), len(record)))
        self._buffer += record
        self._added += 1
        if len(self._buffer) + self._index.itemsize * len(self._index) >= self._run_bytes:
            self._write_run(self._held())
            self._buffer, self._index = bytearray(), array("q")

    def groups(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield each subject with its records in the order in which they came; ids ascend."""
        while len(self._runs) > MOST_OPEN:
            merged, self._runs = self._runs[:MOST_OPEN], self._runs[MOST_OPEN:]
            with ExitStack() as stack:
                self._write_run(heapq.merge(*self._open(merged, stack)))
            for run in merged:
                run.unlink()
        with ExitStack() as stack:
            entries = heapq.merge(*self._open(self._runs, stack), self._held())
            for subject_id, group in groupby(entries, key=itemgetter(0)):
                yield subject_id, [record for _, _, record in group]

    def _held(self) -> Iterator[Entry]:
        """Yield the records in memory by subject, those of one in the order they came in."""
        index = np.frombuffer(self._index, dtype=np.int64).reshape(-1, 3).copy()
        first = self._added - len(index)
        for place in np.argsort(index[:, 0], kind="stable").tolist():
            subject_id, start, length = index[place].tolist()
            yield subject_id, first + place, bytes(self._buffer[start : start + length])

    def _write_run(self, entries: Iterator[Entry]) -> None:
        path = self._folder / f"{self._named}.run"
        self._named += 1
        with path.open("wb", buffering=BUFFER) as stream:
            for subject_id, order, record in entries:
                stream.write(_HEAD.pack(subject_id, order, len(record)))
                stream.write(record)
        self._runs.append(path)

    @staticmethod
    def _open(runs: list[Path], stack: ExitStack) -> list[Iterator[Entry]]:
        return [_read_run(stack.enter_context(run.open("rb", buffering=BUFFER))) for run in runs]


def _read_run(stream: BinaryIO) -> Iterator[Entry]:
    while head := stream.read(_HEAD.size):
        subject_id, order, length = _HEAD.unpack(head)
        yield subject_id, order, stream.read(length)
