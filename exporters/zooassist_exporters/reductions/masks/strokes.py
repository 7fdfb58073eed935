"""Which strokes make one outline? Ends that lie closest are joined until every outline is closed.

The first half of CRIA, "contour regression by interior averages" (Spiers et al. 2021, Traffic): a
volunteer may draw one outline in several strokes, in any order and direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.rasterise import Ring

# All pairs of ends are compared; past this a volunteer's strokes are closed one by one.
MOST_STROKES: Final = 1000


def join_strokes(strokes: Sequence[Ring]) -> list[Ring]:
    """Return closed outlines made of strokes.

    All distances between two ends (those of one stroke too) are taken in ascending order, and two
    ends are joined when both are still free; equal distances in the order of the strokes.

    Parameters
    ----------
    strokes : sequence of arrays, shape (points, 2)
        x and y along each stroke; a stroke without points is left out.

    Returns
    -------
    list of arrays, shape (points, 2)
        One ring per outline, the first point not repeated; in the order of their first strokes.
    """
    strokes = [stroke for stroke in strokes if len(stroke)]
    if len(strokes) < 2 or len(strokes) > MOST_STROKES:
        return list(strokes)
    # End 2 i is the start of stroke i, end 2 i + 1 its last point.
    ends = np.stack([stroke[[0, -1]] for stroke in strokes]).reshape(-1, 2)
    partner = _partners(ends)
    rings = []
    used = [False] * len(strokes)
    for first in range(len(strokes)):
        if used[first]:
            continue
        parts, end = [], 2 * first
        while not used[end // 2]:
            used[end // 2] = True
            stroke = strokes[end // 2]
            parts.append(stroke if end % 2 == 0 else stroke[::-1])
            end = int(partner[end ^ 1])
        rings.append(np.concatenate(parts))
    return rings


def _partners(ends: Ring) -> NDArray[np.int64]:
    """Return for each end the end that it is joined to."""
    one, other = np.triu_indices(len(ends), k=1)
    distance = np.hypot(*(ends[one] - ends[other]).T)
    partner = np.full(len(ends), -1, dtype=np.int64)
    for pair in np.argsort(distance, kind="stable"):
        a, b = one[pair], other[pair]
        if partner[a] < 0 and partner[b] < 0:
            partner[a], partner[b] = b, a
    return partner
