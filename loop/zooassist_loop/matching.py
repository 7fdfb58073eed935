"""Which proposal was on the screen? The ledger, as the history that exports match marks with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from zooassist_loop.ledger import Ledger
from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposal_history import SeenProposal


class LedgerHistory:
    """A ledger, asked only what volunteers saw.

    Parameters
    ----------
    ledger : Ledger
        Stays the caller's, who also closes it.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def visible_at(self, workflow_id: int, subject_id: int, when: datetime) -> SeenProposal | None:
        """Return the assisted proposal that was presented last before `when`."""
        entry = self._ledger.visible_at(workflow_id, subject_id, when)
        if entry is None or entry.arm != "assisted" or entry.payload is None:
            return None
        return SeenProposal(entry.proposal_id, entry.model, entry.model_version, entry.payload)


@contextmanager
def open_history(url: str) -> Iterator[LedgerHistory]:
    """Open a ledger for reading.

    Raises
    ------
    BadInput
        When the URL is none, or names an SQLite file that does not exist: opening it would make
        an empty ledger, and every proposal would seem never shown.
    """
    try:
        place = make_url(url)
    except ArgumentError as error:
        raise BadInput(
            f"ledger {url!r}: expected a database URL such as sqlite:///assist-ledger.sqlite"
        ) from error
    if place.get_backend_name() == "sqlite" and place.database not in (None, "", ":memory:"):
        file = Path(str(place.database))
        if not file.is_file():
            raise BadInput(
                f"ledger {file}: no such file; give the ledger that `zooassist propose` wrote"
            )
    with Ledger(url) as ledger:
        yield LedgerHistory(ledger)
