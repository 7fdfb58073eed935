"""How do subjects and their votes get into a training set's tables? Checked, some at a time."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from zooassist_exporters.digests import sha256_of
from zooassist_exporters.splits import SPLITS, Split, split_of
from zooassist_exporters.training_set_layout import (
    IMAGES,
    SUBJECTS,
    SUBJECTS_SCHEMA,
    VOTES,
    votes_schema,
)
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

MOST_VOTES: Final = 2**31 - 1
# What is collected before it is written: a Parquet file of many small row groups is slow to read.
ROW_GROUP_BYTES: Final = 16 << 20
# The fast encoder writes the same, but null for NaN, and it refuses integers beyond 64 bits.
EXACT: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class SubjectRow:
    """One subject to write.

    Attributes
    ----------
    subject_id : int
        Unique within the set.
    image : Path, optional
        A file to copy into the set; None when the subject has no image.
    inclusion_probability : float
        In (0, 1]: the chance with which the subject was chosen; 1 when nothing was sampled.
    metadata : mapping
        JSON values that travel along.
    split : str, optional
        Defaults to `split_of` the id; give one only for a set whose split was fixed elsewhere.
    """

    subject_id: int
    image: Path | None = None
    inclusion_probability: float = 1.0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    split: Split | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.inclusion_probability <= 1.0:
            raise BadInput(
                f"subject {self.subject_id}: expected an inclusion probability in (0, 1], "
                f"got {self.inclusion_probability}"
            )
        if self.split is None:
            object.__setattr__(self, "split", split_of(self.subject_id))
        elif self.split not in SPLITS:
            raise BadInput(
                f"subject {self.subject_id}: expected a split out of {', '.join(SPLITS)}, "
                f"got {self.split!r}"
            )


@dataclass(frozen=True)
class CheckedRows:
    """Subjects in ascending order of id, and their votes.

    Attributes
    ----------
    subjects : list of SubjectRow
    counts : array, shape (subjects, label columns)
    totals : array, shape (subjects, questions)
    """

    subjects: list[SubjectRow]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]


def checked_rows(
    subjects: Sequence[SubjectRow],
    votes: ArrayLike,
    schema: LabelSchema,
    totals: ArrayLike | None = None,
) -> CheckedRows:
    """Put subjects in order and check their votes; parameters as in `write_training_set`.

    Raises
    ------
    BadInput
        On repeated ids, and on shapes or counts that do not fit the schema.
    """
    counts = _checked_counts(votes, (len(subjects), len(schema.columns)), "votes")
    answered = _checked_totals(totals, counts, schema, len(subjects))
    order = sorted(range(len(subjects)), key=lambda row: subjects[row].subject_id)
    rows = [subjects[row] for row in order]
    for before, after in itertools.pairwise(rows):
        if before.subject_id == after.subject_id:
            raise BadInput(f"subject {after.subject_id}: listed twice; merge its votes first")
    return CheckedRows(rows, counts[order], answered[order])


class RowWriter:
    """Writes both tables of a set and places its images; a context manager.

    Attributes
    ----------
    images : set of str
        Names of the images within the set.
    subjects, votes : int
        Rows so far, and answered questions.
    splits : Counter
        Rows so far by split.
    """

    def __init__(self, staging: Path, schema: LabelSchema) -> None:
        self._staging, self._schema = staging, schema
        self.images: set[str] = set()
        self.subjects, self.votes = 0, 0
        self.splits: Counter[str] = Counter()
        self._last: int | None = None
        self._tables = (
            _GrowingTable(staging / SUBJECTS, SUBJECTS_SCHEMA),
            _GrowingTable(staging / VOTES, votes_schema(schema)),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for table in self._tables:
            table.close()

    def add(self, checked: CheckedRows) -> None:
        """Write some subjects, whose ids must come after those that were written.

        Raises
        ------
        BadInput
            When they do not, or an image is missing.
        """
        rows = checked.subjects
        if not rows:
            return
        first = rows[0].subject_id
        if self._last is not None and first <= self._last:
            raise BadInput(f"subject {first}: expected ids in order, it came after {self._last}")
        self._last = rows[-1].subject_id
        images = [_place_image(row, self._staging) for row in rows]
        subjects, votes = self._tables
        subjects.add(_subjects_table(rows, images, self._staging))
        votes.add(_votes_table(rows, checked.counts, checked.totals, self._schema))
        self.images |= {image for image in images if image is not None}
        self.subjects += len(rows)
        self.votes += int(checked.totals.sum())
        self.splits.update(str(row.split) for row in rows)


class _GrowingTable:
    """A Parquet file that is written row group by row group."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema)
        self._schema = schema
        self._held: list[pa.Table] = []
        self._size = 0

    def add(self, table: pa.Table) -> None:
        self._held.append(table)
        self._size += table.nbytes
        if self._size > ROW_GROUP_BYTES:
            self._write()

    def close(self) -> None:
        if self._writer.is_open:
            self._write()
            self._writer.close()

    def _write(self) -> None:
        if self._held:
            self._writer.write_table(pa.concat_tables(self._held).combine_chunks())
            self._held, self._size = [], 0


