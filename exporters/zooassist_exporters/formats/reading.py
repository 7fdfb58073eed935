"""How are subjects, splits and marks recognised in files that came from elsewhere?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.formats.format import Draft
from zooassist_exporters.image_check import ALSO_CALLED, SUFFIXES
from zooassist_exporters.splits import SPLITS, Split
from zooassist_exporters.training_set import SubjectRow
from zooassist_exporters.votes_csv import subject_id_of
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import Shape

IMAGE_SUFFIXES: Final = (*SUFFIXES, *ALSO_CALLED)
SPLIT_NAMES: Final[dict[str, Split]] = {
    **{name: name for name in SPLITS},
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "training": "train",
    "testing": "test",
}
# What other tools call the splits.
SPLIT_FOLDERS: Final[dict[Split, str]] = {"train": "train", "validation": "val", "test": "test"}
MOST_ID: Final = 2**63 - 1


def stem_to_subject(stem: str) -> int:
    """Return the subject of a file name: a number is its id, of any other name one is made."""
    number = int(stem) if re.fullmatch(r"\d{1,19}", stem, re.ASCII) else MOST_ID + 1
    return number if number <= MOST_ID else subject_id_of(stem)


def stem_to_frame(stem: str) -> tuple[int, int]:
    """Return subject and frame of a file name of ours: ``12`` is frame 0, ``12_1`` frame 1.

    Only for files that stand beside an image: an image ``2007_27`` of others is a subject itself.
    """
    match = re.fullmatch(r"(\d{1,19})_([1-9]\d{0,4})", stem, re.ASCII)
    return (stem_to_subject(match[1]), int(match[2])) if match else (stem_to_subject(stem), 0)


def name_to_split(name: str) -> Split | None:
    """Return the split that a file or folder is named after: ``val``, ``train2017``."""
    word = re.match(r"[a-z]*", name.lower())
    return SPLIT_NAMES.get(word[0]) if word else None


def inside(folder: Path, name: str) -> Path | None:
    """Return the file of that name in a folder, None when it is absent or outside of the folder.

    Names come from strangers' files and must not make us read the reader's own.
    """
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) and path.is_file() else None


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder, by name; none when there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def image_of_stem(folder: Path, stem: str) -> Path | None:
    """Return the image of that name whatever its suffix."""
    return next((found for end in IMAGE_SUFFIXES if (found := inside(folder, stem + end))), None)


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the content of a JSON file.

    Raises
    ------
    BadInput
        When it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BadInput(f"{path}: expected JSON, got: {error}") from error


def mark_row(
    subject_id: int,
    frame: int,
    label: str,
    shape: Shape,
    tool_index: int = 0,
    known: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a row of ``marks.parquet`` for a shape of unknown origin, apart from what is known."""
    return {
        "subject_id": subject_id,
        "frame": frame,
        "task": "",
        "tool_index": tool_index,
        "tool_type": shape.tool_type,
        "tool_label": None,
        "label": label,
        "geometry": json.dumps(shape.model_dump(exclude={"tool_type"}), separators=(",", ":")),
        "count": None,
        "agreement": None,
        "action": None,
        "classification_id": None,
    } | dict(known or {})


def add_subject(draft: Draft, row: SubjectRow, where: Path) -> None:
    """Add a subject; one that was there before is refused.

    Raises
    ------
    BadInput
        When two files stand for one subject.
    """
    if row.subject_id in draft.subjects:
        raise BadInput(
            f"{where}: subject {row.subject_id} was there before; two files have one name, or one "
            "subject is in two splits: rename or remove one"
        )
    draft.subjects[row.subject_id] = row


def one_of(path: Path, names: Iterable[str], what: str) -> Path:
    """Return the first of several files that exists in a folder.

    Raises
    ------
    BadInput
        When none does.
    """
    wanted = list(names)
    found = next((path / name for name in wanted if (path / name).exists()), None)
    if found is None:
        raise BadInput(f"{path}: expected {what}: {' or '.join(wanted)}; found neither")
    return found
