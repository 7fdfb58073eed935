"""How do several processes read one export? Pieces go out, Arrow blocks come back in order."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import Final

from zooassist_exporters.long_table.block import Block, Reading

# Below this many pieces a second process starts too late to help.
MIN_CHUNKS: Final = 6
# Pieces that wait for each process, so that none of them idles.
AHEAD: Final = 2

# Set once in each process: the workflow export is sent there once, not with every piece.
_readings: list[Reading] = []


def cores() -> int:
    """Return how many processes may run at a time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_blocks(chunks: Iterator[bytes], reading: Reading, workers: int) -> Iterator[Block]:
    """Read pieces in `workers` processes, or in this one when there are few; in order."""
    first = list(islice(chunks, MIN_CHUNKS if workers > 1 else 0))
    if len(first) < MIN_CHUNKS:
        yield from map(reading.read, first)
        yield from map(reading.read, chunks)
        return
    # Not forked: this process may have threads, whose locks a copy would never see released.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=_prepare, initargs=(reading,)
    ) as pool:
        yield from _in_order(pool, first, workers)
        yield from _in_order(pool, chunks, workers)


def _in_order(pool: ProcessPoolExecutor, chunks: Iterable[bytes], workers: int) -> Iterator[Block]:
    waiting: deque[Future[Block]] = deque()
    for chunk in chunks:
        waiting.append(pool.submit(_read, chunk))
        if len(waiting) > workers + AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _prepare(reading: Reading) -> None:
    _readings[:] = [reading]


def _read(chunk: bytes) -> Block:
    return _readings[0].read(chunk)
