"""What was left out as broken, row by row, and how is that kept? In a Parquet file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_exporters.long_table.layout import REJECTS
from zooassist_exporters.problems import Problem

NAME: Final = "rejects.parquet"
# Rows that are made at a time where one cause is found for many.
MOST_REJECTS: Final = 10_000


class Rejects:
    """Writes rejects as they come; a context manager, at whose end an unpublished file is gone."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep rejects, in the columns `REJECTS`."""
        if batch.num_rows:
            self._open().write_batch(batch)

    def publish(self, folder: Path) -> Path:
        """Put the file into a folder, and return its path; nothing can be added after that."""
        self._open()
        self._close()
        assert self._folder is not None
        return Path(shutil.move(Path(self._folder.name) / NAME, folder / NAME))

    def _open(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._folder = tempfile.TemporaryDirectory(prefix="zooassist-")
            self._writer = pq.ParquetWriter(Path(self._folder.name) / NAME, REJECTS)
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def one_reject(row: int, classification_id: int | None, cause: str, detail: str) -> pa.RecordBatch:
    """Return one row of the table."""
    return rejects_of([row], [classification_id], cause, [detail])


def rejects_of(
    rows: Sequence[int], ids: Sequence[int | None], cause: str, details: Sequence[str]
) -> pa.RecordBatch:
    """Return rows of the table that were all left out for one cause."""
    columns = [rows, ids, [None] * len(rows), [cause] * len(rows), details]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, REJECTS, strict=True)],
        schema=REJECTS,
    )


def problems_of(batch: pa.RecordBatch) -> Iterator[Problem]:
    """Describe rejects to people."""
    for entry in batch.to_pylist():
        if entry["task"] is None:
            where = f"row {entry['row']}"
            remedy = "the row was left out; correct it, or download the file again"
        else:
            where = f"row {entry['row']}, {entry['task']}"
            remedy = "this answer was left out; check that --workflows is of this workflow"
        yield Problem(where, entry["cause"], entry["detail"], remedy)
