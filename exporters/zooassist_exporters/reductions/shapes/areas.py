"""Which area does a mark cover? Shapes as shapely polygons, self-intersections mended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from zooassist_exporters.rectangle_corners import rectangle_corners
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
    Shape,
)

Ring = NDArray[np.float64]
# A circle is drawn with this many sides: its area is then short by 0.04 %.
SIDES: Final = 128
_TURN = np.linspace(0.0, 2 * np.pi, SIDES, endpoint=False)
_UNIT_CIRCLE = np.column_stack([np.cos(_TURN), np.sin(_TURN)])


def mend(polygon: BaseGeometry) -> BaseGeometry:
    """Return a valid area that keeps everything a self-intersecting outline goes around.

    By structure, not by parity: where a stroke overlaps itself there is no hole.
    """
    if polygon.is_valid:
        return polygon
    return shapely.make_valid(polygon, method="structure", keep_collapsed=False)


def largest_piece(polygon: BaseGeometry) -> BaseGeometry:
    """Mend as panoptes_aggregation does: ``buffer(0)``, and of several pieces the largest.

    Of a figure of eight one half is lost; kept so that results can be compared.
    """
    mended = polygon if polygon.is_simple else polygon.buffer(0)
    parts = polygonal_parts(mended)
    return max(parts, key=lambda part: part.area) if parts else shapely.Polygon()


REPAIRS: Final[Mapping[str, Callable[[BaseGeometry], BaseGeometry]]] = {
    "valid": mend,
    "largest": largest_piece,
}


def polygonal_parts(geometry: BaseGeometry) -> list[shapely.Polygon]:
    """Return the polygons in a geometry; loose lines and points are left out."""
    return [
        part
        for part in shapely.get_parts(shapely.get_parts(geometry)).tolist()
        if isinstance(part, shapely.Polygon) and not part.is_empty
    ]


def area_of(shape: Shape, repair: str = "valid") -> BaseGeometry | None:
    """Return the area that a shape encloses, in natural pixels.

    Parameters
    ----------
    repair : str
        How outlines that cross themselves are mended: a key of `REPAIRS`.

    Returns
    -------
    shapely geometry or None
        Polygon or multi-polygon, wound either way. None for points and lines, for outlines of
        fewer than three points, and for anything without an area.
    """
    match shape:
        case Point() | Line():
            return None
        case Polygon(points=points) | FreehandLine(points=points):
            if len(points) < 3:
                return None
            ring = np.asarray(points, dtype=float)
        case _:
            ring = _closed_ring(shape)
    area = REPAIRS[repair](shapely.Polygon(ring))
    return area if area.area > 0 else None


def bounds_of(shape: Shape) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a shape, in natural pixels."""
    match shape:
        case Point():
            return shape.x, shape.y, shape.x, shape.y
        case Line():
            xs, ys = (shape.x1, shape.x2), (shape.y1, shape.y2)
            return min(xs), min(ys), max(xs), max(ys)
        case Polygon(points=points) | FreehandLine(points=points):
            across, down = zip(*points, strict=True) if points else ((0.0,), (0.0,))
            return min(across), min(down), max(across), max(down)
        case Circle(r=r):
            half = r, r
        case Rectangle():
            half = shape.width / 2, shape.height / 2
        case Ellipse():
            cosine, sine = _direction(shape.angle)
            half = (
                math.hypot(shape.rx * cosine, shape.ry * sine),
                math.hypot(shape.rx * sine, shape.ry * cosine),
            )
        case RotateRectangle():
            cosine, sine = map(abs, _direction(shape.angle))
            half = (
                (shape.width * cosine + shape.height * sine) / 2,
                (shape.width * sine + shape.height * cosine) / 2,
            )
    x, y = shape.x_center, shape.y_center
    return x - half[0], y - half[1], x + half[0], y + half[1]


def ring_of(area: BaseGeometry) -> tuple[tuple[float, float], ...]:
    """Return the outer ring of the largest polygon of an area, its first point not repeated.

    Holes and smaller pieces are left out: a polygon mark is one ring.
    """
    parts = polygonal_parts(area)
    if not parts:
        return ()
    outline = max(parts, key=lambda part: part.area).exterior
    return tuple((float(x), float(y)) for x, y in outline.coords[:-1])


def _closed_ring(shape: Circle | Ellipse | Rectangle | RotateRectangle) -> Ring:
    """Return points around a shape that is given by its centre, shape (points, 2)."""
    match shape:
        case Circle():
            ring = _UNIT_CIRCLE * shape.r
        case Ellipse():
            ring = _turned(_UNIT_CIRCLE * (shape.rx, shape.ry), shape.angle)
        case Rectangle() | RotateRectangle():
            return rectangle_corners(shape)
    return np.asarray(ring + np.array([shape.x_center, shape.y_center]), dtype=np.float64)


def _turned(ring: Ring, degrees: float) -> Ring:
    """Turn points clockwise on the screen, where y points down."""
    cosine, sine = _direction(degrees)
    return np.asarray(ring @ np.array([[cosine, sine], [-sine, cosine]]), dtype=np.float64)


def _direction(degrees: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return math.cos(angle), math.sin(angle)
