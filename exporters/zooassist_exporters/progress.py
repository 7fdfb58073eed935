"""How does long work show that it moves: bars on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES: Final = 10.0
# Drawing a bar costs more than reading a row.
SECONDS_BETWEEN_FRAMES: Final = 0.1

# Takes what is counted and how many there will be (None: unknown); returns "one more is done".
Start = Callable[[str, int | None], Callable[[], None]]


def silent(label: str, total: int | None) -> Callable[[], None]:
    """Show nothing."""
    return lambda: None


@contextmanager
def progress() -> Iterator[Start]:
    """Show the progress of the work in the block on standard error."""
    if not sys.stderr.isatty():
        yield _lines
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def start(label: str, total: int | None) -> Callable[[], None]:
            task = bars.add_task(label, total=total)
            return _every(
                SECONDS_BETWEEN_FRAMES, total, lambda done: bars.update(task, completed=done)
            )

        yield start


def _lines(label: str, total: int | None) -> Callable[[], None]:
    of = "" if total is None else f" of {total}"
    return _every(
        SECONDS_BETWEEN_LINES, total, lambda done: logger.info("%s: %d%s", label, done, of)
    )


def _every(seconds: float, total: int | None, show: Callable[[int], None]) -> Callable[[], None]:
    """Return a counter that calls `show` now and then, and when the total is reached."""
    done = 0
    last = time.monotonic()

    def one_more() -> None:
        nonlocal done, last
        done += 1
        now = time.monotonic()
        if done == total or now - last >= seconds:
            last = now
            show(done)

    return one_more
