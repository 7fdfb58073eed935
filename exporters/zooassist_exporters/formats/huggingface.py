"""How is a training set written as a Hugging Face data set, and read back?

``data/<split>-00000-of-00001.parquet`` with images inside and ``README.md`` that says so, which
``datasets.load_dataset(FOLDER)`` loads. The label schema lies in the Parquet files' own metadata,
which `datasets` passes over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import Drawn, pictures
from zooassist_exporters.formats.reading import add_subject, name_to_split
from zooassist_exporters.image_check import image_suffix
from zooassist_exporters.splits import SPLITS, Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_exporters.training_set_layout import (
    MARKS_SCHEMA,
    MASK_KINDS,
    total_columns,
)
from zooassist_exporters.training_set_masks import beside
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

OWN: Final = b"zooassist"
# Rows in memory at a time; an image has a megabyte at most times.
ROWS: Final = 100
MARK_FIELDS: Final = [entry for entry in MARKS_SCHEMA if entry.name != "subject_id"]
IMAGE: Final = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
MASK_COLUMNS: Final = {"": "mask", "agreement": "agreement", "instances": "instances"}
OBJECT: Final = pa.struct([*MARK_FIELDS, pa.field("bbox", pa.list_(pa.float64()))])
MASK: Final = pa.struct(
    [pa.field("frame", pa.int32()), *(pa.field(name, IMAGE) for name in MASK_COLUMNS.values())]
)
OTHERS: Final = ("subject_id", "image", "inclusion_probability", "metadata", "objects", "masks")


def write_huggingface(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write one Parquet file per split, a hundred subjects at a time."""
    counted = [*data.schema.columns, *total_columns(data.schema)]
    clash = [name for name in counted if name in OTHERS]
    if clash:
        raise BadInput(f"label column {clash[0]!r} has the name of another column; rename it")
    schema = arrow_schema(data, counted)
    (out / "data").mkdir(parents=True)
    written: dict[Split, _SplitFile] = {}
    with ExitStack() as stack:
        for split, row in subject_rows(data, options, notes):
            if split not in written:
                written[split] = stack.enter_context(_SplitFile(out, split, schema))
            written[split].add(row)
        if not written:  # a data set without any file does not load
            first = options.splits[0]
            written[first] = stack.enter_context(_SplitFile(out, first, schema))
    (out / "README.md").write_text(
        dataset_card([split for split in SPLITS if split in written]), encoding="utf-8"
    )


