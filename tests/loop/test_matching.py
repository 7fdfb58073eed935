"""A ledger tells an export of marks what volunteers saw: kept, edited, added, deleted."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from zooassist_exporters.command import export
from zooassist_loop.ledger import Entry, Ledger, payload_digest
from zooassist_loop.matching import LedgerHistory
from zooassist_loop.matching import open_history as open_ledger
from zooassist_loop.submission import submitted_annotations
from zooassist_plugin.dialects.classifier_v2 import mark_to_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.proposal_history import open_history
from zooassist_plugin.shapes import Circle
from zooassist_plugin.workflow import DrawingTask, Tool

WORKFLOW, SUBJECT = 7, 5
EARLY, LATE = datetime(2026, 6, 1, 10, tzinfo=UTC), datetime(2026, 6, 2, 10, tzinfo=UTC)
TASK = DrawingTask(
    "T0",
    tuple(Tool(at, "circle", label, 0, None, ()) for at, label in enumerate(("Cell", "Nucleus"))),
)


def circle(x: float, tool: int = 0) -> Mark:
    return Mark(shape=Circle(x_center=x, y_center=40, r=10), tool_index=tool)


def entry(version: str, *marks: Mark, **changes: Any) -> Entry:
    data = [mark_to_v2(mark) | {"taskKey": mark.task} for mark in marks]
    payload = {"data": data, "proposal_id": f"p-{version}"}
    made = Entry(
        proposal_id=f"p-{version}",
        workflow_id=WORKFLOW,
        subject_id=SUBJECT,
        model="cells",
        model_version=version,
        created_at=EARLY,
        state="presented",
        payload=payload,
        payload_sha256=payload_digest(payload),
        presented_at=EARLY,
    )
    return replace(made, **changes)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with Ledger(url) as ledger:
        yield ledger


def test_the_proposal_is_that_of_the_moment(ledger):
    ledger.add([entry("v1", circle(50)), entry("v2", presented_at=LATE)])
    history = LedgerHistory(ledger)

    def seen(when):
        found = history.visible_at(WORKFLOW, SUBJECT, when)
        return None if found is None else (found.proposal_id, found.model, found.model_version)

    assert seen(EARLY - timedelta(seconds=1)) is None
    assert seen(EARLY) == ("p-v1", "cells", "v1")
    assert seen(LATE) == ("p-v2", "cells", "v2")
    assert history.visible_at(WORKFLOW, SUBJECT + 1, LATE) is None


def test_the_control_arm_saw_nothing(ledger):
    ledger.add([entry("v1", circle(50), arm="control")])
    assert LedgerHistory(ledger).visible_at(WORKFLOW, SUBJECT, LATE) is None


@pytest.mark.parametrize("place", ["sqlite:///nowhere/ledger.sqlite", "ledger.sqlite"])
def test_a_ledger_that_is_not_there_is_refused_not_made(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"ledger"), open_ledger(place):
        pass
    assert list(tmp_path.iterdir()) == []


def test_plugin_opens_the_ledger_by_name(url, ledger):
    ledger.add([entry("v1", circle(50))])
    with open_history(url) as history:
        assert history.visible_at(WORKFLOW, SUBJECT, LATE) is not None


class Volunteers:
    """Writes a classification export as classifier 2.0 and Panoptes make it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "classifications.csv"
        self._rows: list[dict[str, Any]] = []

    def submit(self, *marks: Mark, start: datetime, seconds: float, prefilled: bool = True) -> None:
        number = len(self._rows) + 1
        metadata = {
            "classifier_version": "2.0",
            "started_at": start.isoformat().replace("+00:00", "Z"),
            "finished_at": (start + timedelta(seconds=seconds)).isoformat(),
            "subject_dimensions": [{"naturalWidth": 400, "naturalHeight": 300}],
        }
        self._rows.append(
            {
                "classification_id": number,
                "user_name": f"volunteer{number}",
                "user_id": number,
                "workflow_id": WORKFLOW,
                "workflow_version": "2.1",
                "created_at": start.strftime("%Y-%m-%d %H:%M:%S UTC"),
                "metadata": json.dumps(metadata),
                "annotations": json.dumps(submitted_annotations(TASK, marks, prefilled)),
                "subject_ids": SUBJECT,
            }
        )

    def write(self) -> Path:
        with self.file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._rows[0])
            writer.writeheader()
            writer.writerows(self._rows)
        return self.file


