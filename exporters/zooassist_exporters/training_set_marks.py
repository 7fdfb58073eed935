"""Is this a table of marks that a training set may hold?"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import pyarrow as pa
import pyarrow.compute as pc

from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import TOOL_TYPES


def checked_marks(marks: pa.Table, known: AbstractSet[int]) -> pa.Table:
    """Return the marks in the columns and order of ``marks.parquet``.

    Rows are ordered by subject and frame and otherwise keep their order.

    Parameters
    ----------
    marks : pyarrow.Table
        At least the columns of `MARKS_SCHEMA`; others are left out.
    known : set of int
        The subjects of the set.

    Raises
    ------
    BadInput
        On a missing column, a value of another type, a subject that is not in the set, or a tool
        that has no canonical geometry.
    """
    absent = [name for name in MARKS_SCHEMA.names if name not in marks.column_names]
    if absent:
        raise BadInput(
            f"marks: expected the columns {', '.join(MARKS_SCHEMA.names)}; {absent[0]!r} is missing"
        )
    try:
        table = marks.select(MARKS_SCHEMA.names).cast(MARKS_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise BadInput(f"marks: a column does not hold what it should: {error}") from error
    strangers = set(pc.unique(table["subject_id"]).to_pylist()) - known
    if strangers:
        raise BadInput(
            f"marks: subject {min(strangers)} is not in the set; list it among the subjects"
        )
    tools = set(pc.unique(table["tool_type"]).to_pylist()) - TOOL_TYPES.keys()
    if tools:
        raise BadInput(
            f"marks: tool {min(tools)!r} has no canonical geometry; expected one of "
            f"{', '.join(TOOL_TYPES)}"
        )
    if table.num_rows and pc.min(table["frame"]).as_py() < 0:
        raise BadInput("marks: expected frames counted from 0, got a negative one")
    # Arrow's sort is not stable: the row's place breaks ties, so that the same marks make the
    # same bytes.
    placed = table.append_column("place", pa.array(range(table.num_rows), pa.int64()))
    keys = [("subject_id", "ascending"), ("frame", "ascending"), ("place", "ascending")]
    return placed.sort_by(keys).drop_columns("place").combine_chunks()
