"""How did classifier version 1 (Panoptes-Front-End) write marks?

Differences from version 2: `tool` for `toolIndex`, and no tool type at all; circles and ellipses
have their centre in `x`, `y`; the angle of an ellipse is positive *counter-clockwise*; rectangles
have the *top left* corner in `x`, `y`, a turned rectangle that of the rectangle before it is
turned about its centre (clockwise, as in version 2); a freehand path is a list of points; subtask
answers are listed in the mark by their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Polygon,
    Rectangle,
    RotateRectangle,
    Shape,
    make_shape,
)


def shape_to_v1(shape: Shape) -> dict[str, Any]:
    """Return the geometry keys of a mark."""
    match shape:
        case Circle():
            return {"x": shape.x_center, "y": shape.y_center, "r": shape.r}
        case Ellipse():
            radii = {"rx": shape.rx, "ry": shape.ry, "angle": -shape.angle}
            return {"x": shape.x_center, "y": shape.y_center, **radii}
        case Rectangle() | RotateRectangle():
            corner: dict[str, Any] = {
                "x": shape.x_center - shape.width / 2,
                "y": shape.y_center - shape.height / 2,
                "width": shape.width,
                "height": shape.height,
            }
            if isinstance(shape, RotateRectangle):
                corner["angle"] = shape.angle
            return corner
        case Polygon(points=points):
            return {"points": [{"x": x, "y": y} for x, y in points], "closed": True}
        case FreehandLine(points=points):
            return {"points": [{"x": x, "y": y} for x, y in points]}
        case _:
            return {key: value for key, value in shape if key != "tool_type"}


def shape_from_v1(tool_type: str, mark: Mapping[str, Any]) -> Shape:
    """Read the geometry of a mark drawn with a known tool; other keys are ignored.

    A rectangle dragged to the left or upwards has a negative width or height, and is turned right
    side out.

    Raises
    ------
    BadInput
        When the tool is none of the eight, or its geometry is missing or not finite.
    """
    try:
        match tool_type:
            case "circle":
                values = {"x_center": mark["x"], "y_center": mark["y"], "r": mark["r"]}
            case "ellipse":
                radii = {"rx": mark["rx"], "ry": mark["ry"], "angle": -mark.get("angle", 0.0)}
                values = {"x_center": mark["x"], "y_center": mark["y"], **radii}
            case "rectangle" | "rotateRectangle":
                width, height = mark["width"], mark["height"]
                values = {
                    "x_center": mark["x"] + width / 2,
                    "y_center": mark["y"] + height / 2,
                    "width": abs(width),
                    "height": abs(height),
                }
                if tool_type == "rotateRectangle":
                    values["angle"] = mark.get("angle", 0.0)
            case "polygon" | "freehandLine":
                values = {"points": [(point["x"], point["y"]) for point in mark["points"]]}
            case "line":
                values = {key: mark[key] for key in ("x1", "y1", "x2", "y2")}
            case _:
                values = {key: mark[key] for key in ("x", "y") if key in mark}
    except (KeyError, TypeError) as error:
        raise BadInput(f"{tool_type} mark: expected its geometry, problem at {error}") from error
    return make_shape(tool_type, values)


def tool_type_of_v1(mark: Mapping[str, Any]) -> str:
    """Guess the tool from a mark's keys, for exports that come without the workflow.

    Raises
    ------
    BadInput
        When the keys fit no tool, or several: points without `closed` are a freehand path, but
        points with it are a polygon or a bezier curve, and only the workflow knows which.
    """
    keys = set(mark)
    for tool_type, needed in (
        ("line", {"x1", "y1", "x2", "y2"}),
        ("ellipse", {"rx", "ry"}),
        ("circle", {"r"}),
        ("rotateRectangle", {"width", "height", "angle"}),
        ("rectangle", {"x", "y", "width", "height"}),
    ):
        if needed <= keys:
            return tool_type
    if "points" in keys and "closed" not in keys:
        return "freehandLine"
    if {"x", "y"} <= keys and not keys & {"width", "height", "angle", "radius", "points"}:
        return "point"
    raise BadInput(
        f"version 1 mark with {', '.join(sorted(keys))}: the tool cannot be told from these keys; "
        "give the tool type from the workflow"
    )


def mark_to_v1(mark: Mark) -> dict[str, Any]:
    """Return a mark as version 1 submitted it; subtasks without an answer become null."""
    places = {int(answer.task.rsplit(".", 1)[1]): answer.value for answer in mark.answers}
    values = [places.get(place) for place in range(max(places, default=-1) + 1)]
    return {
        "tool": mark.tool_index,
        "frame": mark.frame,
        "details": [{"value": list(v) if isinstance(v, tuple) else v} for v in values],
        **shape_to_v1(mark.shape),
    }


def mark_from_v1(mark: Mapping[str, Any], tool_type: str | None = None, task: str = "T0") -> Mark:
    """Read one submitted or exported mark.

    Parameters
    ----------
    tool_type : str, optional
        Type of the tool at index ``mark["tool"]`` in the workflow; guessed where it is clear.
    task : str
        The drawing task that the mark belongs to.

    Raises
    ------
    BadInput
        When the tool is unknown, cannot be guessed, or the geometry is not usable.
    """
    tool_index = mark.get("tool") or 0
    answers = []
    for place, detail in enumerate(mark.get("details") or ()):
        value = detail.get("value") if isinstance(detail, Mapping) else None
        if value is None:
            continue
        kind: Literal["single", "multiple", "text"] = "single"
        if isinstance(value, list):
            kind, value = "multiple", tuple(value)
        elif isinstance(value, str):
            kind = "text"
        answers.append((f"{task}.{tool_index}.{place}", kind, value))
    try:
        return Mark(
            shape=shape_from_v1(tool_type or tool_type_of_v1(mark), mark),
            frame=mark.get("frame") or 0,
            tool_index=tool_index,
            task=task,
            answers=tuple(SubtaskAnswer(task=k, task_type=t, value=v) for k, t, v in answers),
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"mark of task {task}: {field}: {first['msg']}, got {first['input']!r}"
        ) from error
