"""What is the outline of a set of pixels, exactly along their edges?"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.formats.shape_outlines import Ring, ring_area

Corner = tuple[int, int]


def pixels_to_rings(pixels: NDArray[np.bool_]) -> list[Ring]:
    """Return the outer outlines of the parts of a set of pixels, the largest first.

    Outlines run clockwise on the screen along pixel edges, with vertices at corners only; pixels
    that touch by a corner are of one part. Holes are left out.

    Parameters
    ----------
    pixels : array, shape (height, width)
        True inside.
    """
    ways = _edges(pixels)
    rings = []
    # In reading order a ring is met first at its topmost left corner, where no two ways cross.
    for start in sorted(ways, key=lambda corner: (corner[1], corner[0])):
        if start in ways:
            ring = _walk(ways, start)
            if ring_area(ring) > 0:  # a hole runs the other way round
                rings.append(ring)
    return sorted(rings, key=ring_area, reverse=True)


def _edges(pixels: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Return corner -> next corners, with the inside on the right hand."""
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
        for y, x in np.argwhere(inside & ~neighbour).tolist():
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
