"""What do the votes of an export come to? Some subjects at a time, in threads, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from zooassist_exporters.answer_columns import AnswerColumns
from zooassist_exporters.long_table.reading import LongTable
from zooassist_exporters.long_table.rejects import MOST_REJECTS, rejects_of
from zooassist_exporters.long_table.spill import KeyRange
from zooassist_exporters.long_table.workers import in_order
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.reductions.votes import (
    CountedAnswers,
    SubjectVotes,
    counted_answers,
    tally,
)
from zooassist_exporters.rules import Rules
from zooassist_exporters.vote_records import Integers

CONFLICT = "several answers to a question that takes one"


@dataclass(frozen=True)
class CountedPart:
    """The votes about some subjects.

    Attributes
    ----------
    texts : pyarrow.Table
        What the export says about the subjects.
    counted : CountedAnswers
    votes : SubjectVotes
    times : array, one entry per distinct answer
        How often it was given, counted or not.
    """

    texts: pa.Table
    counted: CountedAnswers
    votes: SubjectVotes
    times: Integers


def count_parts(
    table: LongTable, columns: AnswerColumns, rules: Rules, workers: int
) -> Iterator[CountedPart]:
    """Count the votes part by part; ids of subjects ascend."""

    def count(keys: KeyRange) -> CountedPart:
        part = table.part(keys)
        records = table.records(part)
        counted = counted_answers(records, columns, rules)
        times = np.bincount(records.answers, minlength=len(table.keys))
        return CountedPart(part.subjects, counted, tally(counted, columns), times)

    yield from in_order(count, table.ranges(), workers)


@dataclass
class Totals:
    """What the parts come to together.

    Attributes
    ----------
    subjects, votes : int
        Subjects, and answers that count.
    dropped : Counter
        Classifications that a rule left out, by rule.
    """

    subjects: int = 0
    votes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _times: list[Integers] = field(default_factory=list)
    _conflicts: list[Integers] = field(default_factory=list)

    def add(self, part: CountedPart) -> None:
        """Add one part."""
        self.subjects += len(part.votes.subject_ids)
        self.votes += int(part.votes.counts.sum())
        self.dropped += part.votes.dropped
        self._times = [sum(self._times, part.times)]
        self._conflicts.append(part.votes.conflicts)

    def list_problems(
        self, columns: AnswerColumns, table: LongTable, problems: ProblemList
    ) -> None:
        """List answers that fit nowhere or contradict each other, the latter as rejects too."""
        for position, problem in columns.misfits.items():
            count = int(self._times[0][position])
            problems.add(
                Problem(
                    problem.where, problem.cause, f"{problem.detail}, {count} votes", problem.remedy
                ),
                count,
            )
        conflicts = np.concatenate([np.zeros((0, 2), dtype=np.int64), *self._conflicts])
        conflicts = conflicts[np.argsort(conflicts[:, 0], kind="stable")]
        detail = "expected one answer per question"
        for start in range(0, len(conflicts), MOST_REJECTS):
            rows, ids = conflicts[start : start + MOST_REJECTS].T.tolist()
            table.rejects.add(rejects_of(rows, ids, CONFLICT, [detail] * len(rows)))
            for classification in ids:
                problems.add(
                    Problem(
                        f"classification {classification}",
                        CONFLICT,
                        detail,
                        "those answers were left out; the question allowed several in that version",
                    )
                )
