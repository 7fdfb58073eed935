"""What is in a Panoptes classification export, row by row?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.problems import Problem
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
# What an empty cell becomes on its way through R or a spreadsheet.
BLANK: Final = frozenset({"", "NA", "NaN", "nan", "null", "None"})
SHOWN: Final = 60


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
        return _object(self.metadata_text)

    def subject_metadata(self) -> dict[str, Any]:
        """Decode the subject's metadata, without the status that Panoptes adds as ``retired``."""
        found = _object(self.subject_data_text).get(str(self.subject_id))
        if not isinstance(found, dict):
            return {}
        return {key: value for key, value in found.items() if key != "retired"}

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


def _object(text: str) -> dict[str, Any]:
    if text in BLANK:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _annotation(entry: Mapping[str, Any]) -> Annotation:
    mark = entry.get("markIndex")
    kind = entry.get("taskType", entry.get("task_type"))
    return Annotation(
        task=str(entry["task"]),
        value=entry.get("value"),
        task_type=None if kind is None else str(kind),
        mark_index=mark if isinstance(mark, int) else None,
    )


class _Broken(ValueError):
    """Why a row cannot be used: cause and detail."""

    def __init__(self, cause: str, detail: str) -> None:
        self.cause, self.detail = cause, detail
        super().__init__(detail)


class ClassificationFile:
    """A classification export, opened for one pass; a context manager.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or ``.csv.gz``; ``-`` is standard input.

    Raises
    ------
    BadInput
        When the file is no classification export; a missing column is named.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = ExportFile(path, REQUIRED, "classification export")
        self._at = {name: self.file.index(name) for name in (*REQUIRED, *OPTIONAL)}

    def __enter__(self) -> ClassificationFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.file.__exit__(None, None, None)

    def rows(self) -> Iterator[ExportRow | Problem]:
        """Yield each row, or the problem that kept it from being read; memory stays flat."""
        for item in self.file.rows():
            if isinstance(item, Problem):
                yield item
                continue
            number, cells = item
            try:
                yield self._row(number, cells)
            except _Broken as broken:
                yield Problem(
                    f"row {number}",
                    broken.cause,
                    broken.detail,
                    "the row was left out; correct it, or download the file again",
                )

    def _row(self, number: int, cells: list[str]) -> ExportRow:
        user_name, user_id = self._cell(cells, "user_name"), self._cell(cells, "user_id")
        return ExportRow(
            row=number,
            classification_id=self._integer(cells, "classification_id"),
            workflow_id=self._integer(cells, "workflow_id"),
            workflow_version=self._cell(cells, "workflow_version"),
            subject_id=self._subject(cells),
            user=user_id or user_name or self._cell(cells, "user_ip"),
            user_id=int(user_id) if user_id.isdecimal() else None,
            user_name=user_name,
            created_at=_time(self._cell(cells, "created_at")),
            gold_standard=self._cell(cells, "gold_standard").lower() in ("true", "1"),
            annotations=_annotations(self._cell(cells, "annotations")),
            metadata_text=self._cell(cells, "metadata"),
            subject_data_text=self._cell(cells, "subject_data"),
        )

    def _cell(self, cells: list[str], column: str) -> str:
        at = self._at[column]
        if at is None:
            return ""
        text = cells[at]
        return "" if text in BLANK else text

    def _integer(self, cells: list[str], column: str) -> int:
        text = self._cell(cells, column)
        try:
            return int(text)
        except ValueError:
            raise _Broken(f"bad {column}", f"expected a whole number, got {_shown(text)}") from None

    def _subject(self, cells: list[str]) -> int:
        text = self._cell(cells, "subject_ids")
        if ";" in text:
            raise _Broken(
                "several subjects in one classification",
                f"expected one subject id, got {_shown(text)}; votes on a group belong to none",
            )
        return self._integer(cells, "subject_ids")


def _annotations(text: str) -> list[dict[str, Any]]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _Broken(
            "annotations are not JSON", f"expected a JSON list, got {_shown(text)} ({error})"
        ) from None
    if not isinstance(value, list):
        raise _Broken("annotations are not a list", f"expected a JSON list, got {_shown(text)}")
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("task"), str):
            raise _Broken(
                "annotation without a task",
                f'expected objects with a "task", got {_shown(orjson.dumps(entry).decode())}',
            )
    return value


def _time(text: str) -> datetime:
    """Read ``2026-06-01 10:01:00 UTC`` (or ISO 8601); no zone means UTC."""
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise _Broken(
            "bad created_at", f"expected 'YYYY-MM-DD HH:MM:SS UTC', got {_shown(text)}"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


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
