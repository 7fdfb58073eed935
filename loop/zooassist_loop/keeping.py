"""How does a server keep the proposals that it makes? In the ledger, as `propose` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from zooassist_loop.ledger import Ledger, entry_of
from zooassist_plugin.proposals import Proposal


class LedgerKeeper:
    """A ledger, told of proposals one at a time.

    Parameters
    ----------
    ledger : Ledger
        Stays the caller's, who also closes it.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def keep(self, proposal: Proposal, payload: Mapping[str, Any], workflow_version: str) -> None:
        """Keep a proposal that Caesar is about to get; the same one twice is kept once."""
        self._ledger.add([entry_of(proposal, payload, workflow_version)])
        self._mark(proposal.workflow_id, proposal.subject_id, proposal.model_version, "submitted")

    def seen(self, workflow_id: int, subject_id: int, model_version: str) -> None:
        """Note that volunteers see a kept proposal from now on."""
        self._mark(workflow_id, subject_id, model_version, "presented")

    def _mark(self, workflow_id: int, subject_id: int, model_version: str, state: str) -> None:
        self._ledger.mark(workflow_id, model_version, [subject_id], state)


@contextmanager
def open_keeper(url: str) -> Iterator[LedgerKeeper]:
    """Open a ledger for writing, and make it where there is none.

    Raises
    ------
    BadInput
        When the URL names no database that can be opened.
    """
    with Ledger(url) as ledger:
        yield LedgerKeeper(ledger)
