"""How many volunteers chose each answer about each subject?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.answer_columns import AnswerColumns
from zooassist_exporters.rules import Repeats, Rules
from zooassist_exporters.vote_records import Integers, VoteRecords

Flags = NDArray[np.bool_]

REPEATED: Final = "repeated by the same volunteer"
TOO_FEW: Final = "subject with too few classifications"
BEYOND: Final = "beyond the most classifications of a subject"


@dataclass(frozen=True)
class SubjectVotes:
    """Vote counts, one row per subject in ascending order of id.

    Attributes
    ----------
    subject_ids : array, shape (subjects,)
    counts : array, shape (subjects, label columns)
    totals : array, shape (subjects, questions)
        Volunteers who answered the question; for a question that takes several answers this is
        not the sum of its counts.
    dropped : Counter
        Classifications left out, by rule.
    conflicts : array, shape (conflicts, 2)
        Row and id of classifications that gave several answers to a question that takes one;
        those answers are not counted.
    """

    subject_ids: Integers
    counts: Integers
    totals: Integers
    dropped: Counter[str]
    conflicts: Integers

    @classmethod
    def together(cls, parts: Iterable[SubjectVotes]) -> SubjectVotes:
        """Put the votes of different subjects together."""
        found = list(parts)
        ids = np.concatenate([part.subject_ids for part in found])
        order = np.argsort(ids, kind="stable")
        return cls(
            ids[order],
            np.concatenate([part.counts for part in found])[order],
            np.concatenate([part.totals for part in found])[order],
            sum((part.dropped for part in found), Counter[str]()),
            np.concatenate([part.conflicts for part in found]),
        )


def kept_classifications(records: VoteRecords, repeats: Repeats) -> Flags:
    """Say which classifications count when volunteers came back to a subject.

    First and last are by time; of two in the same second the smaller id is first. An anonymous
    volunteer is known by the hash in the file, one without any name is always somebody new.

    Returns
    -------
    array of bool, shape (classifications,)
    """
    size = len(records.classification_ids)
    keep = np.ones(size, dtype=bool)
    if repeats == "all" or size == 0:
        return keep
    subjects, users = records.subject_ids, records.users
    order = np.lexsort((records.classification_ids, records.created, users, subjects))
    same = (np.diff(subjects[order]) == 0) & (np.diff(users[order]) == 0)
    edge = np.zeros(1, dtype=bool)
    drop = np.concatenate((edge, same) if repeats == "first" else (same, edge))
    keep[order[drop]] = False
    return keep


def within_limits(
    records: VoteRecords, keep: Flags, few: int | None, many: int | None
) -> tuple[Flags, Flags]:
    """Say which classifications are of subjects with too few, and which are beyond the most.

    Only those that `keep` marks are counted; of each subject the first `many` by time are within
    the limit.

    Returns
    -------
    two arrays of bool, shape (classifications,)
    """
    subjects = records.subject_ids
    too_few: NDArray[np.bool_] = np.zeros(len(subjects), dtype=bool)
    beyond: NDArray[np.bool_] = np.zeros(len(subjects), dtype=bool)
    if few is None and many is None:
        return too_few, beyond
    _, inverse = np.unique(subjects, return_inverse=True)
    times = np.bincount(inverse[keep], minlength=int(inverse.max(initial=-1)) + 1)
    too_few = times[inverse] < (few or 0)
    if many is not None:
        kept = np.flatnonzero(keep)
        order = kept[
            np.lexsort((records.classification_ids[kept], records.created[kept], inverse[kept]))
        ]
        starts = np.cumsum(times) - times
        rank = np.arange(len(order)) - starts[inverse[order]]
        beyond[order[rank >= many]] = True
    return too_few, beyond


@dataclass(frozen=True)
class CountedAnswers:
    """Which answers count, one entry per answer.

    Attributes
    ----------
    subject_ids : array, shape (subjects,)
        Subjects that count, ascending, those without any answer too.
    subjects, users : array
        Row in `subject_ids`; number of the volunteer, negative when unknown.
    classifications : array
        Position of the classification; answers of one classification share it.
    questions, columns : array
        Question and label column; column -1 is "none of these".
    dropped, conflicts
        As in `SubjectVotes`.
    """

    subject_ids: Integers
    subjects: Integers
    users: Integers
    classifications: Integers
    questions: Integers
    columns: Integers
    dropped: Counter[str]
    conflicts: Integers


def counted_answers(records: VoteRecords, columns: AnswerColumns, rules: Rules) -> CountedAnswers:
    """Say which answers of some records count.

    Parameters
    ----------
    records : VoteRecords
        All classifications of some subjects.
    columns : AnswerColumns
        The question and the label column of each distinct answer.
    rules : Rules
        How repeats are counted, and how many classifications a subject needs and has at most.
    """
    keep = kept_classifications(records, rules.repeats)
    repeated = ~keep
    too_few, beyond = within_limits(
        records, keep, rules.min_classifications, rules.max_classifications
    )
    dropped = Counter(
        {
            REPEATED: int(repeated.sum()),
            TOO_FEW: int((keep & too_few).sum()),
            BEYOND: int((keep & beyond & ~too_few).sum()),
        }
    )
    keep &= ~(too_few | beyond)
    subject_ids = np.unique(records.subject_ids[~too_few])
    where, answer = records.classifications, records.answers
    question, column = columns.questions[answer], columns.columns[answer]
    use = keep[where] & (question >= 0)
    where, question, column = where[use], question[use], column[use]
    where, question, column = _distinct(where, question, column, len(columns.schema.columns))
    conflict = _conflicts(where, question, columns.single)
    conflicts = np.unique(where[conflict])
    where, question, column = where[~conflict], question[~conflict], column[~conflict]
    return CountedAnswers(
        subject_ids=subject_ids,
        subjects=np.searchsorted(subject_ids, records.subject_ids[where]),
        users=records.users[where],
        classifications=where,
        questions=question,
        columns=column,
        dropped=dropped,
        conflicts=np.stack(
            [records.rows[conflicts], records.classification_ids[conflicts]], axis=1
        ),
    )


def count_votes(records: VoteRecords, columns: AnswerColumns, rules: Rules) -> SubjectVotes:
    """Count the votes of every subject of some records; parameters as in `counted_answers`."""
    return tally(counted_answers(records, columns, rules), columns)


def tally(counted: CountedAnswers, columns: AnswerColumns) -> SubjectVotes:
    """Count the answers that count, subject by subject."""
    size, width = len(counted.subject_ids), len(columns.schema.columns)
    height = max(len(columns.schema.questions), 1)
    chosen = counted.columns >= 0
    counts = _tally(counted.subjects[chosen], counted.columns[chosen], size, width)
    # Several answers of one classification to a question are one volunteer who answered it.
    _, first = np.unique(counted.classifications * height + counted.questions, return_index=True)
    totals = _tally(
        counted.subjects[first], counted.questions[first], size, len(columns.schema.questions)
    )
    return SubjectVotes(counted.subject_ids, counts, totals, counted.dropped, counted.conflicts)


def _distinct(
    where: Integers, question: Integers, column: Integers, width: int
) -> tuple[Integers, Integers, Integers]:
    """Drop an answer that one classification gave twice (two spellings of one label)."""
    # "None of these" is column -1 of its question: a place of its own past the real columns.
    place = np.where(column >= 0, column, width + question)
    span = int(place.max(initial=0)) + 1
    _, first = np.unique(where * span + place, return_index=True)
    return where[first], question[first], column[first]


def _conflicts(where: Integers, question: Integers, single: Flags) -> Flags:
    """Mark votes of classifications that answered a one-answer question more than once."""
    if where.size == 0:
        return np.zeros(0, dtype=bool)
    span = len(single)
    _, inverse, times = np.unique(where * span + question, return_inverse=True, return_counts=True)
    marked: Flags = (times[inverse] > 1) & single[question]
    return marked


def _tally(rows: Integers, columns: Integers, height: int, width: int) -> Integers:
    flat = np.bincount(rows * width + columns, minlength=height * width)
    return flat.reshape(height, width)
