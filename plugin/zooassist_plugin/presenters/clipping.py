"""What of a shape lies inside its frame?

The classifier accepts, shows and submits coordinates outside the image; a consumer of the marks
then has to cut them. So we cut them first, where the frame's size is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from zooassist_plugin.presenters.presented import FrameSize
from zooassist_plugin.shapes import (
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    Shape,
    Vertex,
)


def clip(shape: Shape, size: FrameSize) -> Shape | None:
    """Return the part of a shape inside a frame, None when nothing of it is.

    Parameters
    ----------
    size : (int, int)
        Width and height in natural pixels.

    Notes
    -----
    Polygons, rectangles and lines are cut exactly; a freehand path is pulled to the border, which
    keeps it in one piece. Circles, ellipses and turned rectangles cannot be cut and stay as they
    are if their centre lies inside.
    """
    width, height = size
    match shape:
        case Point(x=x, y=y):
            return shape if _inside((x, y), size) else None
        case Line(x1=x1, y1=y1, x2=x2, y2=y2):
            ends = _clip_segment((x1, y1), (x2, y2), size)
            if ends is None:
                return None
            (x1, y1), (x2, y2) = ends
            return Line(x1=x1, y1=y1, x2=x2, y2=y2)
        case Rectangle(x_center=x, y_center=y, width=w, height=h):
            left, right = max(0.0, x - w / 2), min(float(width), x + w / 2)
            top, bottom = max(0.0, y - h / 2), min(float(height), y + h / 2)
            if right <= left or bottom <= top:
                return None
            if (right - left, bottom - top) == (w, h):
                return shape
            return Rectangle(
                x_center=(left + right) / 2,
                y_center=(top + bottom) / 2,
                width=right - left,
                height=bottom - top,
            )
        case Polygon(points=points):
            if all(_inside(point, size) for point in points):
                return shape
            inside = _clip_polygon(points, size)
            return Polygon(points=inside) if inside else None
        case FreehandLine(points=points):
            if not any(_inside(point, size) for point in points):
                return None
            pulled = tuple(
                (min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in points
            )
            return shape if pulled == points else FreehandLine(points=pulled)
        case _:
            return shape if _inside((shape.x_center, shape.y_center), size) else None


def _inside(point: Vertex, size: FrameSize) -> bool:
    return 0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]


def _clip_segment(start: Vertex, end: Vertex, size: FrameSize) -> tuple[Vertex, Vertex] | None:
    """Cut a segment at the frame's four borders (Liang and Barsky 1984)."""
    if _inside(start, size) and _inside(end, size):
        return start, end
    first, last = 0.0, 1.0
    for axis in (0, 1):
        step = end[axis] - start[axis]
        for room, towards in ((start[axis], -step), (size[axis] - start[axis], step)):
            if towards == 0:
                if room < 0:
                    return None
            elif towards > 0:
                last = min(last, room / towards)
            else:
                first = max(first, room / towards)
    if first >= last:
        return None

    def at(share: float) -> Vertex:
        return (
            start[0] + share * (end[0] - start[0]),
            start[1] + share * (end[1] - start[1]),
        )

    return at(first), at(last)


def _clip_polygon(points: Sequence[Vertex], size: FrameSize) -> tuple[Vertex, ...]:
    """Cut a polygon at the frame's four borders (Sutherland and Hodgman 1974)."""
    kept = list(points)
    for axis in (0, 1):
        for border, sign in ((0.0, 1), (float(size[axis]), -1)):
            entering, kept = kept, []
            for i, here in enumerate(entering):
                before = entering[i - 1]
                is_in, was_in = ((p[axis] - border) * sign >= 0 for p in (here, before))
                if is_in != was_in:
                    share = (border - before[axis]) / (here[axis] - before[axis])
                    other = before[1 - axis] + share * (here[1 - axis] - before[1 - axis])
                    kept.append((border, other) if axis == 0 else (other, border))
                if is_in:
                    kept.append(here)
    return tuple(kept)
