"""Which questions did the annotations of many rows answer? One vote per question and row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.extracts import Answered, UnexpectedValue, answers_of
from zooassist_exporters.long_table.pieces import Pieces
from zooassist_exporters.vote_records import AnswerKey, Integers

Types = Mapping[str, str]


@dataclass(frozen=True)
class Votes:
    """Votes of some rows.

    Attributes
    ----------
    rows, answers : arrays, one entry per vote
        The row, in ascending order, and the position of the answer in `keys`.
    keys : list of AnswerKey
    unexpected : list of (row, UnexpectedValue)
        Answers that do not fit their task.
    """

    rows: Integers
    answers: Integers
    keys: list[AnswerKey]
    unexpected: list[tuple[int, UnexpectedValue]]


class _Given:
    """Numbers the distinct answers, apart from the mark they are about."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str, str, bool, tuple[str | int, ...]], int] = {}
        self._questions: dict[tuple[str, str], int] = {}
        self.question_of: list[int] = []
        self.flat: Integers = np.zeros(0, dtype=np.int64)

    def code(self, version: str, answered: Answered) -> int:
        task, text, multiple, values, _ = answered
        key = (version, task, text, multiple, values)
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = len(self._codes)
            question = self._questions.setdefault((task, text), len(self._questions))
            self.question_of.append(question)
        return code

    def keys(self) -> tuple[list[AnswerKey], Integers, Integers]:
        """Return the keys, and for each code where its keys start and how many it has."""
        codes: dict[AnswerKey, int] = {}
        starts, counts, flat = list[int](), list[int](), list[int]()
        for version, task, text, multiple, values in self._codes:
            starts.append(len(flat))
            counts.append(len(values) or 1)
            for value in values or (None,):
                key = AnswerKey(version, task, text, multiple, value)
                flat.append(codes.setdefault(key, len(codes)))
        self.flat = np.array(flat, dtype=np.int64)
        return list(codes), np.array(starts, np.int64), np.array(counts, np.int64)


def count_answers(
    pieces: Pieces,
    keep: NDArray[np.bool_],
    version_codes: Integers,
    versions: list[str],
    types: list[Types],
) -> Votes:
    """Find the votes of the rows to keep: the first answer to each question, of the first mark.

    Parameters
    ----------
    pieces : Pieces
        The annotations of all rows.
    keep : array of bool, one entry per row
    version_codes : array, one entry per row
        Position of the row's workflow version in `versions`.
    types : list of mapping
        For each version: task -> task type; a task that is not listed is judged by its look.
    """
    given = _Given()
    unexpected: list[tuple[int, UnexpectedValue]] = []
    used = keep[pieces.rows]
    rows, codes = pieces.rows[used], pieces.codes[used]
    height = max(len(pieces.annotations), 1)
    pairs, inverse = np.unique(version_codes[rows] * height + codes, return_inverse=True)
    starts, counts, flat, marks = [], [], list[int](), list[int]()
    for position, pair in enumerate(pairs.tolist()):
        version, code = divmod(pair, height)
        starts.append(len(flat))
        for item in answers_of([pieces.annotations[code]], types[version]):
            if isinstance(item, UnexpectedValue):
                unexpected += [(row, item) for row in rows[inverse == position].tolist()]
            else:
                flat.append(given.code(versions[version], item))
                marks.append(item.mark_index or 0)
        counts.append(len(flat) - starts[-1])
    where, place = _expand(np.array(starts, np.int64)[inverse], np.array(counts, np.int64)[inverse])
    parts = [(rows[where], np.array(flat, np.int64)[place], np.array(marks, np.int64)[place])]
    parts.append(_of_whole(pieces.whole, keep, version_codes, versions, types, given, unexpected))
    row, code, mark = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    row, code = _first_of_each(row, code, mark, np.array(given.question_of, np.int64))
    keys, key_starts, key_counts = given.keys()
    where, place = _expand(key_starts[code], key_counts[code])
    return Votes(row[where], given.flat[place], keys, unexpected)


def _of_whole(
    whole: Mapping[int, list[dict[str, Any]]],
    keep: NDArray[np.bool_],
    version_codes: Integers,
    versions: list[str],
    types: list[Types],
    given: _Given,
    unexpected: list[tuple[int, UnexpectedValue]],
) -> tuple[Integers, Integers, Integers]:
    """Find the answers of rows whose annotations were decoded as a whole."""

    def found() -> Iterator[tuple[int, int, int]]:
        for row, entries in whole.items():
            if not keep[row]:
                continue
            version = int(version_codes[row])
            for item in answers_of(entries, types[version]):
                if isinstance(item, UnexpectedValue):
                    unexpected.append((row, item))
                else:
                    yield row, given.code(versions[version], item), item.mark_index or 0

    return _columns(found())


def _columns(entries: Iterable[tuple[int, int, int]]) -> tuple[Integers, Integers, Integers]:
    table = np.array(list(entries), dtype=np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _expand(starts: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """List ``start, start + 1, ...`` for each entry, and which entry each item is of."""
    owner = np.repeat(np.arange(len(counts)), counts)
    before = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - before[owner] + starts[owner]


def _first_of_each(
    row: Integers, code: Integers, mark: Integers, question_of: Integers
) -> tuple[Integers, Integers]:
    """Keep one answer per row and question: that about the first mark, of equals the first."""
    if row.size == 0:
        return row, code
    place = row * max(len(question_of), 1) + question_of[code]
    order = np.lexsort((mark, place))
    place = place[order]
    first = np.ones(len(place), dtype=bool)
    first[1:] = place[1:] != place[:-1]
    chosen = order[first]
    return row[chosen], code[chosen]
