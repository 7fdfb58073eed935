"""How do several cores read one export? Pieces go to threads, Arrow blocks come back in order.

Threads, not processes: nearly all the time is spent in Arrow, which works without the
interpreter's lock, and neither pieces nor blocks are copied from one process to another.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from zooassist_exporters.long_table.block import Block, Reading

# Pieces that wait beside those being read, so that no thread idles.
AHEAD: Final = 1


def cores() -> int:
    """Return how many threads may run at a time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_blocks(chunks: Iterator[bytes], reading: Reading, workers: int) -> Iterator[Block]:
    """Read pieces in `workers` threads; blocks come in the order of the pieces."""
    if workers == 1:
        yield from map(reading.read, chunks)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Block]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(reading.read, chunk))
            if len(waiting) > workers + AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
