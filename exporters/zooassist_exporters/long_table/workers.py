"""How do several cores work on one export? Pieces go to threads, results come back in order.

Threads, not processes: nearly all the time is spent in Arrow, which works without the
interpreter's lock, and neither pieces nor blocks are copied from one process to another.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Pieces that wait beside those being read, so that no thread idles.
AHEAD: Final = 1


def cores() -> int:
    """Return how many threads may run at a time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Do a piece of work for each item in `workers` threads; results come in the items' order."""
    if workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers + AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