@pytest.fixture
def volunteers(tmp_path: Path) -> Volunteers:
    return Volunteers(tmp_path)


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(export, ["marks", *map(str, arguments)])
    assert done.exception is None, done.exception
    return done


def test_an_export_says_what_became_of_every_proposed_mark(tmp_path, url, ledger, volunteers):
    cell, nucleus = circle(50), circle(100, tool=1)
    ledger.add([entry("v1", cell, nucleus)])
    moved = nucleus.model_copy(update={"shape": Circle(x_center=103, y_center=40, r=10)})
    before, after = EARLY - timedelta(hours=1), EARLY + timedelta(hours=1)
    volunteers.submit(cell, nucleus, start=after, seconds=30)
    volunteers.submit(cell, moved, start=after, seconds=30)
    volunteers.submit(circle(300), start=after, seconds=30)
    volunteers.submit(start=after, seconds=1)
    volunteers.submit(circle(52), start=before, seconds=30, prefilled=False)
    out = tmp_path / "set"
    done = run(volunteers.write(), "--ledger", url, "--out", out, "--min-samples", 2)
    for line in ("3 kept", "1 edited", "1 added", "2 deleted", "1 proposals not loaded"):
        assert f"note: {line}" in done.output
    drawn = pq.read_table(out / "volunteer_marks.parquet").to_pylist()
    found = [
        (each["classification_id"], each["action"], each["tool_index"], each["tool_from"])
        for each in sorted(drawn, key=lambda each: (each["classification_id"], each["geometry"]))
    ]
    assert found == [
        (1, "kept", 1, "proposal"),  # submitted with toolIndex 0
        (1, "kept", 0, "proposal"),
        (2, "edited", 1, "proposal"),
        (2, "kept", 0, "proposal"),
        (3, "added", 0, "ambiguous"),
        (5, None, 0, "export"),
    ]
    assert {each["proposal_id"] for each in drawn} == {"p-v1", None}
    outcomes = pq.read_table(out / "proposals.parquet").to_pylist()
    assert [(each["deleted"], each["loaded"], each["seconds"]) for each in outcomes] == [
        (0, True, 30),
        (0, True, 30),
        (2, True, 30),
        (0, False, 1),
    ]
    marks = pq.read_table(out / "marks.parquet").to_pylist()
    assert [(each["tool_index"], each["count"], each["agreement"]) for each in marks] == [
        (0, 3, 0.6),
        (1, 2, 0.4),
    ]


def test_without_a_ledger_the_tools_stay_lost(tmp_path, volunteers):
    volunteers.submit(circle(50, tool=1), start=LATE, seconds=30)
    out = tmp_path / "set"
    run(volunteers.write(), "--out", out)
    [mark] = pq.read_table(out / "volunteer_marks.parquet").to_pylist()
    assert (mark["tool_index"], mark["tool_from"], mark["action"]) == (0, "export", None)
    assert not (out / "proposals.parquet").exists()


def test_a_proposal_that_cannot_be_read_is_listed(tmp_path, url, ledger, volunteers):
    ledger.add([entry("v1", payload={"data": "lost"})])
    volunteers.submit(circle(50), start=LATE, seconds=30)
    arguments = ["marks", volunteers.write(), "--ledger", url, "--out", tmp_path / "set"]
    done = CliRunner().invoke(export, list(map(str, arguments)))
    assert done.exit_code == 1
    assert "classification 1: proposal that cannot be read" in done.output
