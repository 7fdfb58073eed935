"""How is a training set written? Under a temporary name, published whole at the end."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from zooassist_exporters.digests import Source, sha256_of
from zooassist_exporters.splits import SPLITS, Split, split_of
from zooassist_exporters.training_set_layout import (
    ENCODING_TYPE,
    ENCODING_VERSION,
    IMAGES,
    MANIFEST,
    MARKS,
    MASKS,
    MASKS_INDEX,
    SUBJECTS,
    SUBJECTS_SCHEMA,
    VOTES,
    votes_schema,
)
from zooassist_exporters.training_set_marks import checked_marks
from zooassist_exporters.training_set_masks import checked_classes, place_masks
from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

MOST_VOTES: Final = 2**31 - 1


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


def staging_folder(out: Path) -> Path:
    """Return (and make) the hidden folder beside `out` in which a set grows until it is whole.

    Its name is always the same, so that images fetched before an interruption are found again.
    """
    staging = out.absolute().parent / f".{out.absolute().name}.partial"
    (staging / IMAGES).mkdir(parents=True, exist_ok=True)
    return staging


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse an output that exists, unless it is a training set that may be overwritten.

    Raises
    ------
    BadInput
        Asked early, so that nobody waits for images only to be refused at the end.
    """
    if not out.exists():
        return
    if not (out / MANIFEST).is_file():
        raise BadInput(f"{out}: exists and is no training set; choose another --out")
    if not overwrite:
        raise BadInput(f"{out}: exists; choose another --out, or give --overwrite to replace it")


def write_training_set(
    out: Path,
    subjects: Sequence[SubjectRow],
    votes: ArrayLike,
    schema: LabelSchema,
    *,
    totals: ArrayLike | None = None,
    marks: pa.Table | None = None,
    masks: Mapping[tuple[int, int], Path] | None = None,
    mask_classes: Mapping[int, str] | None = None,
    sources: Sequence[Source] = (),
    options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a training set folder; nothing is visible under `out` until all of it is there.

    Parameters
    ----------
    out : Path
        The folder to make.
    subjects : sequence of SubjectRow
        Rows are written in ascending order of id, whatever the order given.
    votes : array of integers, shape (subjects, label columns)
        Vote counts in the order of ``schema.columns``.
    totals : array of integers, shape (subjects, questions), optional
        How many volunteers answered each question. By default the sum of its counts, which is
        right unless a question takes several answers at once or was seen and left empty.
    marks : pyarrow.Table, optional
        What volunteers drew, in the columns of `MARKS_SCHEMA`, of subjects of this set.
    masks : mapping, optional
        (subject id, frame) -> label map, a PNG of 8 bits in natural pixels whose first channel
        holds class numbers, 0 for none. ``NAME.agreement.png`` (0-255) and ``NAME.instances.png``
        (16 bits, 0 for none) beside ``NAME.png`` travel along.
    mask_classes : mapping, optional
        Class number (1-255) -> name. A class that is not named is called by its number.
    sources : sequence of Source
        The files the votes came from.
    options : mapping, optional
        The rules that were applied, as JSON values.
    overwrite : bool
        Replace a training set that is already there.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    BadInput
        On repeated ids, shapes or counts that do not fit the schema, marks or masks of subjects
        that are not in the set, a missing image or mask file, or an `out` that exists.
    """
    check_free(out, overwrite)
    counts = _checked_counts(votes, (len(subjects), len(schema.columns)), "votes")
    answered = _checked_totals(totals, counts, schema, len(subjects))
    order = sorted(range(len(subjects)), key=lambda row: subjects[row].subject_id)
    rows = [subjects[row] for row in order]
    for before, after in itertools.pairwise(rows):
        if before.subject_id == after.subject_id:
            raise BadInput(f"subject {after.subject_id}: listed twice; merge its votes first")
    known = frozenset(row.subject_id for row in rows)
    drawn = None if marks is None else checked_marks(marks, known)
    classes = checked_classes(mask_classes or {})
    staging = staging_folder(out)
    images = [_place_image(row, staging) for row in rows]
    _drop_strangers(staging / IMAGES, {image for image in images if image is not None})
    pq.write_table(_subjects_table(rows, images, staging), staging / SUBJECTS)
    pq.write_table(_votes_table(rows, counts[order], answered[order], schema), staging / VOTES)
    tables = [SUBJECTS, VOTES]
    found: dict[str, int] = {}
    extra: dict[str, Any] = {}
    for name in (MARKS, MASKS_INDEX):  # of an interrupted attempt
        (staging / name).unlink(missing_ok=True)
    if drawn is not None:
        pq.write_table(drawn, staging / MARKS)
        tables.append(MARKS)
        found["marks"] = drawn.num_rows
    index = place_masks(masks or {}, known, staging)
    if masks is not None:
        pq.write_table(index, staging / MASKS_INDEX)
        tables.append(MASKS_INDEX)
        found["masks"] = index.num_rows
        extra[MASKS] = {"classes": {str(number): classes[number] for number in sorted(classes)}}
    manifest = {
        "encoding-type": ENCODING_TYPE,
        "encoding-version": ENCODING_VERSION,
        "producer": {"name": "zooassist", "version": __version__},
        "label_schema": schema.to_json(),
        "sources": [source.to_json() for source in sources],
        "options": dict(options or {}),
        "rows": {
            "subjects": len(rows),
            "images": sum(image is not None for image in images),
            "votes": int(answered.sum()),
            **found,
            "splits": {name: sum(row.split == name for row in rows) for name in SPLITS},
        },
        **extra,
        "files": {name: {"sha256": sha256_of(staging / name)} for name in tables},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    (staging / MANIFEST).write_text(text + "\n", encoding="utf-8")
    _publish(staging, out)
    return out


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


def _drop_strangers(folder: Path, wanted: set[str]) -> None:
    """Delete what an earlier, interrupted attempt left that this set does not use."""
    for file in folder.iterdir():
        if f"{IMAGES}/{file.name}" not in wanted:
            file.unlink()


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
            "metadata": [
                json.dumps(dict(row.metadata), ensure_ascii=False, sort_keys=True) for row in rows
            ],
        },
        schema=SUBJECTS_SCHEMA,
    )


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


def _publish(staging: Path, out: Path) -> None:
    """Give the finished folder its name; one that it replaces is moved away first, then deleted."""
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    old = out.absolute().parent / f".{out.absolute().name}.old"
    if old.exists():
        shutil.rmtree(old)
    if out.exists():
        out.rename(old)
    staging.rename(out)
    if old.exists():
        shutil.rmtree(old)
