"""Who answered what, kept vote by vote: weights are found from all votes at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from zooassist_exporters.reductions.votes import CountedAnswers
from zooassist_exporters.vote_records import Integers


@dataclass(frozen=True)
class Ballots:
    """Every answer that counts, one entry per answer.

    Attributes
    ----------
    subject_ids, users, classifications : array
        `classifications` tells the answers of one classification together.
    questions, columns : array
        Column -1 is "none of these".
    """

    subject_ids: Integers
    users: Integers
    classifications: Integers
    questions: Integers
    columns: Integers


@dataclass
class BallotBox:
    """Takes answers part by part. About 40 bytes per answer stay in memory."""

    _parts: list[tuple[Integers, ...]] = field(default_factory=list)
    _classifications: int = 0

    def add(self, counted: CountedAnswers) -> None:
        """Keep the answers of some subjects."""
        self._parts.append(
            (
                counted.subject_ids[counted.subjects],
                counted.users,
                counted.classifications + self._classifications,
                counted.questions,
                counted.columns,
            )
        )
        self._classifications += int(counted.classifications.max(initial=-1)) + 1

    def ballots(self) -> Ballots:
        """Return all answers so far."""
        empty = (np.zeros(0, dtype=np.int64),) * 5
        return Ballots(*(np.concatenate(each) for each in zip(empty, *self._parts, strict=True)))
