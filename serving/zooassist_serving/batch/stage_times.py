"""How long did each stage of a shard take, second by second? Counted where the work is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

STAGES: Final = ("download", "predict", "write")


class StageTimes:
    """Counts items and seconds of each stage; safe to use from several threads.

    Parameters
    ----------
    clock : callable
        Seconds since 1970, for what is compared between machines.
    ticker : callable
        Seconds for how long something took.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        ticker: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock, self._ticker = clock, ticker
        self._lock = threading.Lock()
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._counts: dict[str, dict[int, int]] = {stage: {} for stage in STAGES}
        self._began = clock()

    @contextmanager
    def stage(self, name: str, items: int = 1) -> Iterator[None]:
        """Count the block as work of a stage on so many images."""
        start = self._ticker()
        yield
        self.add(name, items, self._ticker() - start)

    def add(self, name: str, items: int, seconds: float) -> None:
        """Count work that has ended now."""
        now = int(self._clock())
        with self._lock:
            self._seconds[name] += seconds
            self._counts[name][now] = self._counts[name].get(now, 0) + items

    def to_json(self) -> dict[str, Any]:
        """Return when it began and ended, busy seconds, and images per second of the clock."""
        with self._lock:
            return {
                "began": self._began,
                "ended": self._clock(),
                "busy_seconds": {name: round(value, 4) for name, value in self._seconds.items()},
                "images": {
                    name: [[second, count] for second, count in sorted(bins.items())]
                    for name, bins in self._counts.items()
                },
            }
