"""How is a training set written? Under a temporary name, published whole at the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

from zooassist_exporters.digests import Source, sha256_of
from zooassist_exporters.splits import SPLITS
from zooassist_exporters.training_set_layout import (
    ENCODING_TYPE,
    ENCODING_VERSION,
    IMAGES,
    MANIFEST,
    MARKS,
    MASKS,
    MASKS_INDEX,
    SUBJECTS,
    VOTES,
)
from zooassist_exporters.training_set_marks import checked_marks
from zooassist_exporters.training_set_masks import checked_classes, place_masks
from zooassist_exporters.training_set_rows import CheckedRows, RowWriter, SubjectRow, checked_rows
from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema


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
    rows = checked_rows(subjects, votes, schema, totals)
    known = frozenset(row.subject_id for row in rows.subjects)
    drawn = None if marks is None else checked_marks(marks, known)
    checked_classes(mask_classes or {})
    with TrainingSetDraft(out, schema, overwrite=overwrite) as draft:
        draft.add(rows)
        if drawn is not None:
            draft.add_marks(drawn)
        if masks is not None:
            draft.add_masks(masks, mask_classes or {}, known)
        return draft.publish(sources=sources, options=options or {})


class TrainingSetDraft:
    """A training set that grows part by part, and is nowhere to be seen until it is published.

    A context manager. Parameters as in `write_training_set`.

    Raises
    ------
    BadInput
        When `out` exists.
    """

    def __init__(self, out: Path, schema: LabelSchema, *, overwrite: bool = False) -> None:
        check_free(out, overwrite)
        self._out, self._schema = out, schema
        self.folder = staging_folder(out)
        for name in (MARKS, MASKS_INDEX):  # of an interrupted attempt
            (self.folder / name).unlink(missing_ok=True)
        self._rows = RowWriter(self.folder, schema)
        self._tables = [SUBJECTS, VOTES]
        self._found: dict[str, int] = {}
        self._extra: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rows.__exit__(kind, error, traceback)

    def add(self, rows: CheckedRows) -> None:
        """Add subjects whose ids come after those that were added."""
        self._rows.add(rows)

    def add_marks(self, marks: pa.Table) -> None:
        """Add all marks, checked."""
        pq.write_table(marks, self.folder / MARKS)
        self._tables.append(MARKS)
        self._found["marks"] = marks.num_rows

    def add_masks(
        self,
        masks: Mapping[tuple[int, int], Path],
        mask_classes: Mapping[int, str],
        known: AbstractSet[int],
    ) -> None:
        """Add all masks; `known` are the subjects of the set."""
        classes = checked_classes(mask_classes)
        index = place_masks(masks, known, self.folder)
        pq.write_table(index, self.folder / MASKS_INDEX)
        self._tables.append(MASKS_INDEX)
        self._found["masks"] = index.num_rows
        named = {str(number): classes[number] for number in sorted(classes)}
        self._extra[MASKS] = {"classes": named}

    def publish(self, *, sources: Sequence[Source], options: Mapping[str, Any]) -> Path:
        """Write the manifest and give the set its name; nothing can be added after that."""
        rows = self._rows
        rows.__exit__(None, None, None)
        _drop_strangers(self.folder / IMAGES, rows.images)
        if MASKS_INDEX not in self._tables:
            place_masks({}, frozenset(), self.folder)  # clears those of an interrupted attempt
        manifest = {
            "encoding-type": ENCODING_TYPE,
            "encoding-version": ENCODING_VERSION,
            "producer": {"name": "zooassist", "version": __version__},
            "label_schema": self._schema.to_json(),
            "sources": [source.to_json() for source in sources],
            "options": dict(options),
            "rows": {
                "subjects": rows.subjects,
                "images": len(rows.images),
                "votes": rows.votes,
                **self._found,
                "splits": {name: rows.splits[name] for name in SPLITS},
            },
            **self._extra,
            "files": {name: {"sha256": sha256_of(self.folder / name)} for name in self._tables},
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
        (self.folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
        _publish(self.folder, self._out)
        return self._out


def _drop_strangers(folder: Path, wanted: set[str]) -> None:
    """Delete what an earlier, interrupted attempt left that this set does not use."""
    for file in folder.iterdir():
        if f"{IMAGES}/{file.name}" not in wanted:
            file.unlink()


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
