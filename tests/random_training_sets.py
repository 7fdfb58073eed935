"""Random training sets, and what of one can be compared with another."""

import hashlib
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from zooassist_exporters.splits import SPLITS
from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.shapes import TOOL_TYPES

# Names as projects have them: spaces, other scripts, right to left, emoji, markup, quotes, and
# what CSV, XML, YAML and file systems take for something else.
NAMES = (
    "star",
    "Star",
    "two words",
    "ärgerlich",
    "星雲",
    "مجرة",
    "🌌 galaxy",
    "a/b\\c",
    "<b>bold</b> & \"quoted\" 'single'",
    "yes: no # maybe",
    "- list",
    "null",
    "1e3",
    "",
    " ",
    "tab\there",
    "line\nbreak",
    "carriage\rreturn",
    "comma, semicolon; pipe|",
    "…%20.",
    "con.",
    "\x07bell",
    "é",
    "e\u0301",
    "a" * 300,
)

SHAPE = ("subject_id", "frame", "label", "tool_type")


@dataclass
class Given:
    """What was asked to be written."""

    rows: list
    votes: np.ndarray
    totals: np.ndarray
    schema: LabelSchema
    marks: list | None = None
    masks: dict | None = None
    mask_classes: dict = field(default_factory=dict)


def random_set(folder: Path, seed: int, **kinds) -> Path:
    """Write the training set of a seed into `folder` and return it."""
    given = random_given(folder, random.Random(seed), **kinds)
    return write_training_set(
        folder / "set",
        given.rows,
        given.votes,
        given.schema,
        totals=given.totals,
        marks=None
        if given.marks is None
        else pa.Table.from_pylist(given.marks, schema=MARKS_SCHEMA),
        masks=given.masks,
        mask_classes=given.mask_classes,
    )


def random_given(folder, rng, marks=None, masks=None) -> Given:
    ids = rng.sample(range(1, 50), rng.randrange(5)) + rng.sample([2**40 + 7, 2**62, 99_999_999], 1)
    ids = ids[: rng.randrange(len(ids) + 1)]
    schema = random_schema(rng)
    rows, sizes = [], {}
    for subject_id in ids:
        size = (rng.randint(1, 14), rng.randint(1, 14))
        path = None
        if rng.random() < 0.8:
            path = folder / f"{subject_id}.{rng.choice(['png', 'PNG', 'gif'])}"
            pixels = [rng.randrange(256) for _ in range(size[0] * size[1])]
            Image.fromarray(np.array(pixels, np.uint8).reshape(size[1], size[0])).save(path)
        sizes[subject_id] = size
        rows.append(
            SubjectRow(
                subject_id,
                path,
                rng.choice([1.0, 0.25, 1 / 3]),
                {rng.choice(NAMES): rng.choice([*NAMES, None, 1.5, 2**70, ["a"], {"b": []}])},
                rng.choice([*SPLITS, None]),
            )
        )
    votes, totals = random_votes(rng, schema, len(ids))
    given = Given(rows, votes, totals, schema)
    if ids and (rng.random() < 0.7 if marks is None else marks):
        given.marks = [
            random_mark(rng, subject_id) for subject_id in ids for _ in range(rng.randrange(5))
        ]
    if ids and (rng.random() < 0.4 if masks is None else masks):
        names = [name for name in rng.sample(NAMES, 3) if name]
        given.mask_classes = dict(zip(rng.sample(range(1, 256), len(names)), names, strict=True))
        given.masks = {
            (subject_id, frame): random_maps(
                rng,
                folder / f"map_{subject_id}_{frame}.png",
                sizes[subject_id] if frame == 0 else (rng.randint(1, 9), rng.randint(1, 9)),
                [*given.mask_classes, rng.randrange(1, 256)],
            )
            for subject_id in ids
            for frame in range(3)
            if rng.random() < 0.5
        }
    return given


def random_schema(rng) -> LabelSchema:
    questions, columns = [], []
    for number in range(rng.randrange(4)):
        labels = rng.sample(NAMES, rng.randint(1, 4))
        answers = tuple(
            Answer(label, index, f"q{number}_{index}-{rng.choice(NAMES)[:20]}")
            for index, label in enumerate(labels)
        )
        after = tuple(rng.sample(columns, rng.randint(0, min(2, len(columns)))))
        kind = rng.choice(["single", "multiple"])
        questions.append(
            Question(f"q{number}", f"T{number}", kind, after, answers, rng.choice(NAMES))
        )
        columns += [answer.column for answer in answers]
    return LabelSchema(tuple(questions))


