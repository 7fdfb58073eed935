"""How many epochs fit into a number of minutes? So that two networks get the same budget."""

from __future__ import annotations

import time
from collections.abc import Callable

# Epochs that are timed; the first step of a run is slow and is spread over them.
PILOT = 2


def epochs_within(
    minutes: float,
    train: Callable[[int], object],
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """Return how many epochs of a training take so long, at least one.

    Parameters
    ----------
    train : callable
        Trains so many epochs from the start.
    clock : callable
        Says the time in seconds.
    """
    start = clock()
    train(PILOT)
    each = (clock() - start) / PILOT
    return max(1, int(60 * minutes / each))
