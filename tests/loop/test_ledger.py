"""The ledger's promises: one row per subject and version, states that only go forward."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from zooassist_loop.ledger import NEXT_STATES, Entry, Ledger, entry_of, payload_digest
from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposals import Proposal

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def entry(subject_id: int, version: str = "v1", workflow_id: int = 7, **changes: Any) -> Entry:
    proposal = Proposal(
        proposal_id=f"{workflow_id}-{subject_id}-{version}",
        workflow_id=workflow_id,
        subject_id=subject_id,
        model="galaxies",
        model_version=version,
        created_at=NOW,
        confidence=0.9,
        uncertainty=0.1,
    )
    return replace(entry_of(proposal, {"data": [], "proposal_id": "p"}, "1.1"), **changes)


# An empty PostgreSQL database may be named to run the same tests there.
POSTGRES = os.environ.get("ZOOASSIST_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def ledger(request, tmp_path) -> Iterator[Ledger]:
    local = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    url = local if request.param == "sqlite" else str(POSTGRES)
    with Ledger(url) as ledger:
        yield ledger


def test_a_row_comes_back_as_it_was_stored(ledger):
    stored = entry(1)
    assert ledger.add([stored]) == 1
    [found] = ledger.entries(7)
    assert found == stored
    assert found.payload_sha256 == payload_digest(found.payload)
    assert found.proposal["confidence"] == 0.9


def test_a_subject_is_proposed_once_per_version(ledger):
    assert ledger.add([entry(1), entry(2)]) == 2
    again = [entry(each, proposal_id=f"again-{each}") for each in (1, 2, 3)]
    assert ledger.add(again) == 1
    assert [each.proposal_id for each in ledger.entries(7)] == ["7-1-v1", "7-2-v1", "again-3"]
    assert ledger.add([entry(1, "v2")]) == 1
    assert ledger.add([entry(1, workflow_id=8)]) == 1


def test_a_failed_row_is_tried_again_and_replaced(ledger):
    ledger.add([entry(1, state="failed", reason="no image", payload=None), entry(2)])
    assert ledger.known(7, "v1") == {2}
    assert [each.subject_id for each in ledger.pending(7, "v1")] == [2]
    assert ledger.add([entry(1, proposal_id="second try")]) == 1
    assert ledger.known(7, "v1") == {1, 2}
    assert ledger.counts(7)["failed"] == 0


def test_states_go_forward_only(ledger):
    ledger.add([entry(1), entry(2), entry(3, state="failed")])
    ledger.mark(7, "v1", [1, 2, 3], "presented")
    assert ledger.counts(7) == {"predicted": 2, "submitted": 0, "presented": 0, "failed": 1}
    ledger.mark(7, "v1", [1, 2, 3], "submitted")
    ledger.mark(7, "v1", [1], "presented")
    ledger.mark(7, "v1", [1], "submitted")
    assert ledger.counts(7) == {"predicted": 0, "submitted": 1, "presented": 1, "failed": 1}
    [first, second, _] = ledger.entries(7)
    assert first.presented_at >= first.submitted_at
    assert second.presented_at is None
    with pytest.raises(BadInput, match="no row can become 'predicted'"):
        ledger.mark(7, "v1", [1], "predicted")
    with pytest.raises(BadInput, match="expected one of"):
        entry(1, state="lost")
    assert set().union(*NEXT_STATES.values()) <= set(NEXT_STATES)


def test_pending_leaves_out_what_is_presented_and_the_control_arm(ledger):
    ledger.add([entry(1), entry(2, arm="control"), entry(3)])
    ledger.mark(7, "v1", [1], "submitted")
    ledger.mark(7, "v1", [1], "presented")
    assert [each.subject_id for each in ledger.pending(7, "v1")] == [3]


def test_more_rows_than_one_page(ledger):
    ledger.add([entry(each) for each in range(1, 601)])
    ledger.add([entry(each) for each in range(601, 1202)])
    assert [each.subject_id for each in ledger.pending(7, "v1")] == list(range(1, 1202))
    ledger.mark(7, "v1", range(1, 1202), "submitted")
    assert ledger.counts(7)["submitted"] == 1201


def test_shown_names_subjects_of_other_versions_only(ledger):
    ledger.add([entry(1, "v1"), entry(2, "v1"), entry(3, "v2"), entry(1, workflow_id=8)])
    ledger.mark(7, "v1", [1], "submitted")
    ledger.mark(7, "v2", [3], "submitted")
    assert ledger.shown(7, "v2") == {1}
    assert ledger.shown(7, "v1") == {3}


def test_visible_at_finds_what_a_volunteer_saw(ledger):
    early = {"state": "presented", "presented_at": NOW}
    late = {"state": "presented", "presented_at": NOW + timedelta(hours=2)}
    ledger.add([entry(1, "v1", **early), entry(1, "v2", **late), entry(1, "v3")])
    assert ledger.visible_at(7, 1, NOW - timedelta(seconds=1)) is None
    assert ledger.visible_at(7, 1, NOW + timedelta(hours=1)).model_version == "v1"
    assert ledger.visible_at(7, 1, NOW + timedelta(hours=3)).model_version == "v2"
    assert ledger.visible_at(7, 2, NOW + timedelta(hours=3)) is None


def test_two_processes_at_once_store_each_subject_once(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    Ledger(url).close()

    def work(name: str) -> None:
        with Ledger(url) as ledger:
            for start in range(1, 101, 10):
                rows = [entry(i, proposal_id=f"{name}-{i}") for i in range(start, start + 10)]
                ledger.add(rows)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger(url) as ledger:
        assert [each.subject_id for each in ledger.entries(7)] == list(range(1, 101))


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////no/such/folder/l.sqlite"])
def test_a_url_that_opens_nothing_is_named(url):
    with pytest.raises(BadInput, match="ZOOASSIST_LEDGER"):
        Ledger(url)


def test_a_password_is_not_printed():
    with pytest.raises(BadInput) as caught:
        Ledger("postgresql+psycopg://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_the_file_is_where_the_url_says(tmp_path: Path):
    with Ledger(f"sqlite:///{tmp_path / 'here.sqlite'}"):
        assert (tmp_path / "here.sqlite").is_file()
