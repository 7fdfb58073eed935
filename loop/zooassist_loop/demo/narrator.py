"""How does the demo tell what it is doing? One line per step, a bar where it takes time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from zooassist_loop.demo.summary import Step


@dataclass
class Telling:
    """What a step will have to say for itself when it ends."""

    outcome: str = ""


@dataclass
class Narrator:
    """Collects the steps of a run and prints them as they end."""

    console: Console
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Telling]:
        """Time one step; the block sets the outcome."""
        self._tell(f"[bold]{title}[/bold]")
        telling = Telling()
        began = time.monotonic()
        yield telling
        seconds = time.monotonic() - began
        self.steps.append(Step(title, telling.outcome, seconds))
        self._tell(f"  {telling.outcome} [dim]({seconds:.1f} s)[/dim]")

    def _tell(self, line: str) -> None:
        # A file has no width: a line of a log stays one line.
        self.console.print(line, highlight=False, soft_wrap=not self.console.is_terminal)
