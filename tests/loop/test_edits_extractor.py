from __future__ import annotations

from typing import Any

import pytest

from zooassist_loop.edits_extractor import extract_edits
from zooassist_loop.submission import submitted_annotations
from zooassist_plugin.dialects.classifier_v2 import mark_to_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.shapes import Circle
from zooassist_plugin.workflow import DrawingTask, Tool

TASK = DrawingTask("T0", (Tool(0, "circle", "Cell", 0, None, ()),))
TIMES = {"started_at": "2026-06-01T10:00:00.000Z", "finished_at": "2026-06-01T10:00:30.000Z"}


def circle(x: float, y: float = 40) -> Mark:
    return Mark(shape=Circle(x_center=x, y_center=y, r=10))


def shown(*marks: Mark) -> dict[str, Any]:
    data = [mark_to_v2(mark) | {"taskKey": "T0", "markId": f"m{i}"} for i, mark in enumerate(marks)]
    return {"data": data, "proposal_id": "p", "model": "cells", "model_version": "v"}


def by_task(*marks: Mark) -> dict[str, Any]:
    """Return annotations as Caesar regroups them."""
    found: dict[str, Any] = {}
    for each in submitted_annotations(TASK, marks, True):
        found.setdefault(each["task"], []).append(each)
    return found


def counts(found: dict[str, float] | None) -> tuple[float, ...]:
    assert found is not None
    return tuple(found[name] for name in ("proposed", "kept", "edited", "added", "deleted"))


def test_kept_edited_added_and_deleted():
    proposal = shown(circle(20), circle(60), circle(100))
    returned = by_task(circle(20), circle(62), circle(150))
    assert counts(extract_edits(returned, TIMES, proposal)) == (3, 1, 1, 1, 1)
    assert counts(extract_edits(by_task(circle(20)), TIMES, shown())) == (0, 0, 0, 1, 0)


def test_done_before_the_proposal_was_loaded_deletes_nothing():
    quick = TIMES | {"finished_at": "2026-06-01T10:00:01.000Z"}
    found = extract_edits(by_task(), quick, shown(circle(20)))
    assert found is not None
    assert (found["deleted"], found["loaded"]) == (0, 0)
    found = extract_edits(by_task(), TIMES, shown(circle(20)))
    assert found is not None
    assert (found["deleted"], found["loaded"]) == (1, 1)


@pytest.mark.parametrize("metadata", [{}, {"started_at": None}, TIMES | {"finished_at": "now"}])
def test_a_classification_that_does_not_say_how_long_it_took(metadata):
    found = extract_edits(by_task(), metadata, shown(circle(20)))
    assert found is not None
    assert found["deleted"] == 1


def test_no_drawing_task_was_answered():
    answered = {"T1": [{"task": "T1", "taskType": "single", "value": 0}]}
    assert extract_edits(answered, TIMES, shown(circle(20))) is None
    assert extract_edits({}, TIMES, shown(circle(20))) is None


def test_what_is_no_proposal():
    with pytest.raises(BadInput, match="expected"):
        extract_edits(by_task(circle(20)), TIMES, {"data": [5], "proposal_id": "p"})
