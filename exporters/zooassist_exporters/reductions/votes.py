"""How many volunteers chose each answer about each subject?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.rules import Repeats
from zooassist_exporters.vote_records import VoteRecords

Integers = NDArray[np.int64]


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
    repeated : int
        Classifications left out because the volunteer had classified the subject before.
    conflicts : array
        Positions (in the vote records) of classifications that gave several answers to a question
        that takes one; those answers are not counted.
    """

    subject_ids: Integers
    counts: Integers
    totals: Integers
    repeated: int
    conflicts: Integers


def kept_classifications(records: VoteRecords, repeats: Repeats) -> NDArray[np.bool_]:
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
    subjects, users = records.column("subject_ids"), records.column("users")
    order = np.lexsort(
        (records.column("classification_ids"), records.column("created"), users, subjects)
    )
    same = (np.diff(subjects[order]) == 0) & (np.diff(users[order]) == 0)
    edge = np.zeros(1, dtype=bool)
    drop = np.concatenate((edge, same) if repeats == "first" else (same, edge))
    keep[order[drop]] = False
    return keep


def count_votes(
    records: VoteRecords,
    questions: Integers,
    columns: Integers,
    single: NDArray[np.bool_],
    width: int,
    repeats: Repeats,
) -> SubjectVotes:
    """Count the votes of every subject.

    Parameters
    ----------
    records : VoteRecords
        The votes of a file.
    questions, columns : arrays of int, one entry per distinct answer
        The question and the label column that the answer belongs to; -1 when it belongs to none
        (an answer that could not be matched; for `columns` also "none of these").
    single : array of bool, one entry per question
        Whether the question takes one answer only.
    width : int
        Number of label columns.
    repeats : str
        See `kept_classifications`.
    """
    keep = kept_classifications(records, repeats)
    subject_ids, subject_rows = np.unique(records.column("subject_ids"), return_inverse=True)
    where, answer = records.column("classifications"), records.column("answers")
    question, column = questions[answer], columns[answer]
    use = keep[where] & (question >= 0)
    where, question, column = where[use], question[use], column[use]
    where, question, column = _distinct(where, question, column, width)
    conflict = _conflicts(where, question, single)
    conflicts = np.unique(where[conflict])
    where, question, column = where[~conflict], question[~conflict], column[~conflict]

    chosen = column >= 0
    counts = _tally(subject_rows[where[chosen]], column[chosen], len(subject_ids), width)
    pairs = np.unique(where * max(len(single), 1) + question)
    totals = _tally(
        subject_rows[pairs // max(len(single), 1)],
        pairs % max(len(single), 1),
        len(subject_ids),
        len(single),
    )
    return SubjectVotes(subject_ids, counts, totals, int((~keep).sum()), conflicts)


def _distinct(
    where: Integers, question: Integers, column: Integers, width: int
) -> tuple[Integers, Integers, Integers]:
    """Drop an answer that one classification gave twice (two spellings of one label)."""
    # "None of these" is column -1 of its question: a place of its own past the real columns.
    place = np.where(column >= 0, column, width + question)
    span = int(place.max(initial=0)) + 1
    _, first = np.unique(where * span + place, return_index=True)
    return where[first], question[first], column[first]


def _conflicts(where: Integers, question: Integers, single: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark votes of classifications that answered a one-answer question more than once."""
    if where.size == 0:
        return np.zeros(0, dtype=bool)
    span = len(single)
    _, inverse, times = np.unique(where * span + question, return_inverse=True, return_counts=True)
    marked: NDArray[np.bool_] = (times[inverse] > 1) & single[question]
    return marked


def _tally(rows: Integers, columns: Integers, height: int, width: int) -> Integers:
    flat = np.bincount(rows * width + columns, minlength=height * width)
    return flat.astype(np.int64).reshape(height, width)
