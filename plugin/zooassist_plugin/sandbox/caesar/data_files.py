"""How is everything about one workflow written as one CSV? With ``data.*`` as flat columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from zooassist_plugin.sandbox.caesar.answers import row_json
from zooassist_plugin.sandbox.caesar.tables import (
    DataRequest,
    Extract,
    SubjectReduction,
    UserReduction,
)
from zooassist_plugin.sandbox.cell_json import cell_json
from zooassist_plugin.sandbox.context import Sandbox

Row = Extract | SubjectReduction | UserReduction

SOURCES: dict[str, type[Row]] = {
    "extracts": Extract,
    "subject_reductions": SubjectReduction,
    "user_reductions": UserReduction,
}
_PAGE = 1000


def _rows(sandbox: Sandbox, request: DataRequest) -> Iterator[Row]:
    """Read in order of id, a page per transaction: others may write in between."""
    table: Any = SOURCES[request.requested_data]
    query = select(table).where(table.workflow_id == request.workflow_id)
    if request.subgroup and table is not Extract:
        query = query.where(table.subgroup == request.subgroup)
    last = 0
    while True:
        with sandbox.store.session() as session:
            page = list(
                session.scalars(query.where(table.id > last).order_by(table.id).limit(_PAGE))
            )
        if not page:
            return
        yield from page
        last = page[-1].id


def _entries(row: Row) -> dict[str, Any]:
    """Return a row's data if it is an object: a list, number or text has no columns."""
    return row.data if isinstance(row.data, dict) else {}


def _cell(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    return cell_json(value) if isinstance(value, (dict, list, bool)) else value


def _fixed_columns(table: type[Row]) -> list[str]:
    names = [column.name for column in table.__table__.columns]
    return [name for name in names if name not in ("data", "extract_ids")]


def write_file(sandbox: Sandbox, request: DataRequest, target: Path) -> int:
    """Write the file and return its number of rows.

    Two passes, columns then rows, so that memory does not grow with the file. A key that turns up
    between the passes is left out.
    """
    names: dict[str, None] = {}
    for row in _rows(sandbox, request):
        names.update(dict.fromkeys(_entries(row)))
    fixed, keys = _fixed_columns(SOURCES[request.requested_data]), sorted(names)
    partial = target.with_suffix(".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    # Half a surrogate in an older row must not end the file.
    with partial.open("w", newline="", encoding="utf-8", errors="replace") as stream:
        writer = csv.writer(stream)
        writer.writerow([*fixed, *(f"data.{key}" for key in keys)])
        for row in _rows(sandbox, request):
            plain, data = row_json(row), _entries(row)
            cells = [plain[name] for name in fixed] + [data.get(key) for key in keys]
            writer.writerow([_cell(cell) for cell in cells])
            count += 1
    partial.replace(target)
    return count
