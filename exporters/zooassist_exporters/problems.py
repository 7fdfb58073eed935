"""What went wrong in an export, where, and how often?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

# A file with a million broken rows still ends in a list that a person can read.
MOST_LISTED: Final = 20


@dataclass(frozen=True)
class Problem:
    """One thing that could not be used; the rest went on.

    Attributes
    ----------
    where : str
        The item as the user knows it: ``row 17``, ``subject 5678``, ``T0``.
    cause : str
        A short phrase that is the same for every problem of a kind; problems are counted by it.
    detail : str
        What was expected and what came.
    remedy : str
        What the user can do.
    """

    where: str
    cause: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.cause}: {self.detail}; {self.remedy}"


@dataclass
class ProblemList:
    """Problems of one run: all are counted by cause, the first of each cause are kept in full."""

    counts: Counter[str] = field(default_factory=Counter)
    _kept: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, problem: Problem, times: int = 1) -> None:
        """Count a problem `times` times and keep its text while there is room for its cause."""
        self.counts[problem.cause] += times
        kept = self._kept.setdefault(problem.cause, [])
        if len(kept) < MOST_LISTED:
            kept.append(problem)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[Problem]:
        for kept in self._kept.values():
            yield from kept

    def lines(self) -> Iterator[str]:
        """Yield one line per kept problem, and one per cause for those that were only counted."""
        for cause, kept in self._kept.items():
            yield from map(str, kept)
            more = self.counts[cause] - len(kept)
            if len(kept) == MOST_LISTED and more > 0:
                yield f"... and {more} more: {cause}"
