"""How good are volumes for every share of slices that went to people? Pure functions of counts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.slice_table import Floats, Ints
from zooassist_plugin.errors import BadInput


def qualities_by_sent(
    before: Ints, after: Ints, volumes: NDArray[np.str_], order: NDArray[np.intp]
) -> Floats:
    """Return the mean Dice of the volumes after none, one, two, … slices came back.

    Parameters
    ----------
    before, after : arrays of int, shape (slices, 4)
        Pixels in both, predicted only, true only, neither: of the proposals, and of what comes
        back. Of a perfect person nothing is left in the middle columns.
    volumes : array of str, shape (slices,)
    order : array of int, shape (slices,)
        Places of slices, first to be sent first.

    Returns
    -------
    array of shape (slices + 1,)
        A volume without object and prediction has 1.

    Raises
    ------
    BadInput
        When the numbers of slices differ.
    """
    if not len(before) or not len(before) == len(after) == len(volumes) == len(order):
        raise BadInput(
            f"quality: expected as many proposals, corrections, volumes and places, got "
            f"{len(before)}, {len(after)}, {len(volumes)}, {len(order)}"
        )
    _, groups = np.unique(volumes, return_inverse=True)
    # Per slice: twice what is right, and that with what is wrong; a Dice is their quotient.
    parts = [np.stack([2 * c[:, 0], 2 * c[:, 0] + c[:, 1] + c[:, 2]]) for c in (before, after)]
    count = int(groups.max()) + 1
    total = np.zeros(len(order) + 1)
    for group in range(count):
        inside = groups == group
        steps = np.where(inside[order], (parts[1] - parts[0])[:, order], 0)
        above, below = (
            np.concatenate([[first], first + np.cumsum(each)])
            for first, each in zip(parts[0][:, inside].sum(axis=1), steps, strict=True)
        )
        total += np.where(below > 0, above / np.maximum(below, 1), 1.0)
    return total / count


def share_reaching(qualities: Floats, target: float) -> float:
    """Return the least share of slices from which on a quality is reached; infinite: it never is.

    Parameters
    ----------
    qualities : array of shape (slices + 1,)
        After none, one, two, … slices.
    """
    under = np.flatnonzero(qualities < target)
    if not len(under):
        return 0.0
    first = int(under[-1]) + 1
    return first / (len(qualities) - 1) if first < len(qualities) else math.inf


def at_shares(qualities: Floats, shares: Floats) -> Floats:
    """Return qualities at some shares, straight between the slices."""
    known = np.linspace(0, 1, len(qualities))
    return np.interp(shares, known, qualities)
