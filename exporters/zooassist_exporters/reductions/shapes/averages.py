"""What is the average of a cluster's marks? One pure function per kind, in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from zooassist_exporters.reductions.shapes.areas import ring_of
from zooassist_exporters.reductions.shapes.circular import circular_mean, circular_median
from zooassist_exporters.reductions.shapes.distances import HALF_TURN, OUTLINES, upright
from zooassist_exporters.reductions.shapes.overlap import contours
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import Polygon, Shape, make_shape

Average = Literal["mean", "median", "union", "intersection", "contour"]
AVERAGES: Final[tuple[Average, ...]] = get_args(Average)
Matrix = NDArray[np.float64]
Areas = Sequence[BaseGeometry]
OfAngles = Callable[[Sequence[float], float], float]


_OF_PARAMETERS: Final[Mapping[Average, tuple[Callable[[Sequence[float]], Any], OfAngles]]] = {
    "mean": (np.mean, circular_mean),
    "median": (np.median, circular_median),
}


def average_parameters(shapes: Sequence[Shape], average: Average) -> Shape:
    """Return the mean or median of each canonical parameter; angles go round after half a turn.

    Parameters
    ----------
    shapes : sequence of Shape
        Of one tool type, none of them an outline.
    """
    straight, circular = _OF_PARAMETERS[average]
    rows = [upright(shape).model_dump(exclude={"tool_type"}) for shape in shapes]
    return make_shape(
        shapes[0].tool_type,
        {
            name: circular([row[name] for row in rows], HALF_TURN)
            if name == "angle"
            else float(straight([row[name] for row in rows]))
            for name in rows[0]
        },
    )


def medoid(distances: Matrix) -> int:
    """Return the member with the least sum of distances to the others, the first among equals."""
    return int(np.argmin(distances.sum(axis=0)))


def _union(areas: Areas) -> BaseGeometry:
    return shapely.union_all(np.array(areas, dtype=object))


def _intersection(areas: Areas) -> BaseGeometry:
    return shapely.intersection_all(np.array(areas, dtype=object))


def _majority(areas: Areas) -> BaseGeometry:
    """Return the outline of what more than half of the members cover."""
    levels, wanted = contours(areas), len(areas) // 2
    return levels[wanted] if wanted < len(levels) else shapely.Polygon()


_OF_AREAS: Final[Mapping[Average, Callable[[Areas], BaseGeometry]]] = {
    "union": _union,
    "intersection": _intersection,
    "contour": _majority,
}


def average_outline(areas: Areas, average: Average) -> Polygon | None:
    """Return the union, intersection or majority contour of areas as one ring.

    None when nothing is left, as of an intersection that no point is common to.
    """
    points = ring_of(_OF_AREAS[average](areas))
    return Polygon(points=points) if points else None


def default_average(tool_type: str, wanted: Average | None) -> Average:
    """Return the average of a tool: the one asked for where it fits, else the default.

    Outlines have no parameters, so their default is the median; other shapes have the mean, and a
    union of circles is no circle.

    Raises
    ------
    BadInput
        When the average is not known.
    """
    if wanted is not None and wanted not in AVERAGES:
        raise BadInput(f"average: expected {', '.join(AVERAGES)}, got {wanted!r}")
    if tool_type in OUTLINES:
        return "median" if wanted in (None, "mean") else wanted
    return wanted if wanted in ("mean", "median") else "mean"
