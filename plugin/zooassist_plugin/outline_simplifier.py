"""How is an outline drawn with fewer vertices, without growing, shrinking or crossing itself?

Two neighbouring vertices are replaced by one that leaves the enclosed area as it is, first where
least area moves (Kronenfeld et al. 2020, "Simplification of polylines by segment collapse"). The
staircase along pixel edges so becomes the slanted line in its middle, where leaving out vertices
(Douglas and Peucker) would cut corners off every convex object.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zooassist_plugin.errors import BadInput
from zooassist_plugin.pixel_outlines import Ring, ring_area

Vertex = tuple[float, float]

DISPLACED: Final = 0.03
"""Share of an object's area that may change sides, so that its IoU stays above 0.97."""

HALF_PIXEL: Final = 0.5
"""An outline that lies off by less encloses the same pixel centres, however small the object."""

LEAST_VERTICES: Final = 4


@dataclass(frozen=True)
class Simplified:
    """An outline with fewer vertices.

    Attributes
    ----------
    deviation : float
        Pixels; no vertex of the given outline lies farther from the new one.
    displaced : float
        Square pixels that changed sides, at most.
    """

    ring: Ring
    deviation: float
    displaced: float


def simplify(
    ring: Sequence[Vertex], tolerance: float, most: int, *, displaced: float = DISPLACED
) -> Simplified:
    """Simplify a closed outline.

    Vertices go as long as the outline stays within `tolerance` and little area changes sides; and
    farther than that, until at most `most` are left.

    Parameters
    ----------
    ring : sequence of (x, y)
        Crosses itself nowhere; the last vertex is joined to the first.
    tolerance : float
        Pixels.
    most : int
        4 or more.
    displaced : float
        Share of the enclosed area; what moves by less than `HALF_PIXEL` does not count.

    Returns
    -------
    Simplified
        Encloses the same area, unless no way was left that does not cross itself.
    """
    if tolerance < 0 or most < LEAST_VERTICES:
        raise BadInput(
            f"outline: expected a tolerance of 0 or more and at least {LEAST_VERTICES} vertices, "
            f"got {tolerance} and {most}"
        )
    allowed = displaced * abs(ring_area(ring))
    loose = _Collapsing(ring, careful=False).run(tolerance, most, allowed)
    if _is_simple(loose.ring):
        return loose
    return _Collapsing(ring, careful=True).run(tolerance, most, allowed)


@dataclass(frozen=True)
class _Collapse:
    """Replacing the vertices `b` and `c` by `place`."""

    b: int
    c: int
    place: Vertex
    moved: float


