"""Which pixels does a drawn shape cover? One rule for all: those whose centre lies in the shape.

Coordinates are natural pixels: the image spans 0 to width and 0 to height, so the pixel in row r
and column c has its centre at (c + 0.5, r + 0.5). A centre exactly on an outline of straight edges
belongs to the shape on its right or below it, so that shapes side by side neither overlap nor
leave a gap; on a circle or ellipse it belongs to it. What lies outside the image is cut off, and a
shape so small that it holds no centre covers no pixel.

Drawing libraries fill with other rules (OpenCV always includes the outline, which makes a mask half
a pixel too large all round), hence this exact fill in numpy: every edge is cut with the centre line
of every row it passes, and counting the cuts from the left tells inside from outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.mask_patch import EMPTY, Box, Mask, Patch, Size
from zooassist_exporters.rectangle_corners import rectangle_corners
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Polygon,
    Rectangle,
    RotateRectangle,
    Shape,
)

# What counts as inside where an outline crosses itself: even-odd leaves out what is enclosed
# twice, winding keeps it.
Fill = Literal["even-odd", "winding"]
FILLS: Final[tuple[Fill, ...]] = get_args(Fill)

Ring = NDArray[np.float64]
AREA_TOOLS: Final = frozenset(
    {"circle", "ellipse", "freehandLine", "polygon", "rectangle", "rotateRectangle"}
)
# Far outside any image; keeps the arithmetic finite for marks with absurd coordinates.
FARTHEST: Final = 2.0**40
# Bounds the memory for one shape: cells per band of rows, and cuts at a time.
CELLS_PER_BAND: Final = 1 << 22
CUTS_AT_ONCE: Final = 1 << 20


def rasterise(shape: Shape, size: Size, fill: Fill = "even-odd") -> Patch:
    """Return the pixels that a shape covers; an open path is closed by a straight line.

    Parameters
    ----------
    shape : Shape
        Canonical, in natural pixels.
    size : Size
        Of the frame.
    fill : str
        What counts as inside where an outline crosses itself.

    Raises
    ------
    BadInput
        For a point or a line, which cover no area.
    """
    match shape:
        case Circle():
            return _fill_ellipse(shape.x_center, shape.y_center, shape.r, shape.r, 0.0, size)
        case Ellipse(x_center=x, y_center=y, rx=rx, ry=ry, angle=angle):
            return _fill_ellipse(x, y, rx, ry, angle, size)
        case _:
            return fill_rings([outline(shape)], size, fill)


def outline(shape: Shape) -> Ring:
    """Return the corners of a shape with straight edges, (corners, 2) as x and y, not repeated.

    Raises
    ------
    BadInput
        For a shape that is round, or covers no area.
    """
    match shape:
        case Polygon(points=points) | FreehandLine(points=points):
            return np.array(points, dtype=np.float64).reshape(-1, 2)
        case Rectangle() | RotateRectangle():
            return rectangle_corners(shape)
        case _:
            raise BadInput(
                f"{shape.tool_type}: expected a shape that encloses an area by straight edges: "
                "freehandLine, polygon, rectangle or rotateRectangle"
            )


def fill_rings(rings: Sequence[Ring], size: Size, fill: Fill = "even-odd") -> Patch:
    """Return the pixels inside closed rings taken together, so that a ring in a ring is a hole.

    Parameters
    ----------
    rings : sequence of arrays, shape (corners, 2)
        x and y of each corner; the last is joined to the first.
    """
    kept = [np.clip(ring, -FARTHEST, FARTHEST) for ring in rings if len(ring) >= 3]
    if not kept:
        return EMPTY
    box = _pixel_box(np.concatenate(kept), size)
    if 0 in box.shape:
        return EMPTY
    edges = np.concatenate([np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in kept])
    cells = np.empty(box.shape, dtype=np.bool_)
    step = max(1, CELLS_PER_BAND // box.shape[1])
    for top in range(box.top, box.bottom, step):
        band = Box(top, box.left, min(top + step, box.bottom), box.right)
        cells[band.top - box.top : band.bottom - box.top] = _fill_band(edges, band, fill)
    return Patch(box.top, box.left, cells)


def _pixel_box(points: Ring, size: Size) -> Box:
    left, top = np.floor(points.min(axis=0))
    right, bottom = np.ceil(points.max(axis=0))
    return Box(
        top=int(max(top, 0)),
        left=int(max(left, 0)),
        bottom=int(min(bottom, size.height)),
        right=int(min(right, size.width)),
    )


def _fill_band(edges: Ring, band: Box, fill: Fill) -> Mask:
    rows, columns = band.shape
    # One more column takes the cuts on the right of the box, which change nothing inside it.
    turns = np.zeros((rows, columns + 1), dtype=np.int32)
    for row, x, direction in _cuts(edges, band):
        column = np.clip(np.ceil(x - 0.5), band.left, band.right).astype(np.int64) - band.left
        place = (row - band.top) * (columns + 1) + column
        np.add.at(turns.reshape(-1), place, direction)
    np.cumsum(turns, axis=1, out=turns)
    if fill == "even-odd":
        turns &= 1
    inside: Mask = turns[:, :-1] != 0
    return inside


def _cuts(
    edges: Ring, band: Box
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32]]]:
    """Yield row, x and direction (1 down, -1 up) of every cut of an edge with a row's centre."""
    downwards = edges[:, 1] <= edges[:, 3]
    # Both shapes that share an edge see it from top to bottom, and so cut it at the same x.
    edges = np.where(downwards[:, None], edges, edges[:, [2, 3, 0, 1]])
    first = np.clip(np.ceil(edges[:, 1] - 0.5), band.top, band.bottom).astype(np.int64)
    end = np.clip(np.ceil(edges[:, 3] - 0.5), band.top, band.bottom).astype(np.int64)
    crossing = np.flatnonzero(end > first)
    reach = np.cumsum((end - first)[crossing])
    start = 0
    while start < len(crossing):
        done = reach[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(reach, done + CUTS_AT_ONCE)))
        chosen = crossing[start:stop]
        counts = (end - first)[chosen]
        edge = np.repeat(chosen, counts)
        before = np.repeat(np.cumsum(counts) - counts, counts)
        row = first[edge] + np.arange(len(edge)) - before
        x0, y0, x1, y1 = edges[edge].T
        direction = np.where(downwards[edge], 1, -1).astype(np.int32)
        yield row, x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0)), direction
        start = stop


