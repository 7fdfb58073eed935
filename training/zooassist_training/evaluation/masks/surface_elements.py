"""How large is the surface that passes between eight voxels, for each way to fill them?

The robust Hausdorff distance of BraTS weighs distances by the area of the surface they start from,
with the marching cubes surface of DeepMind's `surface-distance` (Apache-2.0). Its 256 areas follow
from 13 fillings: turning, mirroring and inverting a cube keeps its surface's form. So only those
are written down, as the triangles' normals; the rest is made from them.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Normal = tuple[int, int, int]
Spacing = tuple[float, ...]

# Weight of each of the 2 x 2 (x 2) neighbours in the code of a filling, first axis first.
BITS_3D: Final = np.array([[[128, 64], [32, 16]], [[8, 4], [2, 1]]], dtype=np.uint8)
BITS_2D: Final = np.array([[8, 4], [2, 1]], dtype=np.uint8)

# The smallest code of each class of fillings -> its triangles' normals, as absolute components in
# eighths of a voxel's face.
BASE_NORMALS: Final[dict[int, tuple[Normal, ...]]] = {
    1: ((1, 1, 1),),
    3: ((2, 2, 0), (2, 2, 0)),
    6: ((1, 1, 1), (1, 1, 1)),
    7: ((1, 1, 1), (2, 2, 2), (4, 0, 0)),
    15: ((4, 0, 0), (4, 0, 0)),
    22: ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    23: ((1, 1, 1), (1, 1, 1), (2, 2, 2), (2, 2, 2)),
    24: ((1, 1, 1), (1, 1, 1)),
    25: ((0, 2, 2), (0, 2, 2), (1, 1, 1)),
    27: ((0, 2, 2), (1, 1, 1), (2, 0, 2), (3, 3, 3)),
    30: ((1, 1, 1), (1, 1, 1), (2, 2, 2), (4, 0, 0)),
    60: ((2, 2, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0)),
    105: ((1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
}


def element_sizes(spacing: Spacing) -> NDArray[np.float64]:
    """Return the size of the surface in every filling of 2 x 2 or 2 x 2 x 2 neighbours.

    Parameters
    ----------
    spacing : 2 or 3 floats
        Distance of neighbours along each axis.

    Returns
    -------
    array of shape (16,) or (256,)
        Contour lengths in the unit of `spacing`, or surface areas in its square.
    """
    return _lengths(*spacing) if len(spacing) == 2 else _areas(*spacing)


@cache
def _areas(first: float, second: float, third: float) -> NDArray[np.float64]:
    faces = np.array([second * third, first * third, first * second])
    areas = np.zeros(256)
    for code, normals in _all_normals().items():
        areas[code] = sum(math.hypot(*(np.array(normal) / 8 * faces)) for normal in normals)
    return areas


@cache
def _lengths(first: float, second: float) -> NDArray[np.float64]:
    """Corners cut diagonally, edges straight; two opposite corners are cut one by one."""
    diagonal = 0.5 * math.hypot(first, second)
    lengths = np.zeros(16)
    lengths[[1, 2, 4, 8, 7, 11, 13, 14]] = diagonal
    lengths[[3, 12]] = second
    lengths[[5, 10]] = first
    lengths[[6, 9]] = 2 * diagonal
    return lengths


@cache
def _all_normals() -> dict[int, tuple[Normal, ...]]:
    found: dict[int, tuple[Normal, ...]] = {}
    turns = itertools.permutations(range(3))
    mirrors = [axes for n in range(4) for axes in itertools.combinations(range(3), n)]
    for turn, (base, normals) in itertools.product(turns, BASE_NORMALS.items()):
        filling = ((BITS_3D & base) > 0).transpose(turn)
        turned = tuple((n[turn[0]], n[turn[1]], n[turn[2]]) for n in normals)
        for axes in mirrors:
            code = int(BITS_3D[np.flip(filling, axes)].sum())
            found[code] = found[255 - code] = turned
    return found
