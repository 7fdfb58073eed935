"""Where in a workflow does a mark go, and can it be shown there at all?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zooassist_plugin.errors import BadInput
from zooassist_plugin.presenters.presented import Unpresentable
from zooassist_plugin.shapes import TOOL_TYPES
from zooassist_plugin.workflow import DrawingTask, Tool, Workflow, read_drawing_task

# Viewers without the layer that marks are drawn on (front-end-monorepo: SubjectViewer).
VIEWERS_WITHOUT_MARKS = frozenset(
    {
        "dataImage",
        "geoMap",
        "imageAndText",
        "jsonData",
        "lightcurve",
        "scatterPlot",
        "subjectGroup",
        "variableStar",
        "volumetric",
    }
)
_NUMBERED_STEP = re.compile(r"S\d+")


@dataclass(frozen=True)
class Route:
    """The keys that lead every version of the classifier to a task."""

    keys: Mapping[str, Any]
    task: DrawingTask


def workflow_obstacles(workflow: Workflow) -> tuple[str, ...]:
    """Return why no mark can be pre-filled in this workflow, whatever its shape; none is good.

    The configuration flag and Caesar's settings are not looked at: `enable` sets those.
    """
    found = []
    transcription = [k for k, t in workflow.tasks.items() if t.get("type") == "transcription"]
    if transcription:
        found.append(
            f"task {transcription[0]} is a transcription task: the classifier then asks for the "
            "reducer `alice` only; use a workflow without one"
        )
    steps = workflow.steps_used()
    unnumbered = [step.key for step in steps if not _NUMBERED_STEP.fullmatch(step.key)]
    if len(steps) > 1 and unnumbered:
        found.append(
            f"step {unnumbered[0]} comes from the page editor, and there are {len(steps)} steps: "
            "only the first one visited would be pre-filled; use one page, or a workflow "
            "without pages"
        )
    viewer = workflow.configuration.get("subject_viewer")
    if viewer in VIEWERS_WITHOUT_MARKS:
        found.append(
            f"the subject viewer {viewer} shows no marks; use singleImage, flipbook or multiFrame"
        )
    return tuple(found)


def route(task_key: str, workflow: Workflow) -> Route:
    """Return the routing keys of a drawing task.

    Raises
    ------
    Unpresentable
        When the task does not exist, does not draw, or is on no step.
    """
    drawing = [key for key, t in workflow.tasks.items() if t.get("type") == "drawing"]
    known = f"the drawing tasks are {', '.join(drawing) or 'none'}"
    task = workflow.tasks.get(task_key)
    if task is None:
        raise Unpresentable(f"task {task_key}: workflow {workflow.workflow_id} has none; {known}")
    if task.get("type") != "drawing":
        raise Unpresentable(
            f"task {task_key} is a {task.get('type')} task: marks there crash the volunteer's "
            f"page; {known}"
        )
    place = workflow.place_of(task_key)
    if place is None:
        raise Unpresentable(f"task {task_key} is on no step, so no volunteer would see the mark")
    step, index = place
    # Both are said even where today's classifier would lead there by default: before June 2026 it
    # knew no defaults, and showed nothing that did not name its step.
    keys = {"stepKey": step.key, "taskIndex": index}
    try:
        return Route(keys, read_drawing_task(task_key, task))
    except BadInput as error:
        raise Unpresentable(f"workflow {workflow.workflow_id}: {error}") from error


def tool_at(task: DrawingTask, tool_index: int, tool_type: str) -> Tool:
    """Return the tool that a mark names, if the mark's shape is what the tool draws.

    Raises
    ------
    Unpresentable
        When the index is out of range (the mark would be skipped silently), or the tool draws
        something else (the mark would become an empty shape at 0, 0).
    """
    if tool_index >= len(task.tools):
        raise Unpresentable(
            f"task {task.key}, toolIndex {tool_index}: expected 0 to {len(task.tools) - 1}; "
            "the classifier would skip the mark silently"
        )
    tool = task.tools[tool_index]
    if tool.type not in TOOL_TYPES:
        raise Unpresentable(
            f"task {task.key}, tool {tool_index} ({tool.type}): expected one of the tools that can "
            f"be pre-filled: {', '.join(TOOL_TYPES)}"
        )
    if tool.type != tool_type:
        raise Unpresentable(
            f"task {task.key}, tool {tool_index} draws {tool.type}, the mark is {tool_type}; "
            "choose the tool index of a tool of that type"
        )
    return tool
