"""How do Caesar's question extracts become classifications that votes are counted from?

An extract of a question says which answers one classification gave, as ``{"<answer index>": 1}``;
the file has a column ``data.<answer index>`` for each. Rows become classifications again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from zooassist_exporters.cell_values import BadCell, filled, whole_number
from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.incremental.api_rows import COLUMNS
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import temporary_beside

REQUIRED: Final = ("workflow_id", "subject_id", "extractor_key", "classification_id")
DATA: Final = "data."
# Keys of an extract that are no answers: a question passed over, and who made the extract.
NO_ANSWERS: Final = ("null", "None", "", "aggregation_version")


@dataclass
class _Classification:
    cells: dict[str, str]
    annotations: list[dict[str, Any]] = field(default_factory=list)


def extracts_to_classifications(
    extracts: str | Path, out: Path, tasks: Mapping[str, str], problems: ProblemList
) -> int:
    """Write the classifications behind Caesar's extracts as a classification export.

    Parameters
    ----------
    extracts : str or Path
        Caesar's file of extracts, also packed, or ``-``.
    out : Path
        Gets one row per classification; it appears whole or not at all.
    tasks : mapping
        Extractor key -> task key. An extractor that is not named stands for the task of its own
        key; give its keys to leave the others out.
    problems : ProblemList
        Gets what could not be used.

    Returns
    -------
    classifications : int

    Raises
    ------
    BadInput
        When the file is no file of extracts, or holds none of a question.
    """
    found: dict[int, _Classification] = {}
    with ExportFile(extracts, REQUIRED, "file of Caesar's extracts") as file:
        answers = {
            place: column.removeprefix(DATA)
            for place, column in enumerate(file.header)
            if column.startswith(DATA) and column.removeprefix(DATA) not in NO_ANSWERS
        }
        for item in file.rows():
            if isinstance(item, Problem):
                problems.add(item)
                continue
            number, row = item
            cells = dict(zip(file.header, row, strict=True))
            key = cells["extractor_key"]
            if not filled(cells["classification_id"]) or (tasks and key not in tasks):
                continue  # a machine's statement, or an extractor that nobody asked for
            try:
                given = _chosen({name: row[place] for place, name in answers.items()})
                classification = whole_number(cells["classification_id"], "classification_id")
            except BadCell as bad:
                problems.add(Problem(f"row {number}", bad.cause, bad.detail, "it was left out"))
                continue
            entry = found.setdefault(classification, _Classification(_cells(cells)))
            if given:
                value = given[0] if len(given) == 1 else given
                entry.annotations.append({"task": tasks.get(key, key), "value": value})
        name = file.name
    if not any(entry.annotations for entry in found.values()):
        raise BadInput(
            f"{name}: expected extracts of questions (columns data.0, data.1, ...), found answers "
            f"in none of {len(found)} classifications; check --map"
        )
    _write(out, found)
    return len(found)


def _chosen(data: Mapping[str, str]) -> list[int]:
    """Return the indices of the answers that were given."""
    given = []
    for name, text in data.items():
        if not filled(text) or text in ("0", "0.0"):
            continue
        if not name.isdecimal():
            raise BadCell(
                "extract is not of a question",
                f"expected answers by index (data.0, data.1, ...), got data.{name}",
            )
        given.append(int(name))
    return sorted(given)


def _cells(cells: Mapping[str, str]) -> dict[str, str]:
    return {
        "classification_id": cells["classification_id"],
        "user_id": filled(cells.get("user_id", "")),
        "workflow_id": cells["workflow_id"],
        "workflow_version": cells.get("workflow_version", ""),
        "created_at": cells.get("classification_at") or cells.get("created_at", ""),
        "subject_ids": cells["subject_id"],
    }


def _write(out: Path, found: Mapping[int, _Classification]) -> None:
    temporary = temporary_beside(out)
    try:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(_rows(found))
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _rows(found: Mapping[int, _Classification]) -> Iterator[tuple[str, ...]]:
    yield COLUMNS
    for number in sorted(found):
        entry = found[number]
        cells = entry.cells | {"annotations": orjson.dumps(entry.annotations).decode()}
        yield tuple(cells.get(column, "") for column in COLUMNS)
