"""How far apart do two surfaces lie, but for the farthest 5 %? HD95, weighted by area.

As DeepMind's `surface-distance`, which the BraTS challenges use: surface elements sit on the
corners between voxels, each has the distance to the nearest element of the other surface, and the
percentile is taken over area, not over elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.overlap import Bools, check_same_shape
from zooassist_training.evaluation.masks.surface_elements import BITS_2D, BITS_3D, element_sizes

Floats = NDArray[np.float64]


def hd95(
    predicted: Bools, truth: Bools, spacing: Sequence[float], *, percent: float = 95.0
) -> float:
    """Return the larger of the two directed distances at a percentile of the surface.

    Parameters
    ----------
    predicted, truth : arrays of bool, shape (height, width) or (slices, height, width)
    spacing : floats, one per axis
        Distance of neighbours; need not be equal.
    percent : float
        100 is the (voxel corner) Hausdorff distance.

    Returns
    -------
    float
        In the unit of `spacing`. 0 when both masks are empty, infinite when one is.

    Raises
    ------
    BadInput
        For shapes that differ, or another number of dimensions.
    """
    check_same_shape(predicted, truth)
    check_spacing(spacing, truth.ndim)
    box = bounding_box(predicted | truth)
    if box is None:
        return 0.0
    if not (predicted[box].any() and truth[box].any()):
        return math.inf
    return max(
        _at_percentile(*surface_distances(predicted[box], truth[box], spacing), percent),
        _at_percentile(*surface_distances(truth[box], predicted[box], spacing), percent),
    )


def surface_distances(start: Bools, goal: Bools, spacing: Sequence[float]) -> tuple[Floats, Floats]:
    """Return how far each surface element of one mask lies from the surface of another.

    Parameters
    ----------
    start, goal : arrays of bool, one shape of 2 or 3 dimensions

    Returns
    -------
    distances, sizes : arrays of shape (elements,)
        In the unit of `spacing` (infinite where `goal` is empty), and each element's length or
        area.
    """
    step = tuple(float(each) for each in spacing)
    ours, our_sizes = _surface(start, step)
    theirs, _ = _surface(goal, step)
    if not theirs.any():
        return np.full(int(ours.sum()), math.inf), our_sizes[ours]
    return _distances(ours, theirs, step), our_sizes[ours]


def check_spacing(spacing: Sequence[float], dimensions: int) -> None:
    """Refuse a spacing that is not one positive length per axis."""
    if dimensions not in (2, 3):
        raise BadInput(f"expected a mask of 2 or 3 dimensions, got {dimensions}")
    sound = all(math.isfinite(each) and each > 0 for each in spacing)
    if len(spacing) != dimensions or not sound:
        raise BadInput(
            f"spacing: expected {dimensions} positive lengths, one per axis, got {list(spacing)}"
        )


def bounding_box(mask: Bools) -> tuple[slice, ...] | None:
    """Return the smallest box around what is set, None when nothing is."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(each for each in range(mask.ndim) if each != axis)
        places = np.flatnonzero(mask.any(axis=others))
        if not len(places):
            return None
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(box)


def _surface(mask: Bools, spacing: tuple[float, ...]) -> tuple[Bools, Floats]:
    """Return which corners between voxels lie on the surface, and the surface's size at each."""
    bits = BITS_2D if mask.ndim == 2 else BITS_3D
    padded = np.pad(mask, 1)
    codes = np.zeros(tuple(side + 1 for side in mask.shape), dtype=np.uint8)
    for offset in np.ndindex(bits.shape):
        part = tuple(slice(at, at + side) for at, side in zip(offset, codes.shape, strict=True))
        codes += padded[part] * bits[offset]
    full = (1 << bits.size) - 1
    return (codes != 0) & (codes != full), element_sizes(spacing)[codes]


def _distances(start: Bools, goal: Bools, spacing: tuple[float, ...]) -> Floats:
    # Imported here: scipy is of an extra, and overlap alone needs none.
    from scipy import ndimage

    nearest: Floats = ndimage.distance_transform_edt(~goal, sampling=spacing)[start]
    return nearest


def _at_percentile(distances: Floats, sizes: Floats, percent: float) -> float:
    order = np.argsort(distances, kind="stable")
    reached = np.cumsum(sizes[order])
    place = int(np.searchsorted(reached / reached[-1], percent / 100))
    return float(distances[order[min(place, len(order) - 1)]])