def _fill_ellipse(x: float, y: float, rx: float, ry: float, degrees: float, size: Size) -> Patch:
    """Fill row by row between the two solutions of the ellipse's equation."""
    if rx <= 0 or ry <= 0:
        return EMPTY
    x, y = (min(max(value, -FARTHEST), FARTHEST) for value in (x, y))
    rx, ry = min(rx, FARTHEST), min(ry, FARTHEST)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    reach = np.array([math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)])
    box = _pixel_box(np.array([x, y]) + np.outer([-1, 1], reach), size)
    if 0 in box.shape:
        return EMPTY
    dy = np.arange(box.top, box.bottom) + 0.5 - y
    a = (cos / rx) ** 2 + (sin / ry) ** 2
    b = 2 * dy * cos * sin * (1 / rx**2 - 1 / ry**2)
    c = (dy**2) * ((sin / rx) ** 2 + (cos / ry) ** 2) - 1
    inside = b**2 - 4 * a * c
    half = np.sqrt(np.maximum(inside, 0.0)) / (2 * a)
    middle = x - b / (2 * a)
    centres = np.arange(box.left, box.right) + 0.5
    left, right = (middle - half)[:, None], (middle + half)[:, None]
    cells = (centres >= left) & (centres <= right) & (inside >= 0)[:, None]
    return Patch(box.top, box.left, cells)
