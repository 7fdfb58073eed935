"""Which shapes survive the classifier, and how is one that would not be mended?

The classifier removes a mark that is too small when the volunteer presses Done, and drops short
freehand paths while submitting; neither says so to anybody. Limits from the front-end-monorepo's
mark models, checked by running them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from zooassist_plugin.presenters.clipping import clip
from zooassist_plugin.presenters.presented import FrameSize, Unpresentable
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Polygon,
    Rectangle,
    RotateRectangle,
    Shape,
    Vertex,
)

MINIMUM_EXTENT = 5.0
"""Pixels: a line, half axis, width or height has to be longer; a radius at least as long."""

MINIMUM_PATH_POINTS = 20
"""A freehand path with fewer points is dropped while submitting."""

DENSIFIED_PATH_POINTS = 24
"""What a short path is filled up to: a closed path needs more than 20 to be seen as closed."""

CLOSED_WITHIN = 10.0
"""Pixels between a path's ends within which the classifier treats it as closed."""

MAXIMUM_VERTICES = 60
"""Each vertex of a polygon is a handle to drag; beyond about 60 they cannot be used."""

THINNING_TOLERANCE = 0.5
"""Pixels that a thinned outline may deviate at first; doubled until few enough vertices remain."""

LARGEST_NUMBER = 1_000_000.0
"""No image is that wide; a larger number is an error of the model's, and would overflow here."""

DECIMALS = 2
"""The classifier rounds polygons and paths to hundredths of a pixel; we round everything so."""


def mend(shape: Shape, size: FrameSize | None = None) -> tuple[Shape | None, tuple[str, ...]]:
    """Return the shape as the classifier will keep it, or None, and what was done to it.

    The order is: clip to the frame, thin or fill up, round to 2 decimals, check the minimum.

    Raises
    ------
    Unpresentable
        When a coordinate is not a finite number, or lies past every image.
    """
    _require_pixels(shape)
    notes: list[str] = []
    if size is not None:
        clipped = clip(shape, size)
        if clipped is None:
            return None, (f"lies outside the {size[0]} x {size[1]} px frame, left out",)
        if clipped != shape:
            notes.append(f"clipped to the {size[0]} x {size[1]} px frame")
        shape = clipped
    match shape:
        case Polygon(points=points):
            thinned, tolerance = thin(_without_repeats(points))
            if tolerance:
                notes.append(
                    f"thinned from {len(points)} to {len(thinned)} vertices "
                    f"(at most {tolerance:g} px off)"
                )
            shape = Polygon(points=_without_repeats([_rounded_vertex(p) for p in thinned]))
        case FreehandLine(points=points):
            filled = fill_up(points)
            if len(filled) > len(points):
                notes.append(f"path filled up from {len(points)} to {len(filled)} points")
            shape = FreehandLine(points=tuple(_rounded_vertex(p) for p in filled))
        case Ellipse(rx=rx, ry=ry, angle=angle) if round_number(rx) <= MINIMUM_EXTENT < ry:
            # Only the first half axis is checked, so the longer one has to come first.
            turned = (angle + 90) % 360
            shape = _rounded(shape.model_copy(update={"rx": ry, "ry": rx, "angle": turned}))
            notes.append("axes swapped so that the longer one comes first")
        case _:
            shape = _rounded(shape)
    lost = why_lost(shape)
    return (None, (*notes, f"{lost}, left out")) if lost else (shape, tuple(notes))


def why_lost(shape: Shape) -> str | None:
    """Return why the classifier would remove this shape unasked, None when it keeps it."""
    least = MINIMUM_EXTENT
    match shape:
        case Line(x1=x1, y1=y1, x2=x2, y2=y2) if math.hypot(x2 - x1, y2 - y1) <= least:
            return f"line not longer than {least:g} px"
        case Circle(r=r) if r < least:
            return f"radius under {least:g} px"
        case Ellipse(rx=rx, ry=ry) if rx <= least or ry <= 0:
            return f"first half axis not over {least:g} px, or second not over 0"
        case Rectangle(width=w, height=h) | RotateRectangle(width=w, height=h) if (
            w <= least or h <= least
        ):
            return f"width or height not over {least:g} px"
        case Polygon(points=points) if len(set(points)) < 3:
            return "fewer than 3 distinct vertices"
        case FreehandLine(points=points) if len(set(points)) < 2:
            return "path without length"
        case FreehandLine(points=points) if len(points) < MINIMUM_PATH_POINTS:
            return f"fewer than {MINIMUM_PATH_POINTS} points"
    return None


