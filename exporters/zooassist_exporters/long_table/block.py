"""What does one piece of an export come to? The rows of the long table, read apart from others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zooassist_exporters.cell_values import BadCell
from zooassist_exporters.cells import Cells, read_cells
from zooassist_exporters.classifications import COLUMNS, ID
from zooassist_exporters.long_table.answering import Types, Votes, count_answers
from zooassist_exporters.long_table.choosing import choose_rows, of_workflow
from zooassist_exporters.long_table.layout import LONG, NO_ANSWER, REJECTS, SUBJECTS
from zooassist_exporters.long_table.pieces import split_annotations
from zooassist_exporters.long_table.visits import Visits, decode_visits, text_column
from zooassist_exporters.rules import Rules
from zooassist_exporters.vote_records import AnswerKey
from zooassist_exporters.workflows import WorkflowExport

UNEXPECTED = "value does not fit the task"


@dataclass(frozen=True)
class Block:
    """One piece of an export, read.

    Attributes
    ----------
    count : int
        Rows in the piece, those included that cannot be read.
    long : pyarrow.RecordBatch
        In the columns `LONG`; rows are numbered from 0, and unknown users from -1 downwards.
    keys : list of AnswerKey
        What the numbers in `long.answer` mean.
    subjects, rejects : pyarrow.RecordBatch
        In the columns `SUBJECTS` and `REJECTS`.
    dropped : Counter
        Rows that a rule left out, by rule.
    workflow_ids : Counter
        Rows per workflow.
    """

    count: int
    long: pa.RecordBatch
    keys: list[AnswerKey]
    subjects: pa.RecordBatch
    rejects: pa.RecordBatch
    dropped: Counter[str]
    workflow_ids: Counter[int]


@dataclass(frozen=True)
class Reading:
    """How pieces of one export are read.

    Attributes
    ----------
    header : tuple of str
        The columns of the file.
    workflows : WorkflowExport, optional
        Says which tasks are questions; without it the annotations' look decides.
    """

    header: tuple[str, ...]
    rules: Rules
    workflows: WorkflowExport | None = None

    def read(self, chunk: bytes | memoryview) -> Block:
        """Read one piece.

        Raises
        ------
        BadInput
            When the workflow export lacks the workflow of a row.
        """
        cells = read_cells(chunk, self.header, COLUMNS, ID)
        visits = decode_visits(cells)
        pieces = split_annotations(text_column(cells, "annotations"))
        bad = pieces.bad | dict(visits.bad)  # of several bad cells the first gives the cause
        usable = np.ones(len(visits.numbers), dtype=bool)
        usable[list(bad)] = False
        keep, dropped = choose_rows(cells, visits, usable, self.rules)
        votes = count_answers(
            pieces, keep, visits.version_codes, visits.versions, self._types(visits, keep)
        )
        numbers, times = np.unique(
            visits.workflow_ids[usable & of_workflow(visits, self.rules)], return_counts=True
        )
        return Block(
            count=cells.count,
            long=_long(visits, keep, votes),
            keys=votes.keys,
            subjects=_subjects(cells, visits, keep),
            rejects=_rejects(cells, visits, bad, votes),
            dropped=dropped,
            workflow_ids=Counter(dict(zip(numbers.tolist(), times.tolist(), strict=True))),
        )

    def _types(self, visits: Visits, keep: NDArray[np.bool_]) -> list[Types]:
        """Return the task types of each workflow version in the piece."""
        found = np.unique(visits.workflow_ids[keep])
        # A version means something within its workflow; several in a file are refused at its end.
        if self.workflows is None or len(found) != 1:
            return [{} for _ in visits.versions]
        versions = self.workflows.versions(int(found[0]))
        exact = [versions.exact(version) for version in visits.versions]
        # A version the export lacks may have had other tasks: judge by the annotations then.
        return [{} if version is None else version.types() for version in exact]


def _long(visits: Visits, keep: NDArray[np.bool_], votes: Votes) -> pa.RecordBatch:
    """Return one row per vote, and one per kept row without any, in the order of the file."""
    silent = keep.copy()
    silent[votes.rows] = False
    without = np.flatnonzero(silent)
    rows = np.concatenate([votes.rows, without])
    answers = np.concatenate([votes.answers, np.full(len(without), NO_ANSWER, dtype=np.int64)])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    columns = [
        visits.numbers[rows],
        visits.classification_ids[rows],
        visits.subject_ids[rows],
        visits.users[rows],
        visits.created[rows],
        answers[order].astype(np.int32),
    ]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, LONG, strict=True)],
        schema=LONG,
    )


def _subjects(cells: Cells, visits: Visits, keep: NDArray[np.bool_]) -> pa.RecordBatch:
    """Return what the first kept row of each subject says about it."""
    kept = np.flatnonzero(keep)
    subjects, first = np.unique(visits.subject_ids[kept], return_index=True)
    data = text_column(cells, "subject_data").take(pa.array(kept[first]))
    return pa.RecordBatch.from_arrays([pa.array(subjects), data], schema=SUBJECTS)


def _rejects(
    cells: Cells, visits: Visits, bad: Mapping[int, BadCell], votes: Votes
) -> pa.RecordBatch:
    ids, numbers = visits.classification_ids, visits.numbers
    entries: list[tuple[int, int | None, str | None, str, str]] = [
        (row.number, row.classification_id, None, row.cause, row.detail) for row in cells.broken
    ]
    for row, found in bad.items():
        known = None if found.cause == f"bad {ID}" else int(ids[row])
        entries.append((int(numbers[row]), known, None, found.cause, found.detail))
    for row, item in votes.unexpected:
        entries.append((int(numbers[row]), int(ids[row]), item.task, UNEXPECTED, str(item)))
    entries.sort(key=lambda entry: entry[0])
    columns = list(zip(*entries, strict=True)) or [()] * len(REJECTS)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, REJECTS, strict=True)],
        schema=REJECTS,
    )
