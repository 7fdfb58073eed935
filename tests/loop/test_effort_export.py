"""Effort of a real export file and a real ledger."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest

from zooassist_loop.effort import MarkEffort
from zooassist_loop.effort_export import effort_of_export
from zooassist_loop.ledger import Entry, Ledger, payload_digest
from zooassist_loop.matching import LedgerHistory
from zooassist_plugin.cli import main
from zooassist_plugin.dialects.classifier_v2 import mark_to_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.shapes import FreehandLine, Polygon

WORKFLOW = 5
SHOWN = datetime(2026, 6, 1, 9, tzinfo=UTC)
COLUMNS = [
    "classification_id",
    "user_name",
    "user_id",
    "user_ip",
    "workflow_id",
    "workflow_name",
    "workflow_version",
    "created_at",
    "gold_standard",
    "expert",
    "metadata",
    "annotations",
    "subject_data",
    "subject_ids",
]


def box(left, top, right, bottom, frame=0):
    points = ((left, top), (right, top), (right, bottom), (left, bottom))
    return Mark(shape=Polygon(points=points), frame=frame)


def ring(left, top, right, bottom):
    corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    return Mark(shape=FreehandLine(points=corners), tool_index=1)


def row(number, subject, marks, seconds, user="ada", sizes=1):
    start = datetime(2026, 6, 1, 10, number, tzinfo=UTC)
    end = start + timedelta(seconds=seconds)
    value = [mark_to_v2(mark) | {"toolIndex": 0} for mark in marks]
    return {
        "classification_id": number,
        "user_name": user,
        "workflow_id": WORKFLOW,
        "workflow_name": "Cells",
        "workflow_version": "1.1",
        "created_at": end.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "metadata": json.dumps(
            {
                "classifier_version": "2.0",
                "live_project": True,
                "started_at": start.isoformat(),
                "finished_at": end.isoformat(),
                "subject_dimensions": [{"naturalWidth": 100, "naturalHeight": 80}] * sizes,
            }
        ),
        "annotations": json.dumps([{"task": "T0", "taskType": "drawing", "value": value}]),
        "subject_data": json.dumps({str(subject): {"retired": None}}),
        "subject_ids": subject,
    }


def entry(subject, *marks, arm="assisted"):
    data = [mark_to_v2(mark) | {"taskKey": "T0"} for mark in marks]
    payload = {"data": data if arm == "assisted" else [], "proposal_id": f"p{subject}"}
    return Entry(
        proposal_id=f"p{subject}",
        workflow_id=WORKFLOW,
        subject_id=subject,
        model="cells",
        model_version="v1",
        created_at=SHOWN,
        state="presented",
        arm=arm,
        payload=payload,
        payload_sha256=payload_digest(payload),
        presented_at=SHOWN,
    )


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with Ledger(url) as ledger:
        ledger.add(
            [
                entry(1, box(10, 10, 40, 40)),
                entry(2, box(10, 10, 40, 40), box(50, 10, 90, 40)),
                entry(3, box(10, 10, 40, 40), arm="control"),
                entry(4, box(10, 10, 40, 40), box(10, 10, 40, 40, frame=1)),
            ]
        )
    return url


@pytest.fixture
def export(tmp_path):
    def write(*rows):
        path = tmp_path / "export.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        return path

    return write


def effort(file, url, **options):
    with Ledger(url) as ledger:
        return effort_of_export(file, LedgerHistory(ledger), **options)


def test_contours_are_those_that_came_back_against_what_was_shown(export, url):
    file = export(
        row(1, 1, [box(10, 10, 40, 40)], 20),  # untouched
        row(2, 1, [box(10, 10, 40, 60)], 30, "bob"),  # taller
        row(3, 2, [box(10, 10, 40, 40)], 25),  # one deleted
        row(4, 3, [box(10, 10, 40, 40)], 60),  # from scratch
    )
    found = effort(file, url)
    contour = found.contour
    assert (contour.masks, contour.untouched) == (3, 1)
    assert contour.pixels == 900 + 1500 + 900
    assert contour.changed_pixels == 600 + 1200
    assert contour.redrawn == pytest.approx(29 + 2 * 18, abs=2)
    assert contour.erased == pytest.approx(29 + (29 + 39) * 2, abs=8)
    assert found.left_out == {"nothing was proposed": 1}
    assert found.marks == MarkEffort(kept=2, edited=1, added=0, deleted=1)
    assert found.marks.share == pytest.approx(1 / 3)
    assert [(t.assisted, t.seconds) for t in found.timed] == [
        (True, 20),
        (True, 30),
        (True, 25),
        (False, 60),
    ]
    assert found.looked_at == {(1, 0), (2, 0), (3, 0)}


def test_every_frame_of_a_volume_is_compared_by_itself(export, url):
    file = export(row(1, 4, [box(10, 10, 40, 40)], 20, sizes=3))
    found = effort(file, url)
    assert found.contour.masks == 2  # frame 2 was neither proposed nor drawn in
    assert found.contour.untouched == 1
    assert found.contour.erased > 100
    assert found.looked_at == {(4, 0), (4, 1), (4, 2)}


def test_holes_are_told_by_their_type(export, url):
    drawn = [box(10, 10, 40, 40), ring(20, 20, 30, 30)]
    plain = effort(export(row(1, 1, drawn, 20)), url)
    assert plain.contour.untouched == 1
    cut = effort(export(row(1, 1, drawn, 20)), url, hole_types=frozenset({"freehandLine"}))
    assert cut.contour.changed_pixels == 100


def test_what_says_nothing_of_contours_is_counted(export, url):
    nameless = row(3, 1, [box(1, 1, 9, 9)], 20, "cyd")
    metadata = json.loads(nameless["metadata"]) | {"subject_dimensions": [None]}
    file = export(
        row(1, 1, [], 1),  # Done before the proposal appeared
        row(2, 1, [box(10, 10, 40, 40)], 20, "bob"),
        nameless | {"metadata": json.dumps(metadata)},
    )
    found = effort(file, url)
    assert found.contour.masks == 1
    assert found.left_out == {
        "submitted before the proposal can have appeared": 1,
        "the size of the frame is not known": 1,
    }


def test_the_command_prints_and_writes_all(export, url, tmp_path, monkeypatch, capsys):
    file = export(
        row(1, 1, [box(10, 10, 40, 40)], 20),
        row(2, 3, [box(10, 10, 40, 40)], 60),
        row(3, 1, [box(10, 10, 40, 60)], 30, "bob"),
    )
    out = tmp_path / "effort.json"
    arguments = ["loop", "effort", file, "--ledger", url, "--slices", 10, "--out", out]
    monkeypatch.setattr("sys.argv", ["zooassist", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    said = capsys.readouterr().out
    assert "slices: 2 of 10 looked at, 20.0%" in said
    assert "marks: 1 of 2 drawn or moved, 50.0% (1 kept, 1 edited, 0 added, 0 deleted)" in said
    assert "px redrawn" in said
    assert "25.0 s with a proposal, 60.0 s without: 0.42" in said
    content = json.loads(out.read_text())
    assert content["slices"]["share"] == 0.2
    assert content["contour"]["masks"] == 2
    assert content["time"]["classifications"] == [2, 1]


def test_a_file_without_drawings_is_refused(export, url):
    asked = row(1, 1, [], 5) | {"annotations": json.dumps([{"task": "T1", "value": "Yes"}])}
    with pytest.raises(BadInput, match="nothing was drawn"):
        effort(export(asked), url)
