"""What are the outlines of a set of pixels, exactly along their edges?

Coordinates are natural pixels: origin at the top left corner of the first pixel, x right, y down.
A ring is closed: its last vertex is joined to the first, which is not repeated.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ring = list[tuple[float, float]]
Corner = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """Pixels that hang together, be it by a corner.

    Attributes
    ----------
    outer : Ring
        Clockwise on the screen, with vertices at corners only.
    holes : tuple of Ring
        The other way round, the largest first.
    """

    outer: Ring
    holes: tuple[Ring, ...] = ()

    @property
    def area(self) -> float:
        """Pixels of the part, without its holes."""
        return ring_area(self.outer) + sum(map(ring_area, self.holes))


def ring_area(ring: Sequence[tuple[float, float]]) -> float:
    """Return the signed area of a ring: positive when it runs clockwise on the screen."""
    return (
        math.fsum(
            x1 * y2 - x2 * y1
            for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], *ring[:1]], strict=True)
        )
        / 2
    )


def pixels_to_rings(pixels: NDArray[np.bool_]) -> list[Ring]:
    """Return the outer outlines of the parts of a set of pixels, the largest first.

    Parameters
    ----------
    pixels : array, shape (height, width)
        True inside.
    """
    return [ring for ring in _rings(pixels) if ring_area(ring) > 0]


def pixels_to_parts(pixels: NDArray[np.bool_]) -> list[Part]:
    """Return the parts of a set of pixels with their holes, the one with the largest outline first.

    Parameters
    ----------
    pixels : array, shape (height, width)
        True inside. Parts touch nowhere, not even by a corner.
    """
    rings = _rings(pixels)
    outers = [ring for ring in rings if ring_area(ring) > 0]
    holes: list[list[Ring]] = [[] for _ in outers]
    boxes = [
        (*map(min, zip(*ring, strict=True)), *map(max, zip(*ring, strict=True))) for ring in outers
    ]
    for hole in reversed(rings[len(outers) :]):
        place = _pixel_beside(hole)
        # An outline that encloses the part itself is larger than the part's own.
        for which in range(len(outers) - 1, -1, -1):
            left, top, right, bottom = boxes[which]
            if left < place[0] < right and top < place[1] < bottom and _holds(outers[which], place):
                holes[which].append(hole)
                break
    return [Part(outer, tuple(inner)) for outer, inner in zip(outers, holes, strict=True)]


def _rings(pixels: NDArray[np.bool_]) -> list[Ring]:
    """Return outer outlines, the largest first, then holes, which run the other way round."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not len(rows):
        return []
    # A small object in a large picture costs what the object costs.
    top, left = int(rows[0]), int(columns[0])
    ways = _edges(pixels[top : rows[-1] + 1, left : columns[-1] + 1], (left, top))
    rings = []
    # In reading order a ring is met first at its topmost left corner, where no two ways cross.
    for start in sorted(ways, key=lambda corner: (corner[1], corner[0])):
        if start in ways:
            rings.append(_walk(ways, start))
    return sorted(rings, key=ring_area, reverse=True)


def _pixel_beside(hole: Ring) -> tuple[float, float]:
    """Return the centre of a pixel of the part, just outside its hole."""
    (x0, y0), (x1, y1) = hole[0], hole[1]
    dx, dy = np.sign(x1 - x0), np.sign(y1 - y0)
    # The inside of the part is on the right hand of the way.
    return float(x0 + (dx - dy) / 2), float(y0 + (dy + dx) / 2)


def _holds(ring: Ring, place: tuple[float, float]) -> bool:
    """Whether a place that lies on no edge is inside a ring of upright edges."""
    x, y = place
    cuts = 0
    for (x0, y0), (_, y1) in zip(ring, [*ring[1:], *ring[:1]], strict=True):
        cuts += x0 > x and (y0 < y) != (y1 < y)
    return cuts % 2 == 1


def _edges(pixels: NDArray[np.bool_], corner: Corner) -> dict[Corner, list[Corner]]:
    """Return corner -> next corners, with the inside on the right hand.

    `corner` is where the pixels lie in the picture, as x and y.
    """
    padded = np.pad(pixels, 1)
    inside = padded[1:-1, 1:-1]
    ways: dict[Corner, list[Corner]] = defaultdict(list)
    # Of each pixel whose neighbour is outside: the edge between them, as offsets from its corner.
    for neighbour, (x0, y0), (x1, y1) in (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),
        (padded[1:-1, 2:], (1, 0), (1, 1)),
        (padded[2:, 1:-1], (1, 1), (0, 1)),
        (padded[1:-1, :-2], (0, 1), (0, 0)),
    ):
        for y, x in (np.argwhere(inside & ~neighbour) + corner[::-1]).tolist():
            ways[x + x0, y + y0].append((x + x1, y + y1))
    return ways


def _walk(ways: dict[Corner, list[Corner]], start: Corner) -> Ring:
    """Take one closed way out of `ways` and return its vertices."""
    here, step = start, (0, 0)
    ring: Ring = []
    while True:
        choices = ways[here]
        # Where two pixels touch by a corner two ways go on; the left turn keeps them together.
        left = (here[0] + step[1], here[1] - step[0])
        there = left if left in choices else choices[0]
        choices.remove(there)
        if not choices:
            del ways[here]
        turned = (there[0] - here[0], there[1] - here[1])
        if turned != step:
            ring.append((float(here[0]), float(here[1])))
        here, step = there, turned
        if here == start:
            return ring
