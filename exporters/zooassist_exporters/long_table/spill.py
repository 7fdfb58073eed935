"""Where does a long table stay that may be larger than memory? In files, parted by subject."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.ipc

# Rows of 44 bytes that are kept in memory before they go to the files.
IN_MEMORY: Final = 1_000_000
PARTS: Final = 32


class Spill:
    """Batches of one schema, given back in parts that each hold all rows of their subjects.

    A context manager; the files are gone at its end.

    Parameters
    ----------
    schema : pyarrow.Schema
    key : str
        The integer column by which rows are parted.
    in_memory : int, optional
        Rows to hold before they are written out; `IN_MEMORY` by default.
    """

    def __init__(self, schema: pa.Schema, key: str, in_memory: int | None = None) -> None:
        self._schema, self._key = schema, key
        self._in_memory = IN_MEMORY if in_memory is None else in_memory
        self._held: list[pa.RecordBatch] = []
        self._rows = 0
        self._files = ExitStack()
        self._folder: Path | None = None
        self._writers: list[pa.ipc.RecordBatchStreamWriter] = []

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
        """Keep some rows."""
        if batch.num_rows == 0:
            return
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows > self._in_memory:
            self._write_out()

    def parts(self) -> Iterator[pa.Table]:
        """Yield the rows, part by part, in the order in which they were added; once."""
        if self._folder is None:
            yield pa.Table.from_batches(self._held, schema=self._schema)
            return
        self._write_out()
        for writer in self._writers:
            writer.close()
        for part in range(PARTS):
            with pa.OSFile(str(self._folder / f"{part}.arrows")) as file:
                yield pa.ipc.open_stream(file).read_all()

    def _write_out(self) -> None:
        if self._folder is None:
            folder = tempfile.TemporaryDirectory(prefix="zooassist-")
            self._folder = Path(self._files.enter_context(folder))
            self._writers = [self._writer(self._folder / f"{part}.arrows") for part in range(PARTS)]
        if not self._held:
            return
        table = pa.Table.from_batches(self._held, schema=self._schema).combine_chunks()
        self._held, self._rows = [], 0
        part_of = table[self._key].to_numpy() % PARTS
        order = np.argsort(part_of, kind="stable")
        bounds = np.searchsorted(part_of[order], np.arange(PARTS + 1))
        table = table.take(pa.array(order))
        for part, writer in enumerate(self._writers):
            writer.write_table(table.slice(bounds[part], bounds[part + 1] - bounds[part]))

    def _writer(self, path: Path) -> pa.ipc.RecordBatchStreamWriter:
        sink = self._files.enter_context(pa.OSFile(str(path), "wb"))
        return pa.ipc.new_stream(sink, self._schema)
