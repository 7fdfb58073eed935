"""Would the classifier show exactly what this payload says? A check of finished payloads.

Independent of the writer: it reads the JSON as the classifier does, also where it was written by
others or read back from Caesar.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from zooassist_plugin.dialects.classifier_v2 import mark_from_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.presenters.mending import why_lost
from zooassist_plugin.presenters.prefilled_answers import prefilled_answers
from zooassist_plugin.presenters.routing import tool_at, workflow_obstacles
from zooassist_plugin.workflow import DrawingTask, Workflow, read_drawing_task


def payload_problems(payload: object, workflow: Workflow, frames: int = 1) -> tuple[str, ...]:
    """Return everything in a reduction's data that would crash, vanish or be garbled.

    Parameters
    ----------
    payload : object
        The reduction's data as parsed JSON; it should be ``{"data": [mark, …]}``.
    frames : int
        Number of locations of the subject.
    """
    if not isinstance(payload, Mapping):
        return (f"payload: expected an object, got {type(payload).__name__}: the page would crash",)
    marks = payload.get("data")
    if not isinstance(marks, list):
        return ('payload: expected a list under "data": the page would crash without it',)
    try:
        json.dumps(payload, allow_nan=False)
    except (TypeError, ValueError) as error:
        return (
            f"payload: not JSON ({error}): Caesar would store it as text, the page would crash",
        )
    if not marks:
        return ()
    problems = list(workflow_obstacles(workflow))
    seen: set[str] = set()
    for place, mark in enumerate(marks):
        problem = _mark_problem(mark, workflow, frames, seen)
        if problem:
            problems.append(f"data[{place}]: {problem}")
    return tuple(problems)


def _mark_problem(mark: object, workflow: Workflow, frames: int, seen: set[str]) -> str | None:
    if not isinstance(mark, Mapping):
        return f"expected an object, got {mark!r}"
    name = mark.get("markId")
    if "markId" in mark and not (isinstance(name, str) and name):
        return f"markId: expected text, got {name!r}"
    if name in seen:
        return f"markId {name!r} is used twice: only the last mark would survive"
    if name is not None:
        seen.add(name)
    for key, value in _numbers(mark):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{key}: expected a number, got {value!r}"
        if not abs(value) < math.inf:  # NaN is not smaller than anything
            return f"{key}: expected a finite number, got {value!r}"
    for key in ("toolIndex", "taskIndex", "frame"):
        if type(mark.get(key, 0)) is not int:
            return f"{key}: expected an integer, got {mark[key]!r}"
    if not isinstance(mark.get("annotations", []), list | Mapping):
        return f"annotations: expected a list of objects, got {mark['annotations']!r}"
    frame = mark.get("frame", 0)
    if not 0 <= frame < frames:
        return f"frame {frame}: expected 0 to {frames - 1}"
    if frame and workflow.configuration.get("multi_image_clone_markers"):
        return f"frame {frame}: expected 0 where marks are cloned to all frames"
    task = _task_at(mark, workflow)
    if isinstance(task, str):
        return task
    index = mark.get("toolIndex", 0)
    if not 0 <= index < len(task.tools):
        return f"toolIndex {index}: expected 0 to {len(task.tools) - 1}"
    try:
        # The classifier goes by the index; what the mark says of its own type is for people.
        tool = tool_at(task, index, task.tools[index].type)
        read = mark_from_v2({**mark, "toolType": tool.type}, task.key)
        if read.tool_index != index:
            return f"annotations: they belong to tool {read.tool_index}, the mark to tool {index}"
        prefilled_answers(read, tool)
    except (BadInput, ValidationError) as error:
        return str(error)
    return why_lost(read.shape)


def _task_at(mark: Mapping[str, Any], workflow: Workflow) -> DrawingTask | str:
    """Follow `stepKey` and `taskIndex` as the classifier does; text says where that ends badly."""
    steps = workflow.steps_used()
    if not steps:
        return "the workflow has no step"
    key = mark.get("stepKey", steps[0].key)
    step = next((step for step in steps if step.key == key), None)
    if step is None:
        return f"stepKey {key!r}: expected one of {', '.join(step.key for step in steps)}"
    index = mark.get("taskIndex", 0)
    if not 0 <= index < len(step.task_keys):
        return f"taskIndex {index}: expected 0 to {len(step.task_keys) - 1} in step {step.key}"
    task_key = step.task_keys[index]
    task = workflow.tasks.get(task_key) or {}
    if task.get("type") != "drawing":
        return f"leads to task {task_key}, which does not draw: the page would crash"
    try:
        return read_drawing_task(task_key, task)
    except BadInput as error:
        return str(error)


def _numbers(mark: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return every coordinate of a mark with the key it stands under."""
    found: list[tuple[str, object]] = []
    for key in ("x", "y", "x1", "y1", "x2", "y2", "x_center", "y_center", "r", "rx", "ry"):
        if key in mark:
            found.append((key, mark[key]))
    found += [(key, mark[key]) for key in ("width", "height", "angle") if key in mark]
    for key in ("pathX", "pathY", "points"):
        values = mark.get(key, ())
        for place, value in enumerate(values if isinstance(values, list | tuple) else ()):
            if key != "points":
                found.append((f"{key}[{place}]", value))
            elif isinstance(value, Mapping):
                found += [(f"points[{place}].{axis}", value.get(axis)) for axis in ("x", "y")]
    return found
