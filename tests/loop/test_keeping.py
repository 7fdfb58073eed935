from __future__ import annotations

from datetime import UTC, datetime

import pytest

from zooassist_loop.ledger import Ledger
from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposal_keeping import open_keeper
from zooassist_plugin.proposals import Proposal

PAYLOAD = {"data": [], "proposal_id": "p"}


def proposal(version: str = "v1") -> Proposal:
    return Proposal(
        proposal_id=f"p-{version}",
        workflow_id=7,
        subject_id=5,
        model="cells",
        model_version=version,
        created_at=datetime(2026, 6, 1, tzinfo=UTC),
        confidence=0.5,
        uncertainty=0.1,
    )


def test_a_proposal_is_kept_once_and_seen_when_it_is_seen(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    with open_keeper(url) as keeper, Ledger(url) as ledger:
        keeper.keep(proposal(), PAYLOAD, "1.2")
        keeper.keep(proposal(), PAYLOAD, "1.2")
        (entry,) = ledger.entries(7)
        assert (entry.state, entry.payload, entry.workflow_version) == ("submitted", PAYLOAD, "1.2")
        assert ledger.visible_at(7, 5, datetime.now(UTC)) is None
        keeper.seen(7, 5, "another version")
        assert next(ledger.entries(7)).state == "submitted"
        keeper.seen(7, 5, "v1")
        (entry,) = ledger.entries(7)
        assert entry.state == "presented"
        keeper.seen(7, 5, "v1")
        assert list(ledger.entries(7)) == [entry], "what was seen stays as it was seen"


def test_a_place_that_is_none():
    with pytest.raises(BadInput, match="cannot be opened"), open_keeper("nothing://here"):
        pass
