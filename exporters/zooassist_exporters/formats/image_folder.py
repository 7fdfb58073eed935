"""How is a training set written as a folder of pictures per class, and read back?

``<split>/<class>/<subject id>.<suffix>``: the class is the majority's answer to one question.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import numpy as np

from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import note_lost, place
from zooassist_exporters.formats.reading import (
    SPLIT_FOLDERS,
    add_subject,
    image_files,
    name_to_split,
    stem_to_subject,
)
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question

QUESTION: Final = "label"
# What some file system or shell does not take in a name.
UNSAFE: Final = frozenset('%/\\:*?"<>|')
LONGEST: Final = 200


def write_image_folder(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write each image into the folder of its majority's answer; the first of equals wins."""
    question = chosen_question(data.schema, options.question)
    folders = answers_to_folders([answer.label for answer in question.answers])
    for name in options.splits:
        for folder in folders:
            (out / SPLIT_FOLDERS[name] / folder).mkdir(parents=True)
    for row, answer in enumerate(majority(data, question)):
        split: Split = data.subjects["split"][row].as_py()
        if split not in options.splits:
            continue
        if not data.has_image(row):
            notes.add("subjects left out: they have no image")
        elif answer is None:
            notes.add(f"subjects left out: no votes on {question.name!r}")
        else:
            image = data.image_path(row)
            place(image, out / SPLIT_FOLDERS[split] / folders[answer] / image.name, options.images)
    notes.add("other questions left out", len(data.schema.questions) - 1)
    note_lost(data, notes, "sampling", "shapes", "masks")


def chosen_question(schema: LabelSchema, name: str | None) -> Question:
    """Return the question of that name, or the only one.

    Raises
    ------
    BadInput
        When none is named and there is not exactly one.
    """
    if name is not None:
        return schema.question(name)
    if len(schema.questions) != 1:
        known = ", ".join(question.name for question in schema.questions) or "none"
        raise BadInput(f"choose the question to sort by with --question; the set has: {known}")
    return schema.questions[0]


def majority(data: TrainingSet, question: Question) -> list[int | None]:
    """Return each subject's most chosen answer, the first of equals; None without any vote."""
    counts = data.counts[:, data.schema.slices[question.name]]
    best = np.argmax(counts, axis=1) if len(data) else np.zeros(0, dtype=np.int64)
    return [
        int(answer) if counts[row, answer] > 0 else None for row, answer in enumerate(best.tolist())
    ]


def answers_to_folders(labels: list[str]) -> list[str]:
    """Return a folder name per answer: its text, with what is unsafe in names percent-encoded.

    Answers that a file system may take for the same, and those too long for a name, get their
    index in front.
    """
    names = [_encoded(label) for label in labels]
    seen: dict[str, int] = {}
    for name in names:
        key = unicodedata.normalize("NFKC", name).casefold()
        seen[key] = seen.get(key, 0) + 1
    folders = []
    for index, name in enumerate(names):
        alone = seen[unicodedata.normalize("NFKC", name).casefold()] == 1
        short = len(name.encode()) <= LONGEST
        folders.append(name if name and alone and short else f"{index}%20{_shortened(name)}")
    return folders


def folder_to_label(folder: str) -> str:
    """Return the answer that a folder is named after."""
    return unquote(folder)


def _encoded(label: str) -> str:
    last = len(label) - 1
    return "".join(
        "".join(f"%{byte:02X}" for byte in character.encode())
        if character in UNSAFE
        or not character.isprintable()
        or (character in ". ~" and place in (0, last))
        else character
        for place, character in enumerate(label)
    )


def _shortened(name: str) -> str:
    return name.encode()[:LONGEST].decode(errors="ignore").rpartition("%")[0] or "answer"


def read_image_folder(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read ``<split>/<class>/`` or ``<class>/``: each image counts as one vote for its class.

    Raises
    ------
    BadInput
        When there is no folder of images.
    """
    folders = sorted(each for each in path.iterdir() if each.is_dir()) if path.is_dir() else []
    splits = [(name_to_split(each.name), each) for each in folders]
    found: list[tuple[Split | None, Path]] = []
    if splits and all(split is not None for split, _ in splits):
        found = [
            (split, each)
            for split, folder in splits
            for each in sorted(folder.iterdir())
            if each.is_dir()
        ]
    else:
        found = [(None, folder) for folder in folders if image_files(folder)]
    if not found:
        raise BadInput(f"{path}: expected folders named after classes, or train/, val/ and test/")
    labels = sorted({folder_to_label(folder.name) for _, folder in found})
    answers = tuple(
        Answer(label, index, f"{QUESTION}_{label}") for index, label in enumerate(labels)
    )
    draft = Draft(LabelSchema((Question(QUESTION, "", "single", (), answers),)))
    for split, folder in found:
        vote = [int(label == folder_to_label(folder.name)) for label in labels]
        for image in image_files(folder):
            subject_id = stem_to_subject(image.stem)
            add_subject(draft, SubjectRow(subject_id, image, split=split), image)
            draft.votes[subject_id] = vote
    return draft
