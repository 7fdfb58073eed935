"""How many epochs fit into a number of minutes? So that two networks get the same budget."""

from __future__ import annotations

import time
from collections.abc import Callable

# Epochs that are timed; the first step of a run is slow and is spread over them.
PILOT = 2


def epochs_within(minutes: float, train: Callable[[int], object]) -> int:
    """Return how many epochs of a training take so long.

    Parameters
    ----------
    train : callable
        Trains so many epochs from the start.
    """
    start = time.perf_counter()
    train(PILOT)
    each = (time.perf_counter() - start) / PILOT
    return max(1, int(60 * minutes / each))
