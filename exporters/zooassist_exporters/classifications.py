"""What is in a Panoptes classification export, row by row?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.cell_values import (
    BadCell,
    annotation_list,
    filled,
    json_object,
    moment,
    subject_metadata,
    subject_number,
    whole_number,
)
from zooassist_exporters.cells import BrokenRow, Cells, read_cells
from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.problems import Problem
from zooassist_exporters.row_chunks import CHUNK, RowShape, row_chunks
from zooassist_plugin.records import Annotation, Classification

REQUIRED: Final = (
    "classification_id",
    "user_name",
    "workflow_id",
    "workflow_version",
    "created_at",
    "annotations",
    "subject_ids",
)
OPTIONAL: Final = ("user_id", "user_ip", "gold_standard", "metadata", "subject_data")
COLUMNS: Final = (*REQUIRED, *OPTIONAL)
ID: Final = "classification_id"
TRUE: Final = ("true", "1")
FIRST_ROW: Final = 2  # as in a spreadsheet: the header is row 1


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One classification as exported: the cells every rule needs are decoded, the others are text.

    Attributes
    ----------
    row : int
        Row number in the file; the header is row 1.
    user : str
        Tells volunteers apart within this file: user id, else name (an anonymous volunteer's
        name is a hash that changes with every export), else address hash; "" when unknown.
    annotations : list of dict
        As exported, in the dialect of the classifier that made it.
    metadata_text, subject_data_text : str
        Undecoded JSON.
    """

    row: int
    classification_id: int
    workflow_id: int
    workflow_version: str
    subject_id: int
    user: str
    user_id: int | None
    user_name: str
    created_at: datetime
    gold_standard: bool
    annotations: list[dict[str, Any]]
    metadata_text: str
    subject_data_text: str

    def metadata(self) -> dict[str, Any]:
        """Decode the classification's metadata; {} when it is blank or not an object."""
        return json_object(self.metadata_text)

    def subject_metadata(self) -> dict[str, Any]:
        """Decode the subject's metadata, without the status that Panoptes adds as ``retired``."""
        return subject_metadata(self.subject_data_text, self.subject_id)

    def to_record(self) -> Classification:
        """Return the row as the record that the rest of zooassist speaks of."""
        return Classification(
            classification_id=self.classification_id,
            workflow_id=self.workflow_id,
            workflow_version=self.workflow_version,
            subject_id=self.subject_id,
            user_id=self.user_id,
            user_name=self.user_name,
            created_at=self.created_at,
            annotations=tuple(_annotation(entry) for entry in self.annotations),
            metadata=self.metadata(),
            gold_standard=self.gold_standard,
        )


def _annotation(entry: Mapping[str, Any]) -> Annotation:
    mark = entry.get("markIndex")
    kind = entry.get("taskType", entry.get("task_type"))
    return Annotation(
        task=str(entry["task"]),
        value=entry.get("value"),
        task_type=None if kind is None else str(kind),
        mark_index=mark if isinstance(mark, int) else None,
    )


class ClassificationFile:
    """A classification export, opened for one pass; a context manager.

    Parameters
    ----------
    path : str or Path
        ``.csv``, also packed as gzip, zstd or zip; ``-`` is standard input.

    Raises
    ------
    BadInput
        When the file is no classification export; a missing column is named.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = ExportFile(path, REQUIRED, "classification export")

    def __enter__(self) -> ClassificationFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.file.__exit__(None, None, None)

    def chunks(self, size: int = CHUNK) -> Iterator[memoryview]:
        """Yield the rows in pieces that can be read apart; a row that was cut off is left out."""
        header = self.file.header
        held = memoryview(b"")
        for chunk in row_chunks(self.file.stream, RowShape(len(header), header.index(ID)), size):
            if held:
                yield held
            held = chunk
        if self.file.cut_off(0) is not None:
            held = held[: bytes(held).rfind(b"\n") + 1]
        if held:
            yield held

    def cells(self, chunk: memoryview) -> Cells:
        """Split a piece into cells."""
        return read_cells(chunk, self.file.header, COLUMNS, ID)

    def rows(self) -> Iterator[ExportRow | Problem]:
        """Yield each row, or the problem that kept it from being read; memory stays flat."""
        first = FIRST_ROW
        for chunk in self.chunks():
            cells = self.cells(chunk)
            broken = sorted(cells.broken, key=lambda row: row.number, reverse=True)
            for number, row in zip(cells.numbers.tolist(), _texts(cells), strict=True):
                while broken and broken[-1].number < number:
                    yield row_problem(broken.pop(), first)
                try:
                    yield _row(first + number, row)
                except BadCell as bad:
                    yield row_problem(BrokenRow(number, bad.cause, bad.detail), first)
            for each in reversed(broken):
                yield row_problem(each, first)
            first += cells.count
        damage = self.file.cut_off(first)
        if damage is not None:
            yield damage


def row_problem(row: BrokenRow, first: int) -> Problem:
    """Describe a row that was left out; `first` is the number of the first row of its piece."""
    return Problem(
        f"row {first + row.number}",
        row.cause,
        row.detail,
        "the row was left out; correct it, or download the file again",
    )


def _texts(cells: Cells) -> Iterator[dict[str, str]]:
    """Yield the cells of each row by column, "" for a column that the file lacks."""
    size = cells.table.num_rows
    present = cells.table.column_names
    columns = [
        cells.table[name].to_pylist() if name in present else [""] * size for name in COLUMNS
    ]
    for row in zip(*columns, strict=True):
        yield dict(zip(COLUMNS, row, strict=True))


def _row(number: int, cell: Mapping[str, str]) -> ExportRow:
    user_name, user_id = filled(cell["user_name"]), filled(cell["user_id"])
    return ExportRow(
        row=number,
        classification_id=whole_number(cell["classification_id"], "classification_id"),
        workflow_id=whole_number(cell["workflow_id"], "workflow_id"),
        workflow_version=filled(cell["workflow_version"]),
        subject_id=subject_number(cell["subject_ids"]),
        user=user_id or user_name or filled(cell["user_ip"]),
        user_id=int(user_id) if user_id.isdecimal() else None,
        user_name=user_name,
        created_at=moment(cell["created_at"]),
        gold_standard=cell["gold_standard"].lower() in TRUE,
        annotations=annotation_list(cell["annotations"]),
        metadata_text=filled(cell["metadata"]),
        subject_data_text=filled(cell["subject_data"]),
    )


def read_classifications(path: str | Path) -> Iterator[Classification | Problem]:
    """Yield the records of a classification export, and a problem for each broken row.

    Raises
    ------
    BadInput
        When the file is no classification export.
    """
    with ClassificationFile(path) as file:
        for item in file.rows():
            yield item if isinstance(item, Problem) else item.to_record()