def random_votes(rng, schema, rows):
    most = rng.choice([1, 5, 2**31 // 8])
    votes = np.array(
        [[rng.randrange(most + 1) for _ in schema.columns] for _ in range(rows)], dtype=np.int64
    ).reshape(rows, len(schema.columns))
    totals = np.zeros((rows, len(schema.questions)), dtype=np.int64)
    for place, question in enumerate(schema.questions):
        part = votes[:, schema.slices[question.name]]
        single = question.type == "single"
        more = np.array([rng.randrange(3) for _ in range(rows)], dtype=np.int64)
        totals[:, place] = part.sum(axis=1) if single else part.max(axis=1, initial=0) + more
    return votes, totals


def random_mark(rng, subject_id):
    def pixel():
        return rng.choice([rng.randint(-4, 18), rng.uniform(-4, 18), rng.uniform(0, 10)])

    def extent():
        return abs(pixel())

    tool = rng.choice(tuple(TOOL_TYPES))
    centre = {"x_center": pixel(), "y_center": pixel()}
    geometry = {
        "point": lambda: {"x": pixel(), "y": pixel()},
        "line": lambda: {"x1": pixel(), "y1": pixel(), "x2": pixel(), "y2": pixel()},
        "circle": lambda: centre | {"r": extent()},
        "ellipse": lambda: centre | {"rx": extent(), "ry": extent(), "angle": pixel() * 20},
        "rectangle": lambda: centre | {"width": extent(), "height": extent()},
        "rotateRectangle": lambda: (
            centre | {"width": extent(), "height": extent(), "angle": pixel() * 20}
        ),
        "polygon": lambda: {"points": [[pixel(), pixel()] for _ in range(rng.randint(1, 6))]},
        "freehandLine": lambda: {"points": [[pixel(), pixel()] for _ in range(rng.randint(0, 9))]},
    }[tool]()
    return {
        "subject_id": subject_id,
        "frame": rng.choice([0, 0, 0, 1, 2]),
        "task": rng.choice(["", "T0", "T12"]),
        "tool_index": rng.randrange(4),
        "tool_type": tool,
        "tool_label": rng.choice([None, *NAMES]),
        "label": rng.choice(NAMES),
        "geometry": json.dumps(geometry),
        "count": rng.choice([None, 1, 40]),
        "agreement": rng.choice([None, 0.0, 1 / 3]),
        "action": rng.choice([None, "kept", "edited", "added"]),
        "classification_id": rng.choice([None, 2**40 + 1]),
    }


def random_maps(rng, path, size, numbers):
    width, height = size
    labels = [rng.choice([0, 0, *numbers]) for _ in range(width * height)]
    labels = np.array(labels, np.uint8).reshape(height, width)
    Image.fromarray(labels).save(path)
    if rng.random() < 0.6:
        choice = [0, 1, 2, 65_535]
        instances = np.array([rng.choice(choice) for _ in range(width * height)], np.uint16)
        instances = np.where(labels > 0, instances.reshape(height, width), 0).astype(np.uint16)
        Image.fromarray(instances).save(path.with_name(f"{path.stem}.instances.png"))
    if rng.random() < 0.5:
        Image.fromarray(labels // 2).save(path.with_name(f"{path.stem}.agreement.png"))
    return path


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image).tolist()


def parts_of(path_or_data) -> dict:
    """Return the parts of a training set, as `zooassist_exporters.formats.format.PARTS` has it."""
    data = read_training_set(path_or_data) if isinstance(path_or_data, Path) else path_or_data
    ids = data.subject_ids.tolist()
    rows = [] if data.marks is None else data.marks.to_pylist()
    masks = [] if data.masks is None else data.masks.to_pylist()
    places = [(row["subject_id"], row["frame"]) for row in masks]
    return {
        "subjects": ids,
        "splits": dict(zip(ids, data.subjects["split"].to_pylist(), strict=True)),
        "images": {
            subject_id: hashlib.sha256(data.image_path(row).read_bytes()).hexdigest()
            for row, subject_id in enumerate(ids)
            if data.has_image(row)
        },
        "frames": sorted({(row["subject_id"], row["frame"]) for row in rows} | set(places)),
        "votes": {
            each: (counts, totals)
            for each, counts, totals in zip(
                ids, data.counts.tolist(), data.totals.tolist(), strict=True
            )
        },
        "questions": data.schema.to_json(),
        "sampling": dict(zip(ids, data.inclusion_probability.tolist(), strict=True)),
        "metadata": {subject_id: data.metadata(row) for row, subject_id in enumerate(ids)},
        "shapes": [(*(row[key] for key in SHAPE), json.loads(row["geometry"])) for row in rows],
        "mark details": [
            {key: value for key, value in row.items() if key not in (*SHAPE, "geometry")}
            for row in rows
        ],
        "masks": {place: pixels(data.mask_path(*place)) for place in places},
        "instances": {
            place: pixels(data.mask_path(*place, "instances"))
            for place in places
            if data.has_mask(*place, "instances")
        },
        "agreement": {
            place: pixels(data.mask_path(*place, "agreement"))
            for place in places
            if data.has_mask(*place, "agreement")
        },
        "classes": data.mask_classes,
    }
