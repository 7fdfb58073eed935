"""How does long work show that it moves: bars on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")

SECONDS_BETWEEN_LINES: Final = 10.0
# Drawing a bar costs more than reading a row.
SECONDS_BETWEEN_FRAMES: Final = 0.1

# What is counted, how many are done, and how many there will be (None or 0: unknown).
Show = Callable[[str, int, int | None], None]
# Takes what is counted and how many there will be; returns "one more is done".
Start = Callable[[str, int | None], Callable[[], None]]


def silent(label: str, total: int | None) -> Callable[[], None]:
    """Show nothing."""
    return lambda: None


@contextmanager
def stages() -> Iterator[Show]:
    """Show the progress of the work in the block on standard error, one bar per label."""
    if not sys.stderr.isatty():
        yield _now_and_then(SECONDS_BETWEEN_LINES, _line)
        return
    # Imported here: the command line's help must not wait for it.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(label: str, done: int, total: int | None) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total or None)
            bars.update(tasks[label], completed=done, total=total or None)

        yield _now_and_then(SECONDS_BETWEEN_FRAMES, draw)


@contextmanager
def progress() -> Iterator[Start]:
    """Show the progress of work that is counted one by one."""
    with stages() as show:

        def start(label: str, total: int | None) -> Callable[[], None]:
            done = 0

            def one_more() -> None:
                nonlocal done
                done += 1
                show(label, done, total)

            return one_more

        yield start


def tracked(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    """Yield the items and show how many have passed."""
    with progress() as start:
        one_more = start(label, total)
        for item in items:
            yield item
            one_more()


def _line(label: str, done: int, total: int | None) -> None:
    logger.info("%s: %d%s", label, done, f" of {total}" if total else "")


def _now_and_then(seconds: float, show: Show) -> Show:
    """Pass on what comes first after a while, and the end, of every label."""
    began = time.monotonic()
    last: dict[str, float] = {}

    def maybe(label: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done == total or now - last.get(label, began) >= seconds:
            last[label] = now
            show(label, done, total)

    return maybe
