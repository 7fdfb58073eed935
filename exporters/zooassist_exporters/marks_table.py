"""In which columns do marks lie? Tables beside a training set's ``marks.parquet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.errors import BadInput

VOLUNTEER_MARKS: Final = "volunteer_marks.parquet"
OUTCOMES: Final = "proposals.parquet"

# Every usable mark of every classification that counts, also of tools without canonical geometry.
VOLUNTEER_MARKS_SCHEMA: Final = pa.schema(
    [
        *MARKS_SCHEMA,
        pa.field("cluster", pa.int32()),
        pa.field("tool_from", pa.string(), nullable=False),
        pa.field("proposal_id", pa.string()),
        pa.field("answers", pa.string(), nullable=False),
        pa.field("volunteer", pa.int64(), nullable=False),
        pa.field("created_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("workflow_version", pa.string(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("outside", pa.bool_()),
    ]
)

# What became of each proposal, one row per classification that was made with it on the screen.
OUTCOMES_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("classification_id", pa.int64(), nullable=False),
        pa.field("proposal_id", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("proposed", pa.int32(), nullable=False),
        pa.field("kept", pa.int32(), nullable=False),
        pa.field("edited", pa.int32(), nullable=False),
        pa.field("added", pa.int32(), nullable=False),
        pa.field("deleted", pa.int32(), nullable=False),
        pa.field("loaded", pa.bool_(), nullable=False),
        pa.field("seconds", pa.float64()),
    ]
)

BATCH: Final = 10_000


class TableWriter:
    """Writes rows to a Parquet file in batches, so that memory stays flat; a context manager."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema, self._rows = schema, list[Mapping[str, Any]]()
        self._writer = pq.ParquetWriter(path, schema)
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write some rows, sooner or later."""
        self._rows += rows
        self.count += len(rows)
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def read_volunteer_marks(folder: Path) -> pa.Table:
    """Read the marks as the volunteers drew them, from what `export marks` made.

    Raises
    ------
    BadInput
        When the folder has no such table.
    """
    file = folder / VOLUNTEER_MARKS
    if not file.is_file():
        raise BadInput(f"{file}: not there; make it with `zooassist export marks`")
    return pq.read_table(file, schema=VOLUNTEER_MARKS_SCHEMA)
