"""What is a training set on disk, and how is one written and read? See docs/training-set.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zooassist_exporters.digests import sha256_of
from zooassist_exporters.splits import SPLITS, Split
from zooassist_exporters.training_set_layout import (
    ENCODING_TYPE,
    ENCODING_VERSION,
    IMAGES,
    MANIFEST,
    MARKS,
    MARKS_SCHEMA,
    MASKS,
    MASKS_INDEX,
    MASKS_SCHEMA,
    SUBJECTS,
    SUBJECTS_SCHEMA,
    VOTES,
    MaskKind,
    mask_name,
    total_columns,
    votes_schema,
)
from zooassist_exporters.training_set_rows import SubjectRow
from zooassist_exporters.training_set_writer import write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

__all__ = ["SubjectRow", "TrainingSet", "read_training_set", "write_training_set"]


@dataclass(frozen=True)
class TrainingSet:
    """A training set that was read and checked.

    Attributes
    ----------
    path : Path
        The folder.
    manifest : mapping
        The content of ``training-set.json``.
    schema : LabelSchema
        The label columns, in the order of ``votes``.
    subjects, votes : pyarrow.Table
        One row per subject each, in the same order.
    marks : pyarrow.Table or None
        What volunteers drew, in the columns of `MARKS_SCHEMA`; None for a set without marks.
    masks : pyarrow.Table or None
        One row per mask, in the columns of `MASKS_SCHEMA`; None for a set without masks.
    """

    path: Path
    manifest: Mapping[str, Any]
    schema: LabelSchema
    subjects: pa.Table
    votes: pa.Table
    marks: pa.Table | None = None
    masks: pa.Table | None = None

    def __len__(self) -> int:
        return int(self.subjects.num_rows)

    @cached_property
    def sha256(self) -> str:
        """Digest of the manifest, which holds the digests of the tables and images."""
        return sha256_of(self.path / MANIFEST)

    @cached_property
    def subject_ids(self) -> NDArray[np.int64]:
        """Subject ids, shape (subjects,)."""
        return np.asarray(self.subjects["subject_id"].to_numpy(), dtype=np.int64)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Vote counts, shape (subjects, label columns), in the order of ``schema.columns``."""
        return _matrix(self.votes, self.schema.columns)

    @cached_property
    def totals(self) -> NDArray[np.int64]:
        """Volunteers who answered, shape (subjects, questions), in the order of the questions."""
        return _matrix(self.votes, total_columns(self.schema))

    @cached_property
    def inclusion_probability(self) -> NDArray[np.float64]:
        """Probability with which each subject was chosen into the set, shape (subjects,)."""
        return np.asarray(self.subjects["inclusion_probability"].to_numpy(), dtype=np.float64)

    def rows_of(self, split: Split) -> NDArray[np.int64]:
        """Return the row numbers of one split."""
        if split not in SPLITS:
            raise BadInput(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
        return np.flatnonzero(pc.equal(self.subjects["split"], split).to_numpy())

    def has_image(self, row: int) -> bool:
        """Say whether a row has an image."""
        return self.subjects["image"][row].as_py() is not None

    def image_path(self, row: int) -> Path:
        """Return the path of a row's image.

        Raises
        ------
        BadInput
            When the row has none (the export listed why), or the file is not there: one that got
            lost fails alone, and the other rows can be used.
        """
        name = self.subjects["image"][row].as_py()
        if name is None:
            subject = self.subjects["subject_id"][row].as_py()
            raise BadInput(
                f"{self.path}: subject {subject} has no image; run the export again with --images "
                "DIR or --subjects CSV, or leave the row out"
            )
        if not (self.path / str(name)).is_file():
            raise BadInput(
                f"{self.path}: {name} is not there; copy the folder whole or export it again"
            )
        return self.path / str(name)

    @cached_property
    def mask_classes(self) -> dict[int, str]:
        """Names of the class numbers in the label maps."""
        classes = self.manifest.get(MASKS, {}).get("classes", {})
        return {int(number): str(name) for number, name in classes.items()}

    @cached_property
    def _mask_places(self) -> dict[tuple[int, int], tuple[MaskKind, ...]]:
        """Kinds of map that are there, by subject and frame."""
        places: dict[tuple[int, int], tuple[MaskKind, ...]] = {}
        for row in [] if self.masks is None else self.masks.to_pylist():
            there: tuple[MaskKind, ...] = ("",)
            there += ("agreement",) if row["agreement_sha256"] else ()
            there += ("instances",) if row["instances_sha256"] else ()
            places[row["subject_id"], row["frame"]] = there
        return places

    def has_mask(self, subject_id: int, frame: int = 0, kind: MaskKind = "") -> bool:
        """Say whether a frame of a subject has a label map (or a map of another kind)."""
        return kind in self._mask_places.get((subject_id, frame), ())

    def mask_path(self, subject_id: int, frame: int = 0, kind: MaskKind = "") -> Path:
        """Return the path of a frame's label map, or of its agreement or instance map.

        Raises
        ------
        BadInput
            When the frame has none.
        """
        if not self.has_mask(subject_id, frame, kind):
            raise BadInput(
                f"{self.path}: subject {subject_id}, frame {frame} has no {kind or 'label'} map; "
                "make masks with `zooassist export masks`"
            )
        return self.path / mask_name(subject_id, frame, kind)

    def metadata(self, row: int) -> dict[str, Any]:
        """Return a row's metadata: what the subject or the votes CSV carried beside the votes."""
        return dict(json.loads(self.subjects["metadata"][row].as_py()))


def _matrix(table: pa.Table, names: Sequence[str]) -> NDArray[np.int64]:
    if not names:
        return np.zeros((table.num_rows, 0), dtype=np.int64)
    return np.stack([table[name].to_numpy() for name in names], axis=1).astype(np.int64)


def read_training_set(path: Path) -> TrainingSet:
    """Read a training set and check it: version, digests, columns and counts.

    That the images are there is asked when they are used, see `TrainingSet.image_path`.

    Parameters
    ----------
    path : Path
        The folder that holds ``training-set.json``.

    Raises
    ------
    BadInput
        When the folder is no training set, is of another format version, or was changed since.
    """
    manifest = _read_manifest(path)
    schema = LabelSchema.from_json(manifest["label_schema"])
    tables = {}
    for name, expected in ((SUBJECTS, SUBJECTS_SCHEMA), (VOTES, votes_schema(schema))):
        tables[name] = _read_table(path, name, expected, manifest)
    for name, expected in ((MARKS, MARKS_SCHEMA), (MASKS_INDEX, MASKS_SCHEMA)):
        if name in manifest["files"]:  # sets of 0.1.0 have neither
            tables[name] = _read_table(path, name, expected, manifest)
    subjects, votes = tables[SUBJECTS], tables[VOTES]
    if not subjects["subject_id"].equals(votes["subject_id"]):
        raise BadInput(
            f"{path}: {SUBJECTS} and {VOTES} list different subjects; write the training set again"
        )
    images = [str(name) for name in subjects["image"].to_pylist() if name is not None]
    outside = [name for name in images if PurePosixPath(name).parent != PurePosixPath(IMAGES)]
    if outside:  # a set from elsewhere must not make us read the reader's own files
        raise BadInput(
            f"{path}: image {outside[0]!r} is not in its folder {IMAGES}/; do not use it"
        )
    found = TrainingSet(
        path, manifest, schema, subjects, votes, tables.get(MARKS), tables.get(MASKS_INDEX)
    )
    _check_masks(found)
    return found


def _check_masks(found: TrainingSet) -> None:
    for (subject_id, frame), kinds in found._mask_places.items():
        for kind in kinds:
            if not found.mask_path(subject_id, frame, kind).is_file():
                raise BadInput(
                    f"{found.path}: {mask_name(subject_id, frame, kind)} is not there; "
                    "copy the folder whole or export it again"
                )


def _read_manifest(path: Path) -> dict[str, Any]:
    file = path / MANIFEST
    if not file.is_file():
        raise BadInput(
            f"{path}: expected a training set folder holding {MANIFEST}, found none; "
            "make one with `zooassist export votes` or `zooassist export training-set`"
        )
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{file}: expected JSON, got: {error}; export the set again") from error
    found = manifest.get("encoding-type") if isinstance(manifest, dict) else None
    if found != ENCODING_TYPE:
        raise BadInput(f"{file}: expected encoding-type {ENCODING_TYPE!r}, got {found!r}")
    version = str(manifest.get("encoding-version"))
    if version.split(".")[:2] != ENCODING_VERSION.split(".")[:2]:
        raise BadInput(
            f"{file}: written in format {version}, this zooassist reads "
            f"{'.'.join(ENCODING_VERSION.split('.')[:2])}.x; "
            "update zooassist or export the set again"
        )
    absent = [key for key in ("label_schema", "files", "rows") if key not in manifest]
    if absent:
        raise BadInput(f"{file}: key {absent[0]!r} is missing; export the set again")
    return manifest


def _read_table(
    path: Path, name: str, expected: pa.Schema, manifest: Mapping[str, Any]
) -> pa.Table:
    file = path / name
    if not file.is_file():
        raise BadInput(f"{file}: missing from the training set; export the set again")
    recorded = manifest["files"].get(name, {}).get("sha256")
    if sha256_of(file) != recorded:
        raise BadInput(
            f"{file}: its sha256 is not the one in {MANIFEST}; the file was changed or damaged, "
            "export the set again"
        )
    table = pq.read_table(file)
    absent = [column for column in expected.names if column not in table.column_names]
    if absent:
        raise BadInput(
            f"{file}: column {absent[0]!r} of the label schema is missing; found "
            f"{', '.join(table.column_names)}; export the set again"
        )
    return table.select(expected.names).cast(expected)