def _checked_counts(values: ArrayLike, shape: tuple[int, int], name: str) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size == 0:
        array = array.reshape(shape) if math.prod(shape) == 0 else array
    if array.shape != shape:
        raise BadInput(f"{name}: expected an array of shape {shape}, got {array.shape}")
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array) or (whole < 0).any() or (whole > MOST_VOTES).any():
        raise BadInput(f"{name}: expected whole numbers from 0 to {MOST_VOTES}")
    return whole


def _checked_totals(
    totals: ArrayLike | None, counts: NDArray[np.int64], schema: LabelSchema, rows: int
) -> NDArray[np.int64]:
    shape = (rows, len(schema.questions))
    sums, tops = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for column, question in enumerate(schema.questions):
        part = counts[:, schema.slices[question.name]]
        sums[:, column] = part.sum(axis=1)
        tops[:, column] = part.max(axis=1, initial=0)
    if totals is None:
        return sums
    checked = _checked_counts(totals, shape, "totals")
    single = np.array([question.type == "single" for question in schema.questions], dtype=bool)
    wrong = np.where(single, checked != sums, checked < tops)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        question = schema.questions[column]
        rule = "the sum of its votes" if single[column] else "at least its most chosen answer"
        raise BadInput(
            f"totals: row {row}, question {question.name!r}: expected {rule} "
            f"({sums[row, column] if single[column] else tops[row, column]}), "
            f"got {checked[row, column]}"
        )
    return checked


def _place_image(row: SubjectRow, staging: Path) -> str | None:
    """Copy a row's image into the staging folder and return its name within the set."""
    if row.image is None:
        return None
    name = f"{IMAGES}/{row.subject_id}{row.image.suffix.lower()}"
    target = staging / name
    if row.image.absolute() == target:
        if not target.is_file():
            raise BadInput(f"subject {row.subject_id}: image {target} is missing")
        return name
    try:
        shutil.copyfile(row.image, target)
    except OSError as error:
        raise BadInput(
            f"subject {row.subject_id}: cannot copy image {row.image}: {error.strerror}"
        ) from error
    return name


def _subjects_table(
    rows: Sequence[SubjectRow], images: Sequence[str | None], staging: Path
) -> pa.Table:
    return pa.Table.from_pydict(
        {
            "subject_id": [row.subject_id for row in rows],
            "split": [row.split for row in rows],
            "image": list(images),
            "image_sha256": [
                None if name is None else sha256_of(staging / name) for name in images
            ],
            "inclusion_probability": [row.inclusion_probability for row in rows],
            "metadata": [metadata_json(row.metadata) for row in rows],
        },
        schema=SUBJECTS_SCHEMA,
    )


def metadata_json(metadata: Mapping[str, Any]) -> str:
    """Encode a subject's metadata: compact, keys in order, NaN and large integers kept.

    Raises
    ------
    TypeError
        When a value is no JSON value.
    """
    content = dict(metadata)
    try:
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return EXACT.encode(content)
    return EXACT.encode(content) if b"null" in text else text.decode()


def _votes_table(
    rows: Sequence[SubjectRow],
    counts: NDArray[np.int64],
    totals: NDArray[np.int64],
    schema: LabelSchema,
) -> pa.Table:
    columns = [np.array([row.subject_id for row in rows], dtype=np.int64)]
    columns += list(counts.T) + list(totals.T)
    fields = votes_schema(schema)
    return pa.Table.from_arrays(
        [pa.array(column, type=entry.type) for column, entry in zip(columns, fields, strict=True)],
        schema=fields,
    )
