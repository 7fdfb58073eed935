"""How is a training set converted to another format and back, whole or not at all?"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from zooassist_exporters.formats import FORMATS
from zooassist_exporters.formats.format import Draft, Format, Notes, Options
from zooassist_exporters.training_set import read_training_set, write_training_set
from zooassist_exporters.training_set_layout import MANIFEST, MARKS_SCHEMA
from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput

ENCODING_TYPE: Final = "zooassist-conversion"
# What a conversion leaves in its output, so that it may be told from a folder that holds more.
RECORD: Final = "conversion.json"


@dataclass(frozen=True)
class Conversion:
    """What was made of how many subjects, and what it lacks: one line per reason, with counts."""

    out: Path
    subjects: int
    notes: tuple[str, ...]


def convert(
    training_set: Path, to: str, out: Path, options: Options, *, overwrite: bool = False
) -> Conversion:
    """Write a training set in another format; nothing shows at `out` until it is whole.

    Raises
    ------
    BadInput
        When there is no such format, the set cannot be read, `out` exists, or the set holds what
        the format has no way to say.
    """
    format_ = format_named(to)
    _check_free(out, overwrite)
    data = read_training_set(training_set)
    notes = Notes()
    with _grown_beside(out) as folder:
        format_.write(data, folder, replace(options, out=out), notes)
        record: dict[str, Any] = {
            "encoding-type": ENCODING_TYPE,
            "encoding-version": "0.1.0",
            "producer": {"name": "zooassist", "version": __version__},
            "format": to,
            "training_set": data.sha256,
            "notes": notes.lines(),
        }
        text = json.dumps(record, indent=2, ensure_ascii=False)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")
    splits = set(options.splits)
    subjects = sum(split in splits for split in data.subjects["split"].to_pylist())
    return Conversion(out, subjects, tuple(notes.lines()))


def convert_back(source: Path, name: str, out: Path, *, overwrite: bool = False) -> Conversion:
    """Make a training set of a folder or file in another format.

    Raises
    ------
    BadInput
        When there is no such format, it holds too little for a training set, or `source` is not
        in it.
    """
    read = format_named(name).read
    if read is None:
        raise BadInput(f"{name} holds too little to make a training set of; it is only written")
    if not source.exists():
        raise BadInput(f"{source}: expected a folder or file in the format {name}, found none")
    notes = Notes()
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=f".{out.name}.") as scratch:
        draft = read(source, Path(scratch), notes)
        _write_draft(draft, name, out, overwrite)
    return Conversion(out, len(draft.subjects), tuple(notes.lines()))


def format_named(name: str) -> Format:
    """Return a format of the table.

    Raises
    ------
    BadInput
        When there is none of that name.
    """
    if name not in FORMATS:
        raise BadInput(f"format {name!r}: expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def _write_draft(draft: Draft, name: str, out: Path, overwrite: bool) -> None:
    rows = list(draft.subjects.values())
    shape = (len(rows), len(draft.schema.columns))
    none = [0] * shape[1]
    votes = np.array(
        [draft.votes.get(row.subject_id, none) for row in rows], dtype=np.int64
    ).reshape(shape)
    totals = None
    if draft.totals:
        totals = np.array(
            [draft.totals.get(row.subject_id, [0] * len(draft.schema.questions)) for row in rows],
            dtype=np.int64,
        ).reshape(len(rows), len(draft.schema.questions))
    write_training_set(
        out,
        rows,
        votes,
        draft.schema,
        totals=totals,
        marks=pa.Table.from_pylist(draft.marks, schema=MARKS_SCHEMA) if draft.marks else None,
        masks=draft.masks if draft.masks or draft.mask_classes else None,
        mask_classes=draft.mask_classes,
        sources=draft.sources,
        options={"converted_from": name},
        overwrite=overwrite,
    )


def _check_free(out: Path, overwrite: bool) -> None:
    if not out.exists():
        return
    if (out / MANIFEST).is_file() or not (out / RECORD).is_file():
        raise BadInput(f"{out}: exists and was not made by `export convert`; choose another --out")
    if not overwrite:
        raise BadInput(f"{out}: exists; choose another --out, or give --overwrite to replace it")


@contextmanager
def _grown_beside(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out` that gets its name when the block ends well."""
    parent = out.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f".{out.name}.partial"
    old = parent / f".{out.name}.old"
    for left in (folder, old):  # by an attempt that was killed
        if left.exists():
            shutil.rmtree(left)
    folder.mkdir()
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder)
        raise
    if out.exists():
        out.rename(old)
    folder.rename(out)
    if old.exists():
        shutil.rmtree(old)
