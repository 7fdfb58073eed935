"""How is a training set written as the catalogues of Zoobot and KaDE, and read back?

Both want a CSV with ``id_str``, ``file_loc`` and the label columns, with zeros where a question was
not asked. Zoobot gets one per split, with the totals; KaDE one for all, as it splits by itself.
``schema.json`` holds the questions in Zoobot's form, and in ours under a key of its own.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import note_lost, place
from zooassist_exporters.formats.reading import (
    SPLIT_FOLDERS,
    add_subject,
    inside,
    name_to_split,
    read_json,
    stem_to_subject,
)
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_exporters.training_set_layout import total_columns
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

ID: Final = "id_str"
FILE: Final = "file_loc"
SCHEMA: Final = "schema.json"
CATALOGUE: Final = "catalogue.csv"
OWN: Final = "label_schema"
IMAGES: Final = "images"


def write_zoobot(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write ``train_catalogue.csv``, ``val_catalogue.csv`` and ``test_catalogue.csv``."""
    columns = [*data.schema.columns, *total_columns(data.schema)]
    names = {split: f"{SPLIT_FOLDERS[split]}_{CATALOGUE}" for split in options.splits}
    _write(data, out, options, notes, columns, names)


def write_kade(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write ``catalogue.csv``."""
    names = dict.fromkeys(options.splits, CATALOGUE)
    _write(data, out, options, notes, list(data.schema.columns), names)
    several = [question for question in data.schema.questions if question.type == "multiple"]
    notes.add("totals left out of questions with several answers", len(several))


def _write(
    data: TrainingSet,
    out: Path,
    options: Options,
    notes: Notes,
    columns: list[str],
    names: dict[Split, str],
) -> None:
    out.mkdir(exist_ok=True)
    content = schema_to_zoobot(data.schema, notes)
    text = json.dumps(content | {OWN: data.schema.to_json()}, indent=2, ensure_ascii=False)
    (out / SCHEMA).write_text(text + "\n", encoding="utf-8")
    splits = data.subjects["split"].to_pylist()
    with ExitStack() as stack:
        writers = {}
        for name in sorted(set(names.values())):
            stream = stack.enter_context((out / name).open("w", encoding="utf-8", newline=""))
            # Rows end as RFC 4180 has it: only then does Python quote a carriage return.
            writers[name] = csv.writer(stream)
            writers[name].writerow([ID, FILE, *columns])
        table = data.votes.select(columns)
        for row, subject_id in enumerate(data.subject_ids.tolist()):
            if splits[row] not in options.splits:
                continue
            if not data.has_image(row):
                notes.add("subjects left out: they have no image")
                continue
            image = data.image_path(row)
            place(image, out / IMAGES / image.name, options.images)
            where = file_location(image, options)
            counts = [table[name][row].as_py() for name in columns]
            writers[names[splits[row]]].writerow([subject_id, where, *counts])
    note_lost(data, notes, "sampling", "shapes", "masks")


def file_location(image: Path, options: Options) -> str:
    """Return what a catalogue calls an image: behind the prefix, else by its full path.

    Zoobot opens it as it is, from whatever folder it runs in.
    """
    if options.prefix is not None:
        return f"{options.prefix.rstrip('/')}/{image.name}"
    if options.images == "none" or options.out is None:
        return str(image.absolute())
    return str(options.out.absolute() / IMAGES / image.name)


def schema_to_zoobot(schema: LabelSchema, notes: Notes) -> dict[str, Any]:
    """Return Zoobot's question-answer pairs and dependencies.

    Raises
    ------
    BadInput
        When a label column does not begin with its question's name, as Zoobot's columns do.
    """
    pairs: dict[str, list[str]] = {}
    dependencies: dict[str, str | None] = {}
    for question in schema.questions:
        wrong = [name for name in question.columns if not name.startswith(question.name)]
        if wrong:
            raise BadInput(
                f"label column {wrong[0]!r}: Zoobot wants it to begin with its question's name, "
                f"{question.name!r}"
            )
        pairs[question.name] = [name[len(question.name) :] for name in question.columns]
        parents = question.asked_after
        dependencies[question.name] = parents[0] if len(parents) == 1 else None
        notes.add(
            "questions asked after several answers: Zoobot takes them as roots", len(parents) > 1
        )
    return {"question_answer_pairs": pairs, "dependencies": dependencies}


def read_catalogues(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read a folder of catalogues with ``schema.json``, or one catalogue beside it.

    Raises
    ------
    BadInput
        When the schema, a column, or all catalogues are missing, or a count is no whole number.
    """
    folder = path if path.is_dir() else path.parent
    files = sorted(folder.glob(f"*{CATALOGUE}")) if path.is_dir() else [path]
    if not files or not (folder / SCHEMA).is_file():
        raise BadInput(
            f"{path}: expected {CATALOGUE} or train_{CATALOGUE}, and {SCHEMA} beside it; "
            "a catalogue without can be read by `zooassist export training-set CATALOGUE`"
        )
    draft = Draft(zoobot_to_schema(read_json(folder / SCHEMA), folder / SCHEMA))
    for file in files:
        split = name_to_split(file.stem)
        with file.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                _read_row(row, file, folder, split, draft, notes)
        draft.sources.append(Source.of(file))
    return draft


def _read_row(
    row: dict[str, str], file: Path, folder: Path, split: Split | None, draft: Draft, notes: Notes
) -> None:
    totals = total_columns(draft.schema)
    try:
        counts = [int(row[name]) for name in draft.schema.columns]
        subject_id = stem_to_subject(row[ID])
        location = row[FILE]
        if all(name in row for name in totals):
            draft.totals[subject_id] = [int(row[name]) for name in totals]
    except (KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"{file}: expected {ID}, {FILE} and whole numbers in the label columns of {SCHEMA}; "
            f"problem: {error} in the row of {row.get(ID)!r}"
        ) from error
    image = inside(folder, location) or inside(folder / IMAGES, Path(location).name)
    notes.add("images are not there", image is None)
    add_subject(draft, SubjectRow(subject_id, image, split=split), file)
    draft.votes[subject_id] = counts


def zoobot_to_schema(content: Any, file: Path) -> LabelSchema:  # noqa: ANN401 - JSON is anything
    """Return the label schema: ours where it is there, else of Zoobot's pairs.

    Raises
    ------
    BadInput
        When the file holds neither.
    """
    if isinstance(content, dict) and OWN in content:
        return LabelSchema.from_json(content[OWN])
    try:
        questions: Sequence[dict[str, Any]] = [
            {
                "name": name,
                "task": "",
                "type": "single",
                "asked_after": [parent] if (parent := content["dependencies"].get(name)) else [],
                "answers": [
                    {"label": part.lstrip("_"), "index": index, "column": f"{name}{part}"}
                    for index, part in enumerate(parts)
                ],
            }
            for name, parts in content["question_answer_pairs"].items()
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{file}: expected question_answer_pairs and dependencies; problem at {error}"
        ) from error
    return LabelSchema.from_json({"questions": questions})