def fill_up(points: Sequence[Vertex]) -> tuple[Vertex, ...]:
    """Put points into the longest segments of a short path, so that its form stays exactly.

    A path of 20 points or more stays as it is, except a closed one of exactly 20: the classifier
    would take that one for open.
    """
    path = list(points)
    closed = len(path) > 2 and math.dist(path[0], path[-1]) <= CLOSED_WITHIN
    enough = MINIMUM_PATH_POINTS + (1 if closed else 0)
    if len(path) >= enough or len(set(path)) < 2:
        return tuple(path)
    while len(path) < DENSIFIED_PATH_POINTS:
        lengths = [math.dist(a, b) for a, b in pairwise(path)]
        longest = lengths.index(max(lengths))
        (x1, y1), (x2, y2) = path[longest], path[longest + 1]
        path.insert(longest + 1, ((x1 + x2) / 2, (y1 + y2) / 2))
    return tuple(path)


def thin(points: Sequence[Vertex]) -> tuple[tuple[Vertex, ...], float]:
    """Return a closed outline of at most 60 vertices and the deviation in pixels it allowed.

    Douglas-Peucker on the two halves between the first vertex and the one farthest from it; the
    tolerance doubles from half a pixel until few enough vertices are left. 0 when nothing was done.
    """
    if len(points) <= MAXIMUM_VERTICES:
        return tuple(points), 0.0
    far = max(range(len(points)), key=lambda i: math.dist(points[0], points[i]))
    halves = [*points[: far + 1]], [*points[far:], points[0]]
    tolerance = THINNING_TOLERANCE
    while True:
        kept = [*_douglas_peucker(halves[0], tolerance)[:-1]]
        kept += _douglas_peucker(halves[1], tolerance)[:-1]
        if len(kept) <= MAXIMUM_VERTICES:
            return tuple(kept), tolerance
        tolerance *= 2


def _douglas_peucker(path: Sequence[Vertex], tolerance: float) -> list[Vertex]:
    keep = {0, len(path) - 1}
    spans = [(0, len(path) - 1)]
    while spans:
        start, end = spans.pop()
        if end - start < 2:
            continue
        distances = [_distance(path[i], path[start], path[end]) for i in range(start + 1, end)]
        worst = max(distances)
        if worst > tolerance:
            middle = start + 1 + distances.index(worst)
            keep.add(middle)
            spans += [(start, middle), (middle, end)]
    return [path[i] for i in sorted(keep)]


def _distance(point: Vertex, start: Vertex, end: Vertex) -> float:
    """Distance from a point to a line segment."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    square = dx * dx + dy * dy
    if square == 0:
        return math.dist(point, start)
    along = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / square
    along = min(1.0, max(0.0, along))
    return math.dist(point, (start[0] + along * dx, start[1] + along * dy))


def _without_repeats(points: Sequence[Vertex]) -> tuple[Vertex, ...]:
    """Drop a vertex equal to the one before it, and a last one equal to the first."""
    kept = [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]
    while len(kept) > 1 and kept[-1] == kept[0]:
        kept.pop()
    return tuple(kept)


def round_number(value: float) -> float:
    """Round to hundredths, without a negative zero."""
    return round(value, DECIMALS) + 0.0


def _rounded_vertex(vertex: Vertex) -> Vertex:
    return round_number(vertex[0]), round_number(vertex[1])


def _rounded(shape: Shape) -> Shape:
    numbers = {key: v for key, v in shape if isinstance(v, int | float)}
    return shape.model_copy(update={key: round_number(v) for key, v in numbers.items()})


def _require_pixels(shape: Shape) -> None:
    """Refuse what is no number of pixels, also in a shape that was made without validation."""
    values = [(key, value) for key, value in shape if key != "tool_type"]
    if isinstance(shape, Polygon | FreehandLine):
        flat = [number for vertex in shape.points for number in vertex]
        values = [("points", number) for number in flat]
    for key, value in values:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise Unpresentable(
                f"{shape.tool_type}.{key}: expected a finite number, got {value!r}; "
                "the classifier would draw and submit garbage"
            )
        if abs(value) > LARGEST_NUMBER:
            raise Unpresentable(
                f"{shape.tool_type}.{key}: expected pixels of an image, got {value!r}"
            )
