"""How does an export become its long table? Pieces are read apart and put together again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zooassist_exporters.classifications import FIRST_ROW, ClassificationFile
from zooassist_exporters.digests import Source
from zooassist_exporters.long_table.block import Block, Reading
from zooassist_exporters.long_table.choosing import OTHER_WORKFLOW
from zooassist_exporters.long_table.layout import LONG, REJECTS
from zooassist_exporters.long_table.rejects import (
    MOST_REJECTS,
    Rejects,
    one_reject,
    problems_of,
    rejects_of,
)
from zooassist_exporters.long_table.spill import KeyRange, Spill, key_ranges
from zooassist_exporters.long_table.subject_texts import SubjectTexts
from zooassist_exporters.long_table.workers import cores, in_order
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.row_chunks import CHUNK
from zooassist_exporters.rules import Rules
from zooassist_exporters.vote_records import AnswerKey, VoteRecords
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput

DUPLICATE: Final = "classification_id was there before"
IDS: Final = pa.schema([LONG.field("classification_id"), LONG.field("row")])


@dataclass(frozen=True)
class Part:
    """All that an export says about the subjects with ids in some range.

    Attributes
    ----------
    votes : pyarrow.Table
        In the columns `LONG`.
    subjects : pyarrow.Table
        In the columns `SUBJECTS`; a subject may be there again, its first row counts.
    """

    votes: pa.Table
    subjects: pa.Table


@dataclass
class LongTable:
    """All answers of an export; a context manager, since it may lie in temporary files.

    Attributes
    ----------
    keys : list of AnswerKey
        The distinct answers.
    dropped : Counter
        Classifications that a rule left out, by rule.
    workflow_ids : Counter
        Classifications per workflow.
    classifications : int
        Classifications that the rules keep.
    rejects : Rejects
        What was left out as broken.
    next_row : int
        Number of the row after the last that was read.
    """

    keys: list[AnswerKey] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    workflow_ids: Counter[int] = field(default_factory=Counter)
    classifications: int = 0
    _votes: Spill = field(default_factory=lambda: Spill(LONG, "subject_id"))
    _subjects: SubjectTexts = field(default_factory=SubjectTexts)
    _ids: Spill = field(default_factory=lambda: Spill(IDS, "classification_id"))
    rejects: Rejects = field(default_factory=Rejects)
    _codes: dict[AnswerKey, int] = field(default_factory=dict)
    _duplicates: pa.Array = field(default_factory=lambda: pa.array([], pa.int64()))
    next_row: int = FIRST_ROW

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            stack.push(self._votes)
            stack.push(self._subjects)
            stack.push(self._ids)
            stack.push(self.rejects)

    def parts(self) -> Iterator[Part]:
        """Yield what is known about some subjects, all of it; ids ascend from part to part."""
        yield from map(self.part, self.ranges())

    def ranges(self) -> list[KeyRange]:
        """Return the ranges of subject ids that the parts are of."""
        return key_ranges([self._votes, self._subjects.spill])

    def part(self, keys: KeyRange) -> Part:
        """Return one of the parts; may be called in any thread."""
        return Part(self._votes.between(keys), self._subjects.spill.between(keys))

    def records(self, part: Part) -> VoteRecords:
        """Return the votes of a part, in the order of the file; may be called in any thread."""
        votes = part.votes
        if len(self._duplicates):
            votes = votes.filter(pc.invert(pc.is_in(votes["row"], value_set=self._duplicates)))
        rows = votes["row"].to_numpy()
        if (rows[1:] < rows[:-1]).any():
            votes = votes.take(pa.array(np.argsort(rows, kind="stable")))
        return VoteRecords.from_long(votes, self.keys)

    def subjects(self) -> int:
        """Return how many subjects have a classification that the rules keep."""
        return sum(len(pc.unique(part.votes["subject_id"])) for part in self.parts())

    def add(self, block: Block, problems: ProblemList) -> None:
        """Append what the next piece came to."""
        long = block.long
        row = pc.add(long["row"], self.next_row)
        user = long["user"].to_numpy()
        unknown = user < 0
        if unknown.any():  # different from the unknown of other pieces
            user = np.where(unknown, user - self.next_row, user)
        codes = np.array([self._code(key) for key in block.keys] + [-1], dtype=np.int32)
        answer = codes[long["answer"].to_numpy()]
        long = pa.RecordBatch.from_arrays(
            [row, *long.columns[1:3], pa.array(user), long["created_at"], pa.array(answer)],
            schema=LONG,
        )
        self._votes.add(long)
        self._add_ids(long)
        place = pc.add(block.rejects["row"], self.next_row)
        self._reject(block.rejects.set_column(0, REJECTS.field("row"), place), problems)
        self._subjects.add(block.subjects)
        self.dropped += block.dropped
        self.workflow_ids += block.workflow_ids
        self.next_row += block.count

    def finish(self, damage: Problem | None, problems: ProblemList) -> None:
        """Find what only the whole file shows: ids that came twice, and an end that is missing."""
        if damage is not None:
            problems.add(damage)
            self.rejects.add(one_reject(self.next_row, None, damage.cause, damage.detail))
        found = pa.concat_tables([_later_ones(table) for table in self._ids.parts()])
        found = found.sort_by("row").combine_chunks()
        self._duplicates = found["row"].combine_chunks()
        self.classifications -= found.num_rows
        for batch in found.to_batches(max_chunksize=MOST_REJECTS):
            rows, numbers = (batch[name].to_pylist() for name in ("row", "classification_id"))
            details = [
                f"expected each id once, got {each} again; the first row counts" for each in numbers
            ]
            self._reject(rejects_of(rows, numbers, DUPLICATE, details), problems)

    def _reject(self, batch: pa.RecordBatch, problems: ProblemList) -> None:
        self.rejects.add(batch)
        for problem in problems_of(batch):
            problems.add(problem)

    def _add_ids(self, long: pa.RecordBatch) -> None:
        rows = long["row"].to_numpy()
        first = np.ones(len(rows), dtype=bool)
        first[1:] = rows[1:] != rows[:-1]
        self.classifications += int(first.sum())
        chosen = long.filter(pa.array(first))
        self._ids.add(chosen.select(["classification_id", "row"]))

    def _code(self, key: AnswerKey) -> int:
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self.keys)
            self.keys.append(key)
        return code


def _later_ones(ids: pa.Table) -> pa.Table:
    """Return the rows whose classification id stands in an earlier row too."""
    numbers, rows = ids["classification_id"].to_numpy(), ids["row"].to_numpy()
    alone = np.sort(numbers)
    if (alone[1:] != alone[:-1]).all():  # as nearly always, and found much sooner
        return ids.slice(0, 0)
    order = np.lexsort((rows, numbers))
    again = np.flatnonzero(np.diff(numbers[order]) == 0) + 1
    return ids.take(pa.array(order[again]))


def read_long_table(
    classifications: str | Path,
    rules: Rules,
    workflows: WorkflowExport | None,
    problems: ProblemList,
    *,
    workers: int | None = None,
    chunk_size: int = CHUNK,
    one_more: Callable[[], None] = lambda: None,
) -> tuple[LongTable, Source]:
    """Read a classification export once and keep every answer that the rules let count.

    Parameters
    ----------
    classifications : str or Path
        A classification export, or ``-``.
    rules : Rules
        All but `repeats` and the numbers of classifications per subject are applied here.
    workflows : WorkflowExport, optional
        Says which tasks are questions; without it the annotations' look decides.
    problems : ProblemList
        Gets what could not be read.
    workers : int, optional
        Threads to read with; by default as many as there are cores.
    chunk_size : int
        Bytes per piece.
    one_more : callable
        Called for each piece that was read.

    Returns
    -------
    LongTable
        To be closed by the caller.
    Source
        Name and digest of the file.

    Raises
    ------
    BadInput
        When the file is no classification export, its rows are of several workflows and the rules
        name none, none is of theirs, or the workflow export lacks their workflow.
    """
    with ExitStack() as stack:
        table = stack.enter_context(LongTable())
        with ClassificationFile(classifications) as file:
            reading = Reading(tuple(file.file.header), rules, workflows)
            for block in in_order(reading.read, file.chunks(chunk_size), workers or cores()):
                table.add(block, problems)
                one_more()
            table.finish(file.file.cut_off(table.next_row), problems)
            _check_workflows(table, rules)
            source = file.file.source()
        stack.pop_all()
    return table, source


def _check_workflows(table: LongTable, rules: Rules) -> None:
    found = table.workflow_ids
    if len(found) > 1:
        listed = ", ".join(f"{key} ({count} rows)" for key, count in sorted(found.items()))
        raise BadInput(
            f"the export holds several workflows: {listed}; choose one with --workflow-id"
        )
    if rules.workflow_id is not None and not found and table.dropped[OTHER_WORKFLOW]:
        raise BadInput(
            f"workflow {rules.workflow_id} has no classification in the export; "
            "check --workflow-id, or give the export of that workflow"
        )
