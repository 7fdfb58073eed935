"""Which box and which outline does a shape have, within a picture of a given size?

Coordinates are natural pixels: origin at the top left corner of the first pixel, x right, y down.
A box is (left, top, right, bottom); an outline is a closed ring of vertices whose last is joined
to the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from zooassist_exporters.rectangle_corners import rectangle_corners
from zooassist_plugin.pixel_outlines import Ring, ring_area
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

Box = tuple[float, float, float, float]
Size = tuple[int, int]

# Vertices of the ring that stands for an ellipse: its area is 0.16 % too small.
ELLIPSE_VERTICES: Final = 64
_TURNS: Final = [2 * math.pi * step / ELLIPSE_VERTICES for step in range(ELLIPSE_VERTICES)]
_UNIT_CIRCLE: Final = [(math.cos(turn), math.sin(turn)) for turn in _TURNS]


def shape_to_box(shape: Shape) -> Box:
    """Return the upright box around a shape; of an ellipse exactly, not that of its ring."""
    match shape:
        case Point(x=x, y=y):
            return (x, y, x, y)
        case Circle(x_center=x, y_center=y, r=r):
            return (x - r, y - r, x + r, y + r)
        case Ellipse(x_center=x, y_center=y, rx=rx, ry=ry, angle=angle):
            cosine, sine = _turn(angle)
            half_width = math.hypot(rx * cosine, ry * sine)
            half_height = math.hypot(rx * sine, ry * cosine)
            return (x - half_width, y - half_height, x + half_width, y + half_height)
        case _:
            return ring_to_box(_vertices(shape))


def shape_to_ring(shape: Shape) -> Ring | None:
    """Return the outline of a shape, or None for one that encloses no area.

    A freehand line counts as closed, as volunteers outline with it.
    """
    if isinstance(shape, Point | Line):
        return None
    ring = _vertices(shape)
    return ring if len(ring) >= 3 else None


def box_to_shape(box: Box) -> Rectangle:
    """Return the rectangle of a box."""
    left, top, right, bottom = box
    return Rectangle(
        x_center=(left + right) / 2,
        y_center=(top + bottom) / 2,
        width=max(0.0, right - left),
        height=max(0.0, bottom - top),
    )


def ring_to_box(ring: Sequence[tuple[float, float]]) -> Box:
    """Return the box around vertices; a box of nothing lies at the origin."""
    if not ring:
        return (0.0, 0.0, 0.0, 0.0)
    xs, ys = zip(*ring, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def clip_box(box: Box, size: Size) -> Box | None:
    """Return the part of a box within a picture of (width, height); None when there is none."""
    width, height = size
    left, top = max(0.0, box[0]), max(0.0, box[1])
    right, bottom = min(float(width), box[2]), min(float(height), box[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


def clip_ring(ring: Ring, size: Size) -> Ring | None:
    """Return the part of an outline within a picture; None when there is none.

    Cut at one border after the other (Sutherland and Hodgman 1974). Of a ring that leaves the
    picture and comes back, the parts stay joined along the border.
    """
    width, height = size
    for axis, border, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        ring = _cut(ring, axis, float(border), sign)
        if len(ring) < 3:
            return None
    return ring if abs(ring_area(ring)) > 0 else None


def _cut(ring: Ring, axis: int, border: float, sign: int) -> Ring:
    """Return the part of a ring on one side of a border across an axis."""
    kept: Ring = []
    for before, here in zip([*ring[-1:], *ring[:-1]], ring, strict=True):
        was, now = sign * (before[axis] - border), sign * (here[axis] - border)
        if (was < 0) != (now < 0):
            share = was / (was - now)
            other = before[1 - axis] + share * (here[1 - axis] - before[1 - axis])
            # The border itself is exact, so that nothing lies a rounding error outside.
            kept.append((border, other) if axis == 0 else (other, border))
        if now >= 0:
            kept.append(here)
    return kept


def _turn(angle: float) -> tuple[float, float]:
    """Return cosine and sine of an angle in degrees; y runs down, so positive is clockwise."""
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))


def _vertices(shape: Shape) -> Ring:
    match shape:
        case Polygon(points=points) | FreehandLine(points=points):
            return list(points)
        case Line(x1=x1, y1=y1, x2=x2, y2=y2):
            return [(x1, y1), (x2, y2)]
        case Rectangle() | RotateRectangle():
            return [(x, y) for x, y in rectangle_corners(shape).tolist()]
        case Circle(x_center=x, y_center=y, r=r):
            return _ellipse(x, y, r, r, 0.0)
        case Ellipse(x_center=x, y_center=y, rx=rx, ry=ry, angle=angle):
            return _ellipse(x, y, rx, ry, angle)
        case Point(x=x, y=y):
            return [(x, y)]


def _ellipse(x: float, y: float, rx: float, ry: float, angle: float) -> Ring:
    cosine, sine = _turn(angle)
    return [
        (x + rx * u * cosine - ry * v * sine, y + rx * u * sine + ry * v * cosine)
        for u, v in _UNIT_CIRCLE
    ]
