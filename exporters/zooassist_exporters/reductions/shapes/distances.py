"""How far apart are two marks? In pixels between their parameters, or by overlap of their areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from zooassist_exporters.reductions.shapes.circular import arc
from zooassist_plugin.dialects.aggregation import PARAMETERS, shape_to_aggregation
from zooassist_plugin.shapes import Ellipse, Line, RotateRectangle, Shape

Matrix = NDArray[np.float64]
OUTLINES: Final = frozenset({"polygon", "freehandLine"})
WITH_AREA: Final = OUTLINES | {"circle", "ellipse", "rectangle", "rotateRectangle"}
# After half a turn an ellipse and a rectangle look the same.
HALF_TURN: Final = 180.0


def upright(shape: Shape) -> Shape:
    """Return the one way of writing a shape that can be written in several.

    Ellipses and turned rectangles get their longer axis first and an angle in [0, 180); lines run
    from left to right, vertical ones downwards.
    """
    match shape:
        case Ellipse():
            turned = 90.0 if shape.ry > shape.rx else 0.0
            return Ellipse(
                x_center=shape.x_center,
                y_center=shape.y_center,
                rx=max(shape.rx, shape.ry),
                ry=min(shape.rx, shape.ry),
                angle=(shape.angle + turned) % HALF_TURN,
            )
        case RotateRectangle():
            turned = 90.0 if shape.height > shape.width else 0.0
            return RotateRectangle(
                x_center=shape.x_center,
                y_center=shape.y_center,
                width=max(shape.width, shape.height),
                height=min(shape.width, shape.height),
                angle=(shape.angle + turned) % HALF_TURN,
            )
        case Line() if (shape.x2, shape.y2) < (shape.x1, shape.y1):
            return Line(x1=shape.x2, y1=shape.y2, x2=shape.x1, y2=shape.y1)
        case _:
            return shape


def pixel_distances(shapes: Sequence[Shape]) -> Matrix:
    """Return the distances of marks of one tool type, shape (n, n).

    Euclidean in the parameters that panoptes_aggregation clusters (rectangles by their top left
    corner, an angle as one more coordinate in degrees); between outlines the Hausdorff distance,
    the furthest that a point of one lies from the other.
    """
    if not shapes:
        return np.zeros((0, 0))
    tool_type = shapes[0].tool_type
    if tool_type in OUTLINES:
        return _hausdorff(shapes)
    names = PARAMETERS[tool_type]
    rows = [shape_to_aggregation(upright(shape)) for shape in shapes]
    squares = np.zeros((len(shapes), len(shapes)))
    for name in names:  # one at a time: the matrix may be large
        values = np.array([row[name] for row in rows], dtype=float)
        if name == "angle":
            squares += arc(values[:, None], values[None, :], HALF_TURN) ** 2
        else:
            squares += np.subtract.outer(values, values) ** 2
    return np.sqrt(squares)


def iou_distances(areas: Sequence[BaseGeometry | None]) -> Matrix:
    """Return 1 - intersection over union of each pair, shape (n, n); 1 where there is no area."""
    count = len(areas)
    found = np.ones((count, count))
    np.fill_diagonal(found, 0.0)
    held = [place for place, area in enumerate(areas) if area is not None]
    geometries = np.array([areas[place] for place in held], dtype=object)
    sizes = shapely.area(geometries) if held else np.zeros(0)
    tree = shapely.STRtree(geometries)
    for first, second in zip(*tree.query(geometries, predicate="intersects"), strict=True):
        if first < second:
            common = shapely.intersection(geometries[first], geometries[second]).area
            distance = 1.0 - common / (sizes[first] + sizes[second] - common)
            found[held[first], held[second]] = found[held[second], held[first]] = distance
    return found


def _hausdorff(shapes: Sequence[Shape]) -> Matrix:
    outlines = [shapely.MultiPoint(list(getattr(shape, "points", ()))) for shape in shapes]
    count = len(outlines)
    found = np.zeros((count, count))
    for first in range(count):
        for second in range(first + 1, count):
            distance = shapely.hausdorff_distance(outlines[first], outlines[second])
            found[first, second] = found[second, first] = distance
    return found
