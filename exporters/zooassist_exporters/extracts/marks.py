"""What did a volunteer draw? The marks of one classification, whichever classifier made it.

The old classifier names a mark's tool by number only and keeps subtask answers inside the mark; the
new one names the tool's type and exports the answers beside the drawing, pointing at the mark's
place. Both come out the same: canonical geometry in natural pixels, answers attached. Marks of
tools that have no canonical shape (bezier, column, fan, ...) keep the geometry they came with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from zooassist_exporters.extracts.combo import members
from zooassist_exporters.extracts.mark_tools import VersionTools
from zooassist_exporters.extracts.seen import COMBO, seen_type
from zooassist_plugin.dialects.classifier_v1 import shape_from_v1, tool_type_of_v1
from zooassist_plugin.dialects.classifier_v2 import shape_from_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import TOOL_TYPES, Shape
from zooassist_plugin.task_text import plain_text

# What a mark says about itself; the rest is its geometry.
_NO_GEOMETRY: Final = frozenset(
    {
        "annotations",
        "closed",
        "auto_closed",
        "details",
        "frame",
        "markId",
        "tool",
        "toolIndex",
        "toolType",
        "tool_label",
    }
)

_words = lru_cache(1024)(plain_text)  # a file has few labels, and many marks of each


class MarkAnswer(NamedTuple):
    """What was answered about a mark.

    Attributes
    ----------
    task : str
        ``T0.1.0``: task, tool, subtask.
    value : int, list, str or None
        As exported: an index, indices, a text, or None when it was left unanswered.
    labels : tuple of str
        The answers' texts, empty when the workflow is not known or the answer is free text.
    """

    task: str
    value: Any
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """One mark as one volunteer drew it.

    Attributes
    ----------
    tool_index : int
        As submitted; of the new classifier it may be lost (0 for every pre-filled mark).
    tool_type : str
        "" when neither the mark nor the workflow tells.
    tool_label : str
        Without markup; "" when neither the mark nor the workflow tells.
    shape : Shape or None
        None for a tool without a canonical shape.
    geometry : mapping
        The parameters of `shape`, or as exported when there is none.
    subtasks : tuple of str
        Subtask keys that the mark lists, answered or not; they name its tool truly.
    """

    task: str
    frame: int
    tool_index: int
    tool_type: str
    tool_label: str
    shape: Shape | None
    geometry: Mapping[str, Any]
    answers: tuple[MarkAnswer, ...] = ()
    subtasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnusableMark:
    """A mark without usable geometry: its place in the annotation, and why."""

    task: str
    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A drawing task as one volunteer left it; without marks it says "nothing here"."""

    task: str
    marks: tuple[DrawnMark, ...] = ()
    unusable: tuple[UnusableMark, ...] = ()


def drawn_tasks(annotations: Sequence[Mapping[str, Any]], tools: VersionTools) -> list[DrawnTask]:
    """Return the drawing tasks that were answered in one classification.

    Without a workflow an empty answer may be that of another type of task; it is returned as a
    drawing task without marks all the same.
    """
    listed = list(_unwrapped(annotations))
    answers: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for entry in listed:
        place = entry.get("markIndex")
        if isinstance(place, int) and entry["task"].count(".") == 2:
            answers.setdefault((entry["task"].partition(".")[0], place), []).append(entry)
    found = []
    for entry in listed:
        value = entry.get("value")
        if not isinstance(value, list) or not _is_drawing(entry, value, tools):
            continue
        task = entry["task"]
        marks, unusable = [], []
        for place, mark in enumerate(value):
            try:
                marks.append(_read(mark, task, answers.get((task, place), ()), tools))
            except BadInput as error:
                unusable.append(UnusableMark(task, place, str(error)))
        found.append(DrawnTask(task, tuple(marks), tuple(unusable)))
    return found


def parameters_of(shape: Shape) -> dict[str, Any]:
    """Return a shape's canonical parameters, as ``marks.parquet`` holds them."""
    return shape.model_dump(exclude={"tool_type"})


def _unwrapped(annotations: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for entry in annotations:
        if seen_type(entry) == COMBO:
            yield from _unwrapped(members(entry))
        else:
            yield entry


def _is_drawing(entry: Mapping[str, Any], value: list[Any], tools: VersionTools) -> bool:
    if tools.is_drawing(entry["task"]) or seen_type(entry) == "drawing":
        return True
    return not value and "." not in entry["task"]


def _read(
    mark: object, task: str, beside: Sequence[Mapping[str, Any]], tools: VersionTools
) -> DrawnMark:
    if not isinstance(mark, Mapping):
        raise BadInput(f"expected a mark with its coordinates, got {str(mark)[:60]!r}")
    new = "toolIndex" in mark or "toolType" in mark
    tool = _number(mark, "toolIndex" if new else "tool")
    details = [entry for entry in mark.get("details") or () if isinstance(entry, Mapping)]
    if new:
        tool_type = str(mark.get("toolType") or tools.type_of(task, tool) or "")
        answers = tuple(_answer(str(e["task"]), e.get("value"), tools) for e in beside)
        subtasks = tuple(str(entry["task"]) for entry in details if "task" in entry)
    else:
        tool_type = tools.type_of(task, tool) or _guess(mark)
        subtasks = tuple(f"{task}.{tool}.{place}" for place in range(len(details)))
        answers = tuple(
            _answer(key, entry.get("value"), tools)
            for key, entry in zip(subtasks, details, strict=True)
        )
    shape = None
    if tool_type in TOOL_TYPES:
        shape = (shape_from_v2 if new else shape_from_v1)(tool_type, mark)
    return DrawnMark(
        task=task,
        frame=_number(mark, "frame"),
        tool_index=tool,
        tool_type=tool_type,
        tool_label=_words(str(mark.get("tool_label") or "")) or tools.label_of(task, tool),
        shape=shape,
        geometry=_raw_geometry(mark) if shape is None else parameters_of(shape),
        answers=answers,
        subtasks=subtasks,
    )


def _guess(mark: Mapping[str, Any]) -> str:
    """Return the tool type by the look of an old mark, "" when several draw such marks."""
    try:
        return tool_type_of_v1(mark)
    except BadInput:
        return ""


def _number(mark: Mapping[str, Any], key: str) -> int:
    value = mark.get(key) or 0
    if not isinstance(value, int | float) or value != int(value) or value < 0:
        raise BadInput(f"{key}: expected a whole number from 0, got {value!r}")
    return int(value)


def _raw_geometry(mark: Mapping[str, Any]) -> dict[str, Any]:
    geometry = {key: value for key, value in mark.items() if key not in _NO_GEOMETRY}
    if not geometry or not _complete(geometry):
        raise BadInput(f"expected coordinates that are numbers, got {str(geometry)[:60]}")
    return geometry


def _complete(value: object) -> bool:
    """Whether no coordinate is null, which is what the classifier submits for "not a number"."""
    if isinstance(value, Mapping):
        return all(_complete(entry) for entry in value.values())
    if isinstance(value, list):
        return all(_complete(entry) for entry in value)
    return value is not None


def _answer(task: str, value: object, tools: VersionTools) -> MarkAnswer:
    chosen = value if isinstance(value, list) else [value]
    indices = [each for each in chosen if isinstance(each, int) and not isinstance(each, bool)]
    found = [tools.answer_of(task, index) for index in indices]
    labels = () if None in found or len(indices) != len(chosen) else tuple(map(str, found))
    return MarkAnswer(task, value, labels)
