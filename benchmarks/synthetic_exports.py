"""A classification export of any size, every twelfth row of which is broken in one of twelve ways.

Rows are made up, in the columns and formats of Panoptes: one question with two answers, asked
about subjects of ten rows each by volunteers who are all different.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COLUMNS = (
    "classification_id",
    "user_name",
    "user_id",
    "user_ip",
    "workflow_id",
    "workflow_name",
    "workflow_version",
    "created_at",
    "gold_standard",
    "expert",
    "metadata",
    "annotations",
    "subject_data",
    "subject_ids",
)
FIRST_ID, FIRST_SUBJECT, PER_SUBJECT = 100_000, 5_000, 10
EVERY = 12
ANSWERS = ("Smooth", "Features")

Row = dict[str, Any]
# What is wrong -> the cells that make it so. A function gets the number of the row.
CELLS: Mapping[str, Callable[[int], Row]] = {
    "bad classification_id": lambda number: {"classification_id": f"{FIRST_ID + number}.0"},
    "bad workflow_id": lambda number: {"workflow_id": ""},
    "bad subject_ids": lambda number: {"subject_ids": "NA"},
    "several subjects in one classification": lambda number: {"subject_ids": "5000;5001"},
    "bad created_at": lambda number: {"created_at": "1/6/2026 10:01"},
    "annotations are not JSON": lambda number: {"annotations": '[{"task":"T0","value":'},
    "annotations are not a list": lambda number: {"annotations": '{"task":"T0","value":"Smooth"}'},
    "annotation without a task": lambda number: {"annotations": '[{"value":"Smooth"}]'},
    "NaN in annotations": lambda number: {"annotations": '[{"task":"T1","value":[{"x":NaN}]}]'},
    "NUL bytes": lambda number: {"user_name": "volunteer\0\0\0"},
    "classification_id was there before": lambda number: {
        "classification_id": FIRST_ID + number - 1
    },
}
CUT_OFF = "wrong number of columns"
CAUSES = (CUT_OFF, *CELLS)


@dataclass
class Expected:
    """What reading the export must find.

    Attributes
    ----------
    causes : Counter
        Broken rows by cause.
    rows : dict
        Row number -> cause, for broken rows.
    votes : dict
        Subject -> votes for each answer.
    """

    causes: Counter[str] = field(default_factory=Counter)
    rows: dict[int, str] = field(default_factory=dict)
    votes: dict[int, list[int]] = field(default_factory=dict)


def write_broken_export(path: Path, rows: int) -> Expected:
    """Write an export and say what is in it."""
    expected = Expected()
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(",".join(COLUMNS) + "\n")
        for number in range(rows):
            subject, answer = FIRST_SUBJECT + number // PER_SUBJECT, number * 7 % 10 // 6
            cells = _row(number, subject, answer)
            if number % EVERY != EVERY - 1:
                expected.votes.setdefault(subject, [0, 0])[answer] += 1
                stream.write(_line(cells))
                continue
            cause = CAUSES[number // EVERY % len(CAUSES)]
            expected.causes[cause] += 1
            expected.rows[number + 2] = cause
            if cause == CUT_OFF:
                # In the middle of a quoted cell: a plain reader takes the next row for its rest.
                stream.write(_line(cells).partition("value")[0] + "\n")
            else:
                stream.write(_line(cells | CELLS[cause](number)))
    return expected


def _row(number: int, subject: int, answer: int) -> Row:
    annotation = {"task": "T0", "task_label": "What is it?", "value": ANSWERS[answer]}
    return {
        "classification_id": FIRST_ID + number,
        "user_name": f"volunteer {number}",
        "user_id": number + 1,
        "user_ip": "0123456789abcdef0123",
        "workflow_id": 5,
        "workflow_name": "Galaxies",
        "workflow_version": "2.1",
        "created_at": f"2026-06-{number // 86400 % 28 + 1:02d} 10:{number // 60 % 60:02d}:"
        f"{number % 60:02d} UTC",
        "metadata": _json({"source": "api", "live_project": True, "session": "0" * 64}),
        "annotations": _json([annotation]),
        "subject_data": _json({str(subject): {"retired": None, "name": f"galaxy {subject}"}}),
        "subject_ids": subject,
    }


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _line(cells: Row) -> str:
    return ",".join(_quoted(str(cells.get(column, ""))) for column in COLUMNS) + "\n"


def _quoted(text: str) -> str:
    if any(mark in text for mark in '",\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
