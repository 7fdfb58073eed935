"""What does a CSV of votes say: which subjects, which label columns, how many votes?

Three forms are read: counts per label column, fractions per label column (with a total), and the
cumulative fractions of the Galaxy Zoo 2 challenge (``Class1.1`` ... ``Class11.6``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zooassist_exporters.digests import Source
from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.training_set_layout import total_columns
from zooassist_exporters.vote_counts import Floats, Integers, apportion, counts_of_tree
from zooassist_exporters.votes_csv_form import (
    CHALLENGE_FORM,
    CHALLENGE_TOTAL,
    FILE_COLUMNS,
    ID_COLUMNS,
    ROUNDING,
    VotesForm,
    form_of,
)
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema


@dataclass(frozen=True)
class VotesTable:
    """A CSV of votes, read.

    Attributes
    ----------
    subject_ids : list of int
    files : list of str
        Name of each subject's image, "" when the CSV has no such column.
    metadata : list of dict
        The other columns of each row.
    counts : array of int, shape (subjects, label columns)
    totals : array of int, shape (subjects, questions), or None
        As stated; None when they are the sums of the counts.
    published : array of float, shape (subjects, label columns)
        The numbers as they stand in the CSV: counts, fractions, or cumulative fractions.
    form : str
        Which of the three: ``counts``, ``fractions``, ``fractions with totals``,
        ``cumulative fractions``.
    assumed_total : int or None
        The total that counts were made with because the CSV has none.
    """

    subject_ids: list[int]
    files: list[str]
    metadata: list[dict[str, Any]]
    schema: LabelSchema
    counts: Integers
    totals: Integers | None
    published: Floats
    form: str
    assumed_total: int | None
    source: Source
    problems: ProblemList = field(default_factory=ProblemList)


def read_votes_csv(
    path: str | Path,
    *,
    tree: LabelSchema | None = None,
    id_column: str | None = None,
    file_column: str | None = None,
    total_votes: int | None = None,
) -> VotesTable:
    """Read a CSV of votes.

    Parameters
    ----------
    tree : LabelSchema, optional
        The label columns to read; by default the challenge's, or those named
        ``<question>_<answer>`` in the header.
    id_column, file_column : str, optional
        Default to the first of `ID_COLUMNS` and `FILE_COLUMNS` in the header.
    total_votes : int, optional
        Votes at the root to assume for fractions; the challenge's form assumes 40 by default.

    Raises
    ------
    BadInput
        When a column is missing, no label column is found, or fractions have no total. Rows that
        cannot be read go into the table's problems.
    """
    with ExportFile(path, [name for name in (id_column, file_column) if name], "votes CSV") as file:
        id_at = _first(file, id_column, ID_COLUMNS)
        file_at = _first(file, file_column, FILE_COLUMNS)
        if id_at is None and file_at is None:
            raise BadInput(
                f"{file.name}: expected a column of ids ({', '.join(ID_COLUMNS)}) or of image "
                f"files ({', '.join(FILE_COLUMNS)}); found: {', '.join(file.header[:20])}; "
                "name it with --id-column or --file-column"
            )
        form = form_of(file, tree)
        problems = ProblemList()
        rows = _Rows(file, form, id_at, file_at, problems)
        for item in file.rows():
            rows.add(item)
        source = file.source()
    numbers = np.array(rows.numbers, dtype=np.float64).reshape(
        len(rows.subject_ids), len(form.columns) + len(form.totals)
    )
    counts, totals, assumed, name = _counts(file.name, form, numbers, total_votes)
    return VotesTable(
        subject_ids=rows.subject_ids,
        files=rows.files,
        metadata=rows.metadata,
        schema=form.schema,
        counts=counts,
        totals=totals,
        published=numbers[:, : len(form.columns)],
        form=name,
        assumed_total=assumed,
        source=source,
        problems=problems,
    )


def _first(file: ExportFile, named: str | None, usual: Sequence[str]) -> int | None:
    names = [named] if named else usual
    return next((file.header.index(name) for name in names if name in file.header), None)


class _Rows:
    """Collects the rows of a votes CSV."""

    def __init__(
        self,
        file: ExportFile,
        form: VotesForm,
        id_at: int | None,
        file_at: int | None,
        problems: ProblemList,
    ) -> None:
        self.subject_ids: list[int] = []
        self.files: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.numbers: list[list[float]] = []
        self._id_at, self._file_at, self._problems = id_at, file_at, problems
        self._numbers_at = [file.header.index(name) for name in (*form.columns, *form.totals)]
        taken = {*self._numbers_at, id_at, file_at}
        self._others = [(at, name) for at, name in enumerate(file.header) if at not in taken]
        self._seen: set[int] = set()

    def add(self, item: tuple[int, list[str]] | Problem) -> None:
        """Keep one row, or say what is wrong with it."""
        if isinstance(item, Problem):
            self._problems.add(item)
            return
        number, cells = item
        name = cells[self._file_at].strip() if self._file_at is not None else ""
        label = cells[self._id_at].strip() if self._id_at is not None else Path(name).stem
        subject_id = subject_id_of(label)
        try:
            numbers = [_number(cells[at]) for at in self._numbers_at]
        except ValueError as error:
            self._refuse(number, "not a number", f"expected numbers of votes, got {error}")
            return
        if not label:
            self._refuse(number, "no id", "expected an id or a file name, got an empty cell")
            return
        if subject_id in self._seen:
            self._refuse(number, "subject listed twice", f"expected {label!r} once")
            return
        self._seen.add(subject_id)
        self.subject_ids.append(subject_id)
        self.files.append(name)
        self.numbers.append(numbers)
        metadata = {key: _value(cells[at]) for at, key in self._others}
        self.metadata.append(metadata if str(subject_id) == label else {"id": label, **metadata})

    def _refuse(self, number: int, cause: str, detail: str) -> None:
        remedy = "the row was left out; correct it and run again"
        self._problems.add(Problem(f"row {number}", cause, detail, remedy))


def subject_id_of(label: str) -> int:
    """Return an id as an integer; a name becomes 62 bits of its sha256, the same for ever."""
    if label.isdecimal() and label.isascii() and len(label) <= 18:
        return int(label)
    return int.from_bytes(hashlib.sha256(label.encode()).digest()[:8], "big") >> 2


def _number(text: str) -> float:
    """Read a number of votes; an empty cell was not asked."""
    stripped = text.strip()
    if stripped.lower() in ("", "na", "nan", "null"):
        return 0.0
    try:
        value = float(stripped)
    except ValueError:
        raise ValueError(repr(text[:40])) from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(repr(text[:40]))
    return value


def _value(text: str) -> str | int | float | None:
    """Give a cell of another column its natural type."""
    if text == "":
        return None
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text


def _counts(
    name: str, form: VotesForm, numbers: Floats, total_votes: int | None
) -> tuple[Integers, Integers | None, int | None, str]:
    """Return counts, totals where they are not the sums, the assumed total, and the form's name."""
    width = len(form.columns)
    votes, stated = numbers[:, :width], numbers[:, width:]
    if form.name == CHALLENGE_FORM:
        total = total_votes or CHALLENGE_TOTAL
        return counts_of_tree(votes, form.schema, total), None, total, form.name
    whole = np.array_equal(votes, np.round(votes))
    if whole and (total_votes is None or votes.max(initial=0.0) > 1.0):
        counts = votes.astype(np.int64)
        return counts, _totals(form, counts, stated), None, "counts"
    if votes.max(initial=0.0) > 1.0 + ROUNDING:
        row, column = np.argwhere(votes > 1.0 + ROUNDING)[0]
        raise BadInput(
            f"{name}: expected whole vote counts, or fractions from 0 to 1; column "
            f"{form.columns[column]!r} holds {votes[row, column]:g} beside fractions; "
            "give one or the other"
        )
    if form.totals:
        counts = np.zeros(votes.shape, dtype=np.int64)
        for position, question in enumerate(form.schema.questions):
            here = form.schema.slices[question.name]
            counts[:, here] = apportion(
                votes[:, here], stated[:, position].round().astype(np.int64)
            )
        return counts, None, None, "fractions with totals"
    if total_votes is None:
        raise BadInput(
            f"{name}: its votes are fractions without a total; expected columns such as "
            f"{total_columns(form.schema)[0]!r}, or give --total-votes N to assume N volunteers"
        )
    return counts_of_tree(votes, form.schema, total_votes), None, total_votes, "fractions"


def _totals(form: VotesForm, counts: Integers, stated: Floats) -> Integers | None:
    """Return the totals when some question takes several answers, and sums are not totals."""
    if not form.totals or all(question.type == "single" for question in form.schema.questions):
        return None
    return np.stack(
        [
            counts[:, form.schema.slices[question.name]].sum(axis=1)
            if question.type == "single"
            else stated[:, position].astype(np.int64)
            for position, question in enumerate(form.schema.questions)
        ],
        axis=1,
    )
