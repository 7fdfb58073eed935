"""What does the text of one cell of a classification export mean?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from zooassist_exporters.cells import shown

# What an empty cell becomes on its way through R or a spreadsheet.
BLANK: Final = ("", "NA", "NaN", "nan", "null", "None")
MOST_ID: Final = 2**63


class BadCell(ValueError):
    """Why a row cannot be used: cause and detail."""

    def __init__(self, cause: str, detail: str) -> None:
        self.cause, self.detail = cause, detail
        super().__init__(detail)


def filled(text: str) -> str:
    """Return the text of a cell, "" for what stands for no value."""
    return "" if text in BLANK else text


def whole_number(text: str, column: str) -> int:
    """Read an id.

    Raises
    ------
    BadCell
        For anything else: ``91178981.0`` is what a spreadsheet makes of an id.
    """
    try:
        number = int(filled(text))
    except ValueError:
        number = -1
    if not 0 <= number < MOST_ID:
        raise BadCell(f"bad {column}", f"expected a whole number, got {shown(filled(text))}")
    return number


def subject_number(text: str) -> int:
    """Read the id of the one subject that was classified.

    Raises
    ------
    BadCell
        When there is none, or several: ``7;8`` is a group or a pair to compare.
    """
    if ";" in text:
        raise BadCell(
            "several subjects in one classification",
            f"expected one subject id, got {shown(text)}; votes on a group belong to none",
        )
    return whole_number(text, "subject_ids")


def moment(text: str) -> datetime:
    """Read ``2026-06-01 10:01:00 UTC`` (or ISO 8601); no zone means UTC.

    Raises
    ------
    BadCell
        For any other way to write a time: there is no telling 1/6 from 6/1.
    """
    try:
        found = datetime.fromisoformat(filled(text).removesuffix(" UTC"))
    except ValueError:
        detail = f"expected 'YYYY-MM-DD HH:MM:SS UTC', got {shown(filled(text))}"
        raise BadCell("bad created_at", detail) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def annotation_list(text: str) -> list[dict[str, Any]]:
    """Read the annotations of a classification: objects that name their task.

    Raises
    ------
    BadCell
        When they are not JSON, hold a number that JSON does not have, or are something else.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _not_json(filled(text), error) from None
    if not isinstance(value, list):
        detail = f"expected a JSON list, got {shown(text)}"
        raise BadCell("annotations are not a list", detail)
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("task"), str):
            raise BadCell(
                "annotation without a task",
                f'expected objects with a "task", got {shown(orjson.dumps(entry).decode())}',
            )
    return value


def _not_json(text: str, error: orjson.JSONDecodeError) -> BadCell:
    """Tell NaN and Infinity, which Python and R write, from what is broken in another way."""
    foreign: list[str] = []
    try:
        json.loads(text, parse_constant=foreign.append)
    except (ValueError, RecursionError):
        foreign.clear()
    if foreign:
        detail = f"expected JSON numbers, got {foreign[0]} in {shown(text)}"
        return BadCell("NaN in annotations", detail)
    detail = f"expected a JSON list, got {shown(text)} ({error})"
    return BadCell("annotations are not JSON", detail)


def json_object(text: str) -> dict[str, Any]:
    """Read a JSON object; {} when the cell is blank or holds something else."""
    if text in BLANK:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def subject_metadata(text: str, subject_id: int) -> dict[str, Any]:
    """Read a subject's metadata out of `subject_data`, without the status that Panoptes adds."""
    found = json_object(text).get(str(subject_id))
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if key != "retired"}


def is_retired(text: str, subject_id: int) -> bool:
    """Whether `subject_data` says that the subject is retired in this workflow."""
    found = json_object(text).get(str(subject_id))
    status = found.get("retired") if isinstance(found, dict) else None
    return isinstance(status, dict) and status.get("retired_at") is not None
