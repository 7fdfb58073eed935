"""Who answered what about which subject? Columns of integers, ready to be counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class AnswerKey(NamedTuple):
    """One distinct answer of a file; there are few, however many votes there are.

    `value` is a label, an index, or None for a question answered with none of several.
    """

    version: str
    task: str
    text: str
    multiple: bool
    value: str | int | None


@dataclass(frozen=True)
class VoteRecords:
    """Votes about some subjects, with all classifications of them.

    Attributes
    ----------
    classification_ids, subject_ids, users, created, rows : arrays, one entry per classification
        `users` are numbers that tell volunteers apart, negative when unknown; `created` is in
        microseconds since 1970 UTC; `rows` are row numbers in the file.
    classifications, answers : arrays, one entry per vote
        Position of the classification, and of the answer in `keys`.
    keys : sequence of AnswerKey
        The distinct answers.
    """

    classification_ids: Integers
    subject_ids: Integers
    users: Integers
    created: Integers
    rows: Integers
    classifications: Integers
    answers: Integers
    keys: Sequence[AnswerKey]

    @classmethod
    def from_long(cls, table: pa.Table, keys: Sequence[AnswerKey]) -> VoteRecords:
        """Take the columns out of a long table (`zooassist_exporters.long_table.layout`).

        Rows of one classification must follow each other, as they are written.
        """
        rows = _integers(table, "row")
        first = np.ones(len(rows), dtype=bool)
        first[1:] = rows[1:] != rows[:-1]
        answers = _integers(table, "answer")
        voted = answers >= 0
        return cls(
            classification_ids=_integers(table, "classification_id")[first],
            subject_ids=_integers(table, "subject_id")[first],
            users=_integers(table, "user")[first],
            created=_integers(table, "created_at")[first],
            rows=rows[first],
            classifications=(np.cumsum(first) - 1)[voted],
            answers=answers[voted],
            keys=keys,
        )


def _integers(table: pa.Table, name: str) -> Integers:
    column = table[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return column.to_numpy().astype(np.int64, copy=False)  # type: ignore[no-any-return]