class _SplitFile:
    """The file of one split, written a hundred subjects at a time."""

    def __init__(self, out: Path, split: Split, schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._writer = pq.ParquetWriter(out / "data" / f"{split}-00000-of-00001.parquet", schema)

    def __enter__(self) -> _SplitFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._write()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._write()

    def _write(self) -> None:
        if not self._rows:  # `datasets` fails on a row group without rows
            return
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def arrow_schema(data: TrainingSet, counted: list[str]) -> pa.Schema:
    """Return the columns, with the features that `datasets` reads and our own label schema."""
    fields = [
        pa.field("subject_id", pa.int64()),
        pa.field("image", IMAGE),
        pa.field("inclusion_probability", pa.float64()),
        pa.field("metadata", pa.string()),
        *(pa.field(name, pa.int32()) for name in counted),
    ]
    fields += [] if data.marks is None else [pa.field("objects", pa.list_(OBJECT))]
    fields += [] if data.masks is None else [pa.field("masks", pa.list_(MASK))]
    features = {entry.name: _feature(entry.type) for entry in fields}
    classes = {str(number): name for number, name in data.mask_classes.items()}
    own = {"label_schema": data.schema.to_json(), "mask_classes": classes}
    return pa.schema(
        fields,
        metadata={
            b"huggingface": json.dumps({"info": {"features": features}}),
            OWN: json.dumps(own),
        },
    )


def _feature(kind: pa.DataType) -> Any:  # noqa: ANN401 - a feature is a list or a mapping
    """Return the `datasets` feature of a column; a list stands for one in all its versions."""
    if kind.equals(IMAGE):
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    if pa.types.is_struct(kind):
        return {entry.name: _feature(entry.type) for entry in kind}
    name = "float64" if pa.types.is_float64(kind) else str(kind)
    return {"dtype": name, "_type": "Value"}


def subject_rows(
    data: TrainingSet, options: Options, notes: Notes
) -> Iterator[tuple[Split, dict[str, Any]]]:
    """Return split and row of each subject, with the objects and masks of all its frames."""
    by_row = groupby(pictures(data, options, notes), key=lambda picture: picture.row)
    for place, frames in by_row:
        objects: list[dict[str, Any]] = []
        masks: list[dict[str, Any]] = []
        image: Path | None = None
        split: Split = data.subjects["split"][place].as_py()
        for picture in frames:
            image = image or picture.image
            objects += [_object(drawn) for drawn in picture.drawn]
            if picture.mask is not None:
                masks.append(_masks(picture.mask, picture.frame))
        row = {
            "subject_id": int(data.subject_ids[place]),
            "image": None if image is None or options.images == "none" else _image(image),
            "inclusion_probability": float(data.inclusion_probability[place]),
            "metadata": data.subjects["metadata"][place].as_py(),
            "objects": objects,
            "masks": masks,
        }
        row |= zip(data.schema.columns, data.counts[place].tolist(), strict=True)
        row |= zip(total_columns(data.schema), data.totals[place].tolist(), strict=True)
        yield split, row


def _object(drawn: Drawn) -> dict[str, Any]:
    row = {entry.name: drawn.row[entry.name] for entry in MARK_FIELDS}
    return row | {"bbox": list(drawn.box())}


def _masks(mask: Path, frame: int) -> dict[str, Any]:
    files = {name: beside(mask, kind) for kind, name in MASK_COLUMNS.items()}
    images = {name: _image(file) if file.is_file() else None for name, file in files.items()}
    return {"frame": frame, **images}


def _image(path: Path) -> dict[str, Any]:
    return {"bytes": path.read_bytes(), "path": path.name}


def dataset_card(splits: Sequence[Split]) -> str:
    """Return the ``README.md`` whose head tells `datasets` which file is which split."""
    lines = ["---", "configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += ["---", "", "# Training set", ""]
    lines += [
        "Made by `zooassist export convert --to huggingface`. One row per subject: its image,"
    ]
    lines += ["the votes per answer and question, and the objects that volunteers drew."]
    return "\n".join(lines) + "\n"


def read_huggingface(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read the Parquet files of a data set that `write_huggingface` wrote.

    Raises
    ------
    BadInput
        When there are none, or they are of another origin and so say nothing of questions.
    """
    files = sorted((path / "data").glob("*.parquet"))
    if not files:
        raise BadInput(f"{path}: expected a Hugging Face data set with data/*.parquet")
    draft = Draft()
    for file in files:
        try:
            parquet = pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise BadInput(f"{file}: expected a Parquet file, got: {error}") from error
        with parquet:
            metadata = parquet.schema_arrow.metadata or {}
            if OWN not in metadata:
                raise BadInput(
                    f"{file}: says nothing of its questions: it was not written by zooassist; turn "
                    "it into a CSV of votes for `zooassist export training-set`"
                )
            own = json.loads(metadata[OWN])
            draft.schema = LabelSchema.from_json(own["label_schema"])
            draft.mask_classes = {int(key): name for key, name in own["mask_classes"].items()}
            split = name_to_split(file.stem)
            for batch in parquet.iter_batches(batch_size=ROWS):
                for row in batch.to_pylist():
                    image = row["image"]
                    row_of = SubjectRow(
                        row["subject_id"],
                        None if image is None else _keep(image, scratch / str(row["subject_id"])),
                        row["inclusion_probability"],
                        json.loads(row["metadata"]),
                        split,
                    )
                    add_subject(draft, row_of, file)
                    _read_row(row, draft, scratch)
        draft.sources.append(Source.of(file))
    return draft


def _read_row(row: Mapping[str, Any], draft: Draft, scratch: Path) -> None:
    subject_id = row["subject_id"]
    draft.votes[subject_id] = [row[name] for name in draft.schema.columns]
    draft.totals[subject_id] = [row[name] for name in total_columns(draft.schema)]
    for thing in row.get("objects") or ():
        kept = {entry.name: thing[entry.name] for entry in MARK_FIELDS}
        draft.marks.append({"subject_id": subject_id} | kept)
    for mask in row.get("masks") or ():
        target = scratch / f"{subject_id}_{mask['frame']}.png"
        for kind in MASK_KINDS:
            image = mask[MASK_COLUMNS[kind]]
            if image is not None:
                beside(target, kind).write_bytes(image["bytes"])
        draft.masks[subject_id, mask["frame"]] = target


def _keep(image: Mapping[str, Any], stem: Path) -> Path:
    """Write an image's bytes to a file whose suffix is that of its name, else of its content."""
    suffix = Path(image["path"] or "").suffix or image_suffix(image["bytes"])
    target = stem.parent / "images" / f"{stem.name}{suffix}"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(image["bytes"])
    return target
