"""How is a training set written as plain tables, in CSV or Parquet, and read back?

``votes`` has one row per subject: split, image, counts and totals; ``marks`` one row per mark.
``label-schema.json`` holds the questions, ``images/`` the images.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import chosen_marks, note_lost, place
from zooassist_exporters.formats.reading import add_subject, inside, read_json
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_exporters.training_set_layout import (
    MARKS_SCHEMA,
    SUBJECTS_SCHEMA,
    total_columns,
    votes_schema,
)
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

SCHEMA: Final = "label-schema.json"
Save = Callable[[pa.Table, Path], None]
Load = Callable[[Path, pa.Schema], pa.Table]


def write_csv(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write ``votes.csv`` and, with marks, ``marks.csv``."""
    _write(data, out, options, notes, "csv", lambda table, path: pacsv.write_csv(table, path))


def write_parquet(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write ``votes.parquet`` and, with marks, ``marks.parquet``."""
    _write(data, out, options, notes, "parquet", lambda table, path: pq.write_table(table, path))


def _write(
    data: TrainingSet, out: Path, options: Options, notes: Notes, suffix: str, save: Save
) -> None:
    out.mkdir(exist_ok=True)
    chosen = pc.is_in(data.subjects["split"], value_set=pa.array(options.splits))
    table = data.subjects
    clash = [name for name in votes_schema(data.schema).names[1:] if name in table.column_names]
    if clash:
        raise BadInput(f"label column {clash[0]!r} has the name of another column; rename it")
    for name in votes_schema(data.schema).names[1:]:
        table = table.append_column(data.votes.schema.field(name), data.votes[name])
    table = table.filter(chosen)
    save(table, out / f"votes.{suffix}")
    marks = chosen_marks(data, options, notes)
    if marks is not None:
        within = pc.is_in(marks["subject_id"], value_set=table["subject_id"].combine_chunks())
        save(marks.filter(within), out / f"marks.{suffix}")
    text = json.dumps(data.schema.to_json(), indent=2, ensure_ascii=False)
    (out / SCHEMA).write_text(text + "\n", encoding="utf-8")
    for row in range(len(data)):
        if chosen[row].as_py() and data.has_image(row):
            image = data.image_path(row)
            place(image, out / "images" / image.name, options.images)
    note_lost(data, notes, "masks")


def read_csv(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read what `write_csv` wrote."""
    return _read(path, notes, "csv", _load_csv)


def read_parquet(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read what `write_parquet` wrote."""
    return _read(
        path, notes, "parquet", lambda file, schema: pq.read_table(file, columns=schema.names)
    )


def _load_csv(file: Path, schema: pa.Schema) -> pa.Table:
    return pacsv.read_csv(
        file,
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=schema,
            include_columns=schema.names,
            null_values=[""],
            # Unquoted nothing is null, "" is empty text, as the writer wrote them.
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _read(path: Path, notes: Notes, suffix: str, load: Load) -> Draft:
    file = path / f"votes.{suffix}"
    if not file.is_file() or not (path / SCHEMA).is_file():
        raise BadInput(
            f"{path}: expected votes.{suffix} and {SCHEMA}; a CSV of votes from elsewhere is "
            "read by `zooassist export training-set`"
        )
    schema = LabelSchema.from_json(read_json(path / SCHEMA))
    counted = votes_schema(schema)
    fields = pa.schema([*SUBJECTS_SCHEMA, *list(counted)[1:]])
    try:
        table = load(file, fields).cast(fields)
        marks = path / f"marks.{suffix}"
        drawn = load(marks, MARKS_SCHEMA).cast(MARKS_SCHEMA) if marks.is_file() else None
    except (pa.ArrowInvalid, pa.ArrowKeyError, ValueError) as error:
        raise BadInput(f"{path}: a table is not as the label schema says: {error}") from error
    draft = Draft(schema, sources=[Source.of(file)])
    for row in table.to_pylist():
        add_subject(draft, _subject(row, path, notes), file)
        draft.votes[row["subject_id"]] = [row[name] for name in schema.columns]
        draft.totals[row["subject_id"]] = [row[name] for name in total_columns(schema)]
    if drawn is not None:
        draft.marks = drawn.to_pylist()
        draft.sources.append(Source.of(path / f"marks.{suffix}"))
    return draft


def _subject(row: dict[str, Any], path: Path, notes: Notes) -> SubjectRow:
    image = None if row["image"] is None else inside(path, row["image"])
    notes.add("images are not there", row["image"] is not None and image is None)
    return SubjectRow(
        row["subject_id"],
        image,
        row["inclusion_probability"],
        json.loads(row["metadata"]),
        row["split"],
    )
