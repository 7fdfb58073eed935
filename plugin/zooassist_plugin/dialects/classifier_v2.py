"""How does classifier version 2 (front-end-monorepo) write marks?

Geometry is the canonical one under the same names, except that polygons are lists of objects and
freehand paths are two lists. Subtask answers are separate entries beside the drawing annotation,
pointing at the mark by its place (`markIndex`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.shapes import TOOL_TYPES, FreehandLine, Polygon, Shape, make_shape


def shape_to_v2(shape: Shape) -> dict[str, Any]:
    """Return the geometry keys of a mark."""
    match shape:
        case Polygon(points=points):
            return {"points": [{"x": x, "y": y} for x, y in points]}
        case FreehandLine(points=points):
            return {"pathX": [x for x, _ in points], "pathY": [y for _, y in points]}
        case _:
            return {key: value for key, value in shape if key != "tool_type"}


def shape_from_v2(tool_type: str, mark: Mapping[str, Any]) -> Shape:
    """Read the geometry of a mark; other keys are ignored.

    Raises
    ------
    BadInput
        When the tool is none of the eight, or its geometry is missing or not finite.
    """
    if tool_type == "polygon":
        points = [_vertex(point) for point in _list(mark, "points", tool_type)]
        return make_shape(tool_type, {"points": points})
    if tool_type == "freehandLine":
        xs, ys = _list(mark, "pathX", tool_type), _list(mark, "pathY", tool_type)
        if len(xs) != len(ys):
            raise BadInput(
                f"freehandLine: expected pathX and pathY of one length, got {len(xs)} and {len(ys)}"
            )
        return make_shape(tool_type, {"points": list(zip(xs, ys, strict=True))})
    names = TOOL_TYPES[tool_type].model_fields if tool_type in TOOL_TYPES else {}
    return make_shape(tool_type, {k: mark[k] for k in names if k in mark and k != "tool_type"})


def mark_to_v2(mark: Mark) -> dict[str, Any]:
    """Return a mark as it is submitted; its answers are only pointed at (see `marks_to_v2`)."""
    return {
        "frame": mark.frame,
        "toolIndex": mark.tool_index,
        "toolType": mark.shape.tool_type,
        **shape_to_v2(mark.shape),
        "details": [{"task": answer.task} for answer in mark.answers],
    }


def mark_from_v2(
    mark: Mapping[str, Any], task: str = "T0", answers: Sequence[Mapping[str, Any]] = ()
) -> Mark:
    """Read one submitted, exported or pre-filled mark.

    Parameters
    ----------
    task : str
        The drawing task that the mark belongs to.
    answers : sequence of mapping
        Subtask annotations of this mark; a pre-filled mark carries its own in `annotations`.

    Notes
    -----
    Pre-filled marks come back with `toolIndex` 0 whatever tool they lie on. Where the mark has
    subtasks, their keys (``T0.<tool>.<detail>``) still name the tool and are believed first.

    Raises
    ------
    BadInput
        When the mark does not name a known tool type or its geometry is not usable.
    """
    listed = [*answers, *_objects(mark, "annotations")]
    keys = [entry.get("task") for entry in [*_objects(mark, "details"), *listed]]
    tools = {int(tool) for tool in (_tool_of(key, task) for key in keys) if tool is not None}
    tool_index = tools.pop() if len(tools) == 1 else mark.get("toolIndex") or 0
    try:
        return Mark(
            shape=shape_from_v2(str(mark.get("toolType")), mark),
            frame=mark.get("frame") or 0,
            tool_index=tool_index,
            task=task,
            answers=tuple(_answer(entry) for entry in listed),
            mark_id=mark.get("markId"),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"mark of task {task}: {place}: {first['msg']}, got {first['input']!r}"
        ) from error


def marks_to_v2(task: str, marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Return the annotations of one drawing task as they are submitted.

    The first entry holds the marks, the following ones the subtask answers with their `markIndex`.
    """
    entries: list[dict[str, Any]] = [
        {"task": task, "taskType": "drawing", "value": [mark_to_v2(mark) for mark in marks]}
    ]
    for index, mark in enumerate(marks):
        entries += [{**answer_to_v2(answer), "markIndex": index} for answer in mark.answers]
    return entries


def marks_from_v2(task: str, annotations: Sequence[Mapping[str, Any]]) -> tuple[Mark, ...]:
    """Read the marks of one drawing task from a classification's annotations.

    Raises
    ------
    BadInput
        As `mark_from_v2`; the message names the mark by its place.
    """
    answers: dict[int, list[Mapping[str, Any]]] = {}
    for entry in annotations:
        index = entry.get("markIndex")
        if _tool_of(entry.get("task"), task) is not None and isinstance(index, int):
            answers.setdefault(index, []).append(entry)
    drawn: list[Mapping[str, Any]] = []
    for entry in annotations:
        if entry.get("task") == task:
            drawn += _objects(entry, "value")  # null when the volunteer was interrupted
    marks = []
    for index, mark in enumerate(drawn):
        try:
            marks.append(mark_from_v2(mark, task, answers.get(index, ())))
        except BadInput as error:
            raise BadInput(f"task {task}, mark {index}: {error}") from error
    return tuple(marks)


def answer_to_v2(answer: SubtaskAnswer) -> dict[str, Any]:
    """Return a subtask answer as the classifier holds it."""
    value = list(answer.value) if isinstance(answer.value, tuple) else answer.value
    return {"task": answer.task, "taskType": answer.task_type, "value": value}


def _answer(entry: Mapping[str, Any]) -> SubtaskAnswer:
    value = entry.get("value")
    kinds = {int: "single", list: "multiple", tuple: "multiple", str: "text"}
    # Exports of an unanswered subtask hold null and may lack the type; single is the commonest.
    kind = entry.get("taskType") or kinds.get(type(value), "single")
    return SubtaskAnswer(
        task=str(entry.get("task")),
        task_type=kind,
        value=tuple(value) if isinstance(value, list) else value,
    )


def _tool_of(key: object, task: str) -> str | None:
    """Return the tool's number in a subtask key of a drawing task."""
    parts = str(key).split(".")
    return parts[1] if len(parts) == 3 and parts[0] == task and parts[1].isdigit() else None


def _objects(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return a list of objects, which may also be a map by id, null or left out."""
    value = holder.get(key) or ()
    entries = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(entries, list | tuple) or not all(isinstance(e, Mapping) for e in entries):
        raise BadInput(f"{key}: expected a list of objects, got {value!r}")
    return list(entries)


def _list(mark: Mapping[str, Any], key: str, tool_type: str) -> list[Any]:
    value = mark.get(key)
    if not isinstance(value, list | tuple):
        raise BadInput(f"{tool_type}.{key}: expected a list, got {value!r}")
    return list(value)


def _vertex(point: object) -> tuple[Any, Any]:
    if not isinstance(point, Mapping) or not {"x", "y"} <= set(point):
        raise BadInput(f"polygon.points: expected objects with x and y, got {point!r}")
    return point["x"], point["y"]