class _Collapsing:
    """A ring as a linked list, and a queue of what can be collapsed.

    Every vertex knows which vertex of the given outline it stands for, so that the deviation is
    that from the given outline, however often a piece is collapsed.
    """

    def __init__(self, ring: Sequence[Vertex], *, careful: bool) -> None:
        count = len(ring)
        self._given = list(ring)
        self._careful = careful
        self._place: list[Vertex] = list(ring)
        self._origin = list(range(count))
        self._before = [i - 1 for i in range(count)]
        self._before[0] = count - 1
        self._after = [*range(1, count), 0]
        self._alive = [True] * count
        self._age = [0] * count
        self._left = count
        self._queue: list[tuple[float, int, int, int, _Collapse]] = []

    def run(self, tolerance: float, most: int, allowed: float) -> Simplified:
        """Collapse until nothing may go any more."""
        for vertex in range(len(self._place)):
            self._offer(vertex)
        moved = spent = deviation = 0.0
        refused: list[tuple[float, int, int, int, _Collapse]] = []
        while self._queue and self._left > LEAST_VERTICES:
            entry = heapq.heappop(self._queue)
            _, _, age_b, age_c, best = entry
            if not self._is_current(best, age_b, age_c):
                continue
            # Asked only now: most of what is queued is overtaken before its turn.
            off = self._deviation(best)
            costs = best.moved if off >= HALF_PIXEL else 0.0
            within = off <= tolerance and spent + costs <= allowed
            if self._left <= most and not within:
                continue
            if self._careful and self._crosses(best):
                refused.append(entry)
                continue
            self._apply(best)
            moved, spent = moved + best.moved, spent + costs
            deviation = max(deviation, off)
            # What crossed something may have become free.
            for each in refused:
                heapq.heappush(self._queue, each)
            refused = []
        return Simplified(self._ring(), deviation, moved)

    def _ring(self) -> Ring:
        start = vertex = self._alive.index(True)
        ring = []
        while True:
            ring.append(self._place[vertex])
            vertex = self._after[vertex]
            if vertex == start:
                return ring

    def _is_current(self, best: _Collapse, age_b: int, age_c: int) -> bool:
        return (
            self._alive[best.b]
            and self._alive[best.c]
            and (self._age[best.b], self._age[best.c]) == (age_b, age_c)
        )

    def _offer(self, b: int) -> None:
        """Queue the collapse of the edge from `b` to the next vertex."""
        c = self._after[b]
        first, last = self._before[b], self._after[c]
        if len({first, b, c, last}) < 4:
            return
        pa, pb, pc, pd = (self._place[i] for i in (first, b, c, last))
        found = _best_place(pa, pb, pc, pd)
        if found is None:
            return
        moved, place = found
        best = _Collapse(b, c, place, moved)
        heapq.heappush(self._queue, (moved, b, self._age[b], self._age[c], best))

    def _deviation(self, best: _Collapse) -> float:
        """Largest distance of the given vertices between two kept ones from the new path."""
        first, last = self._before[best.b], self._after[best.c]
        pa, pb, pc, pd = (self._place[i] for i in (first, best.b, best.c, last))
        place = best.place
        # Far spikes come from sides that are almost parallel.
        worst = min(_to_segment(place, *edge) for edge in ((pa, pb), (pb, pc), (pc, pd)))
        count = len(self._given)
        at, end = (self._origin[first] + 1) % count, self._origin[last]
        while at != end:
            point = self._given[at]
            worst = max(worst, min(_to_segment(point, pa, place), _to_segment(point, place, pd)))
            at = (at + 1) % count
        return worst

    def _apply(self, best: _Collapse) -> None:
        b, c = best.b, best.c
        first, last = self._before[b], self._after[c]
        self._place[b] = best.place
        count = len(self._given)
        span = [
            (self._origin[first] + i) % count
            for i in range(1, (self._origin[last] - self._origin[first]) % count)
        ]
        self._origin[b] = min(span, key=lambda i: math.dist(self._given[i], best.place))
        self._alive[c] = False
        self._after[b], self._before[last] = last, b
        self._left -= 1
        for vertex in (first, b, last):
            self._age[vertex] += 1
        for vertex in (self._before[first], first, b, last):
            self._offer(vertex)

    def _crosses(self, best: _Collapse) -> bool:
        """Whether the two new edges would touch any other edge."""
        b, c = best.b, best.c
        first, last = self._before[b], self._after[c]
        pa, pd = self._place[first], self._place[last]
        vertex = last
        while vertex != first:
            following = self._after[vertex]
            one, other = self._place[vertex], self._place[following]
            if vertex != last and _touch(best.place, pd, one, other):
                return True
            if following != first and _touch(pa, best.place, one, other):
                return True
            vertex = following
        return False


def _best_place(a: Vertex, b: Vertex, c: Vertex, d: Vertex) -> tuple[float, Vertex] | None:
    """Return the area that moves, and where one vertex between `a` and `d` leaves the area equal.

    All such places are on a line along a-d; those on the lines a-b and c-d move least.
    """
    # p x + q y + r = 0
    p, q = d[1] - a[1], a[0] - d[0]
    r = -b[1] * a[0] + (a[1] - c[1]) * b[0] + (b[1] - d[1]) * c[0] + c[1] * d[0]
    places = [_cut(p, q, r, a, b), _cut(p, q, r, c, d)]
    found = [(_moved(a, b, c, d, place), place) for place in places if place is not None]
    return min(found, default=None)


def _cut(p: float, q: float, r: float, one: Vertex, other: Vertex) -> Vertex | None:
    dx, dy = other[0] - one[0], other[1] - one[1]
    slope = p * dx + q * dy
    if abs(slope) < 1e-12:
        return None
    along = -(p * one[0] + q * one[1] + r) / slope
    return one[0] + along * dx, one[1] + along * dy


def _moved(a: Vertex, b: Vertex, c: Vertex, d: Vertex, e: Vertex) -> float:
    """Area that can at most lie between the paths a-b-c-d and a-e-d."""
    return (abs(_turn(a, b, e)) + abs(_turn(b, c, e)) + abs(_turn(c, d, e))) / 2


def _turn(a: Vertex, b: Vertex, c: Vertex) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _to_segment(point: Vertex, start: Vertex, end: Vertex) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    square = dx * dx + dy * dy
    if square == 0:
        return math.dist(point, start)
    along = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / square
    along = min(1.0, max(0.0, along))
    return math.dist(point, (start[0] + along * dx, start[1] + along * dy))


def _touch(a: Vertex, b: Vertex, c: Vertex, d: Vertex) -> bool:
    """Whether two segments have a point in common."""
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    one, two = _turn(a, b, c), _turn(a, b, d)
    three, four = _turn(c, d, a), _turn(c, d, b)
    return one * two <= 0 and three * four <= 0


def _is_simple(ring: Sequence[Vertex]) -> bool:
    """Whether no two edges of a ring touch that are not neighbours."""
    count = len(ring)
    edges = [(ring[i], ring[(i + 1) % count]) for i in range(count)]
    for i in range(count):
        for j in range(i + 2, count - (i == 0)):
            if _touch(*edges[i], *edges[j]):
                return False
    return True
