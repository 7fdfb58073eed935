"""How do the numbers, texts and regions that volunteers entered become a table?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_exporters.cell_values import BadCell, annotation_list, json_object
from zooassist_exporters.cells import Cells
from zooassist_exporters.classifications import FIRST_ROW, ClassificationFile
from zooassist_exporters.extracts.answered import UnexpectedValue
from zooassist_exporters.extracts.combo import members
from zooassist_exporters.extracts.seen import COMBO, seen_type
from zooassist_exporters.extracts.values import READERS, Entered, feedback_entries
from zooassist_exporters.long_table.choosing import choose_rows
from zooassist_exporters.long_table.layout import LONG
from zooassist_exporters.long_table.visits import Visits, decode_visits, text_column
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput

# Exported with its label after the value, which tells it from the answer to a question.
TEXT_KEYS: Final = ("task", "value", "task_label")
COLUMNS: Final = pa.schema(
    [
        *(LONG.field(name) for name in LONG.names if name != "answer"),
        pa.field("workflow_version", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("number", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("data", pa.string()),
        pa.field("mark_index", pa.int32()),
    ]
)


@dataclass(frozen=True)
class ValuesReport:
    """What was written: entries by task type, and classifications left out by rule."""

    out: Path
    kinds: Counter[str]
    dropped: Counter[str]


def values_of(
    annotations: list[dict[str, Any]], types: Mapping[str, str]
) -> Iterator[Entered | UnexpectedValue]:
    """Yield what one classification entered besides votes and marks.

    Parameters
    ----------
    annotations : list of dict
        As exported by either classifier.
    types : mapping
        Task -> task type; a task that is not listed is judged by its look, which tells texts and
        what the new classifier names, but not a slider from a text of the old one.

    Examples
    --------
    >>> typed = {"task": "T3", "value": "a ring", "task_label": "Comment"}
    >>> [(each.kind, each.text) for each in values_of([typed], {})]
    [('text', 'a ring')]
    """
    for annotation in annotations:
        looks_like_text = tuple(annotation) == TEXT_KEYS and isinstance(annotation["value"], str)
        kind = types.get(annotation["task"]) or (
            "text" if looks_like_text else seen_type(annotation)
        )
        if kind == COMBO:
            yield from values_of(members(annotation), types)
        elif kind in READERS:
            try:
                yield from READERS[kind](annotation)
            except UnexpectedValue as unexpected:
                yield unexpected


def export_values(
    classifications: str | Path,
    out: Path,
    rules: Rules,
    *,
    workflows: Path | str | None = None,
    problems: ProblemList,
) -> ValuesReport:
    """Write the entries of all classifications that the rules keep, repeats included, as Parquet.

    Raises
    ------
    BadInput
        When a file is not what it should be, or `out` exists.
    """
    if out.exists():
        raise BadInput(f"{out}: exists; choose another --out")
    export = None if workflows is None else WorkflowExport(workflows)
    temporary = out.with_name(f".{out.name}.partial")
    kinds, dropped = Counter[str](), Counter[str]()
    first = FIRST_ROW
    try:
        with (
            ClassificationFile(classifications) as file,
            pq.ParquetWriter(temporary, COLUMNS) as writer,
        ):
            for chunk in file.chunks():
                cells = file.cells(chunk)
                entries = list(_entries(cells, first, rules, export, problems, dropped))
                kinds.update(entry["kind"] for entry in entries)
                writer.write_table(pa.Table.from_pylist(entries, schema=COLUMNS))
                first += cells.count
            damage = file.file.cut_off(first)
            if damage is not None:
                problems.add(damage)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return ValuesReport(out, kinds, dropped)


def _entries(
    cells: Cells,
    first: int,
    rules: Rules,
    workflows: WorkflowExport | None,
    problems: ProblemList,
    dropped: Counter[str],
) -> Iterator[dict[str, Any]]:
    visits = decode_visits(cells)
    for row in cells.broken:
        problems.add(_problem(first + row.number, "", row.cause, row.detail))
    for place, bad in visits.bad.items():
        problems.add(_problem(first + int(visits.numbers[place]), "", bad.cause, bad.detail))
    usable = np.ones(len(visits.numbers), dtype=bool)
    usable[list(visits.bad)] = False
    keep, left_out = choose_rows(cells, visits, usable, rules)
    dropped += left_out
    texts, metadata = text_column(cells, "annotations"), text_column(cells, "metadata")
    for place in np.flatnonzero(keep).tolist():
        number = first + int(visits.numbers[place])
        try:
            annotations = annotation_list(texts[place].as_py())
        except BadCell as bad:
            problems.add(_problem(number, "", bad.cause, bad.detail))
            continue
        version = visits.versions[int(visits.version_codes[place])]
        types: Mapping[str, str] = {}
        if workflows is not None:
            exact = workflows.versions(int(visits.workflow_ids[place])).exact(version)
            types = {} if exact is None else exact.types()
        shared = _shared(visits, place, number) | {"workflow_version": version}
        for item in values_of(annotations, types):
            if isinstance(item, UnexpectedValue):
                cause = "value does not fit the task"
                problems.add(_problem(number, item.task, cause, str(item)))
            else:
                yield shared | _cells(item)
        for item in feedback_entries(json_object(metadata[place].as_py())):
            yield shared | _cells(item)


def _problem(row: int, task: str, cause: str, detail: str) -> Problem:
    where = f"row {row}, {task}" if task else f"row {row}"
    return Problem(where, cause, detail, "it was left out; download the file again")


def _shared(visits: Visits, place: int, number: int) -> dict[str, Any]:
    return {
        "row": number,
        "classification_id": int(visits.classification_ids[place]),
        "subject_id": int(visits.subject_ids[place]),
        "user": int(visits.users[place]),
        "created_at": int(visits.created[place]),
    }


def _cells(item: Entered) -> dict[str, Any]:
    data = None if item.data is None else orjson.dumps(item.data).decode()
    return item._asdict() | {"data": data}
