"""Which proposal did a volunteer see? What a ledger answers, for rooms that do not see ledgers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, cast

# Where ledgers are read. A string, as the doors of the command line are: this room imports none.
READER: Final = "zooassist_loop.matching:open_history"


@dataclass(frozen=True)
class SeenProposal:
    """A proposal that was on the volunteer's screen.

    Attributes
    ----------
    payload : mapping
        The reduction's data object: ``{"data": [mark, ...]}`` as the classifier read it.
    """

    proposal_id: str
    model: str
    model_version: str
    payload: Mapping[str, Any]


class ProposalHistory(Protocol):
    """Anything that knows what was shown when: a ledger, or a table in a test."""

    def visible_at(self, workflow_id: int, subject_id: int, when: datetime) -> SeenProposal | None:
        """Return what a volunteer who started on the subject at `when` saw, None for nothing."""
        ...


def open_history(url: str) -> AbstractContextManager[ProposalHistory]:
    """Open the ledger at a database URL for reading.

    Raises
    ------
    BadInput
        When there is no ledger at that place.
    """
    module, _, function = READER.partition(":")
    opened = getattr(importlib.import_module(module), function)(url)
    return cast("AbstractContextManager[ProposalHistory]", opened)
