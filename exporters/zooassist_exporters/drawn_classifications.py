"""What did one volunteer draw on one subject, and what was on the screen?"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from zooassist_exporters.classifications import ExportRow
from zooassist_exporters.extracts.marks import DrawnMark, DrawnTask, MarkAnswer
from zooassist_plugin.shapes import TOOL_TYPES, make_shape

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DrawnClassification:
    """The drawing tasks of one classification.

    Attributes
    ----------
    volunteer : int
        Numbers the volunteers of this file; unknown ones are all different.
    started_at : datetime or None
        By the volunteer's clock.
    seconds : float or None
        From start to Done, by the same clock.
    sizes : tuple
        Natural (width, height) of each frame, None for a frame that was never shown; empty when
        the export does not say.
    """

    classification_id: int
    workflow_version: str
    subject_id: int
    volunteer: int
    created_at: datetime
    started_at: datetime | None
    seconds: float | None
    sizes: tuple[Size | None, ...]
    tasks: tuple[DrawnTask, ...]

    def within(self, tasks: AbstractSet[str]) -> DrawnClassification:
        """Return the same with some of its tasks only."""
        return replace(self, tasks=tuple(task for task in self.tasks if task.task in tasks))

    def size_of(self, frame: int) -> Size | None:
        """Return a frame's natural size, None when it is not known."""
        return self.sizes[frame] if frame < len(self.sizes) else None

    def saw(self, task: str, frame: int) -> bool:
        """Whether the volunteer answered a drawing task with a frame on the screen."""
        if not any(entry.task == task for entry in self.tasks):
            return False
        if frame >= len(self.sizes) or self.sizes[frame] is not None:
            return True
        return any(mark.frame == frame for entry in self.tasks for mark in entry.marks)


def encode(row: ExportRow, volunteer: int, tasks: list[DrawnTask]) -> bytes:
    """Return one classification as JSON, to be laid aside."""
    metadata = row.metadata()
    started, finished = _moment(metadata.get("started_at")), _moment(metadata.get("finished_at"))
    seconds = None if not started or not finished else (finished - started).total_seconds()
    line = [
        row.subject_id,
        row.classification_id,
        row.workflow_version,
        volunteer,
        row.created_at.timestamp(),
        None if started is None else started.timestamp(),
        seconds,
        _sizes(metadata.get("subject_dimensions")),
        [
            [
                task.task,
                [
                    [
                        mark.frame,
                        mark.tool_index,
                        mark.tool_type,
                        mark.tool_label,
                        mark.geometry,
                        [tuple(answer) for answer in mark.answers],
                        mark.subtasks,
                    ]
                    for mark in task.marks
                ],
            ]
            for task in tasks
        ],
    ]
    return orjson.dumps(line)


def decode(record: bytes) -> DrawnClassification:
    """Read back what `encode` wrote."""
    line: list[Any] = orjson.loads(record)
    subject_id, classification_id, version, volunteer, created, started, seconds, sizes, tasks = (
        line
    )
    return DrawnClassification(
        classification_id=classification_id,
        workflow_version=version,
        subject_id=subject_id,
        volunteer=volunteer,
        created_at=datetime.fromtimestamp(created, UTC),
        started_at=None if started is None else datetime.fromtimestamp(started, UTC),
        seconds=seconds,
        sizes=tuple(None if size is None else (size[0], size[1]) for size in sizes),
        tasks=tuple(
            DrawnTask(task, tuple(_decode_mark(task, mark) for mark in marks))
            for task, marks in tasks
        ),
    )


def _decode_mark(task: str, mark: list[Any]) -> DrawnMark:
    frame, tool_index, tool_type, tool_label, geometry, answers, subtasks = mark
    return DrawnMark(
        task=task,
        frame=frame,
        tool_index=tool_index,
        tool_type=tool_type,
        tool_label=tool_label,
        shape=make_shape(tool_type, geometry) if tool_type in TOOL_TYPES else None,
        geometry=geometry,
        answers=tuple(MarkAnswer(key, value, tuple(labels)) for key, value, labels in answers),
        subtasks=tuple(subtasks),
    )


def _moment(value: object) -> datetime | None:
    """Read ``2026-06-01T10:00:00.000Z``; None when it is missing or no time."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _sizes(dimensions: object) -> list[Size | None]:
    """Read ``subject_dimensions``: a size per frame, null for frames that were never shown."""
    if not isinstance(dimensions, list):
        return []
    return [_size(entry) for entry in dimensions]


def _size(entry: object) -> Size | None:
    if not isinstance(entry, Mapping):
        return None
    width, height = entry.get("naturalWidth"), entry.get("naturalHeight")
    if not isinstance(width, int | float) or not isinstance(height, int | float):
        return None
    return (round(width), round(height)) if width > 0 and height > 0 else None
