"""How does long work show that it moves: a bar on a terminal, log lines elsewhere."""

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

Start = Callable[[int], Callable[[], None]]


@contextmanager
def progress(label: str) -> Iterator[Start]:
    """Yield a function that takes a total and returns "one more is done"."""
    if not sys.stderr.isatty():
        yield lambda total: _lines(label, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:

        def start(total: int) -> Callable[[], None]:
            task = bar.add_task(label, total=total)
            return lambda: bar.advance(task)

        yield start


def _lines(label: str, total: int) -> Callable[[], None]:
    done = 0
    last = time.monotonic()

    def one_more() -> None:
        nonlocal done, last
        done += 1
        if done == total or time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            logger.info("%s: %d of %d", label, done, total)

    return one_more
