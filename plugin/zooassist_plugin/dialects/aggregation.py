"""How does aggregation-for-caesar write shapes in its extracts and reductions?

By version 1's parameters (top left corners, counter-clockwise ellipses), as one list per parameter
under ``<task>_toolIndex<n>_<parameter>`` (``_tool<n>_`` for version 1 classifications) within
``frame<k>``. Outlines, polygon or freehand, are lists of `pathX` and `pathY` lists. Its version
5.3.1 leaves out version 2's circles, ellipses and rectangles, since it looks for `x`, not
`x_center`; so such shapes only ever come from version 1 classifications.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zooassist_plugin.dialects.classifier_v1 import shape_from_v1, shape_to_v1
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import FreehandLine, Polygon, Shape, make_shape

# Parameter names per tool, in aggregation-for-caesar's order.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "circle": ("x", "y", "r"),
    "ellipse": ("x", "y", "rx", "ry", "angle"),
    "freehandLine": ("pathX", "pathY"),
    "line": ("x1", "y1", "x2", "y2"),
    "point": ("x", "y"),
    "polygon": ("pathX", "pathY"),
    "rectangle": ("x", "y", "width", "height"),
    "rotateRectangle": ("x", "y", "width", "height", "angle"),
}


def shape_to_aggregation(shape: Shape) -> dict[str, Any]:
    """Return one shape's parameters."""
    if isinstance(shape, Polygon | FreehandLine):
        return {"pathX": [x for x, _ in shape.points], "pathY": [y for _, y in shape.points]}
    return {name: shape_to_v1(shape)[name] for name in PARAMETERS[shape.tool_type]}


def shape_from_aggregation(tool_type: str, parameters: Mapping[str, Any]) -> Shape:
    """Read one shape's parameters.

    Raises
    ------
    BadInput
        When the tool is none of the eight, or a parameter is missing or not finite.
    """
    missing = [name for name in PARAMETERS.get(tool_type, ()) if name not in parameters]
    if missing:
        raise BadInput(
            f"{tool_type}: expected the parameters {', '.join(PARAMETERS[tool_type])}, "
            f"{missing[0]} is missing"
        )
    if tool_type in ("polygon", "freehandLine"):
        xs, ys = parameters["pathX"], parameters["pathY"]
        if not isinstance(xs, Sequence) or not isinstance(ys, Sequence) or len(xs) != len(ys):
            raise BadInput(f"{tool_type}: expected pathX and pathY as lists of one length")
        return make_shape(tool_type, {"points": list(zip(xs, ys, strict=True))})
    return shape_from_v1(tool_type, parameters)


def shapes_from_aggregation(
    frame: Mapping[str, Any], task: str, tool_index: int, tool_type: str
) -> tuple[Shape, ...]:
    """Read all shapes of one tool in one frame of an extract (``data["frame0"]``).

    Raises
    ------
    BadInput
        When the parameter lists have different lengths, or a shape is not usable.
    """
    for infix in ("toolIndex", "tool"):
        prefix = f"{task}_{infix}{tool_index}_"
        lists = {name: frame.get(prefix + name) for name in PARAMETERS.get(tool_type, ())}
        found = {name: values for name, values in lists.items() if values is not None}
        if not found:
            continue
        if len(found) < len(lists) or len({len(values) for values in found.values()}) > 1:
            raise BadInput(
                f"{prefix}*: expected lists of one length for {', '.join(lists)}, "
                f"got { ({name: len(values) for name, values in found.items()}) }"
            )
        rows = zip(*found.values(), strict=True)
        return tuple(
            shape_from_aggregation(tool_type, dict(zip(found, r, strict=True))) for r in rows
        )
    return ()
