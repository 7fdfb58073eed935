"""Kept, edited, added, deleted: by hand, and what must hold whatever was drawn."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.extracts.marks import drawn_tasks
from zooassist_exporters.matching.assignment import (
    Nearness,
    Placed,
    match_marks,
    rounded,
    same_shape,
)
from zooassist_exporters.matching.labelling import trace_marks
from zooassist_exporters.matching.tool_recovery import recover_tool
from zooassist_exporters.workflows import Version, WorkflowVersion, WorkflowVersions
from zooassist_plugin.dialects.classifier_v2 import marks_to_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.proposal_history import SeenProposal
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
)


def box(left, top, right, bottom):
    return Polygon(points=((left, top), (right, top), (right, bottom), (left, bottom)))


def circle(x, r=10):
    return Circle(x_center=x, y_center=50, r=r)


def placed(*shapes, **changes):
    return [Placed(shape, **changes) for shape in shapes]


def test_each_fate_by_hand():
    proposed = placed(circle(50), circle(100), circle(150), circle(200))
    returned = placed(circle(103), circle(400), circle(50), circle(200, r=14))
    found = match_marks(proposed, returned)
    # Radii 10 and 14 around one centre: IoU 100 / 196.
    assert found.actions == ("edited", "added", "kept", "edited")
    assert found.partners == (1, None, 0, 3)
    assert found.deleted == (2,)


def test_nothing_proposed_or_nothing_returned():
    assert match_marks([], placed(circle(1))).actions == ("added",)
    assert match_marks(placed(circle(1)), []).deleted == (0,)
    assert match_marks([], []).deleted == ()


def test_the_classifier_rounds_outlines_and_nothing_else():
    path = FreehandLine(points=((1.004, 2.006), (3.335, 4.0), (5.5, 6.123456)))
    assert rounded(path).points == ((1.0, 2.01), (3.34, 4.0), (5.5, 6.12))
    fine = circle(50.123456)
    assert rounded(fine) == fine
    assert same_shape(path, rounded(path))
    assert not same_shape(fine, circle(50.12))
    assert not same_shape(box(0, 0, 9, 9), box(0, 0, 9, 9.05))
    assert not same_shape(path, FreehandLine(points=path.points[:2]))


def test_outlines_that_differ_in_one_vertex_or_by_less_than_rounding():
    ring = tuple((10 + x * 0.37, 20 + (x % 7) * 1.13) for x in range(30))
    outline = Polygon(points=ring)
    assert same_shape(outline, rounded(outline))
    assert same_shape(outline, Polygon(points=tuple((x + 0.004, y - 0.004) for x, y in ring)))
    assert not same_shape(outline, Polygon(points=ring[:-1]))
    assert not same_shape(outline, Polygon(points=((ring[0][0] + 0.1, ring[0][1]), *ring[1:])))
    assert not same_shape(outline, Polygon(points=(*ring[:-1], (ring[-1][0], ring[-1][1] + 0.1))))


def test_the_pairs_are_the_best_together_not_one_by_one():
    """Greedy pairing (the nearest first) would leave a mark over."""
    proposed = placed(Point(x=0, y=0), Point(x=10, y=0))
    returned = placed(Point(x=9, y=0), Point(x=25, y=0))
    found = match_marks(proposed, returned)
    assert found.partners == (0, 1)
    assert found.deleted == ()


def test_marks_on_other_frames_tasks_or_tools_are_others():
    here = placed(circle(50))
    for elsewhere in (
        placed(circle(50), frame=1),
        placed(circle(50), task="T1"),
        placed(Ellipse(x_center=50, y_center=50, rx=10, ry=10)),
    ):
        found = match_marks(here, elsewhere)
        assert (found.actions, found.deleted) == (("added",), (0,))


def test_answers_changed_on_an_untouched_shape_are_an_edit():
    yes, no = frozenset({("T0.0.0", "1")}), frozenset({("T0.0.0", "0")})
    proposed = placed(circle(50), answers=yes) + placed(circle(50), answers=no)
    returned = placed(circle(50), answers=no) + placed(circle(50), answers=frozenset())
    found = match_marks(proposed, returned)
    assert found.actions == ("kept", "edited")
    assert found.partners == (1, 0)


@pytest.mark.parametrize(
    ("one", "other", "action"),
    [
        (Point(x=0, y=0), Point(x=12, y=16), "edited"),
        (Point(x=0, y=0), Point(x=12, y=17), "added"),
        (Line(x1=0, y1=0, x2=90, y2=0), Line(x1=90, y1=5, x2=0, y2=0), "edited"),
        (Line(x1=0, y1=0, x2=0, y2=90), Line(x1=1, y1=0, x2=-1, y2=90), "edited"),
        (Line(x1=0, y1=0, x2=90, y2=0), Line(x1=0, y1=0, x2=90, y2=21), "added"),
        (box(0, 0, 10, 10), box(0, 0, 10, 20), "edited"),  # IoU 0.5
        (box(0, 0, 10, 10), box(0, 0, 10, 21), "added"),
        (Polygon(points=((0, 0), (9, 9))), box(0, 0, 9, 9), "added"),
    ],
)
def test_how_near_is_near(one, other, action):
    assert match_marks(placed(one), placed(other)).actions == (action,)


def test_nearness_has_to_mean_something():
    with pytest.raises(BadInput, match="IoU"):
        Nearness(iou=0)


shapes = st.one_of(
    st.builds(Point, x=st.floats(0, 99), y=st.floats(0, 99)),
    st.builds(circle, x=st.floats(0, 99), r=st.floats(1, 30)),
    st.builds(
        Rectangle,
        x_center=st.floats(0, 99),
        y_center=st.floats(0, 99),
        width=st.floats(1, 50),
        height=st.floats(1, 50),
    ),
)
marks = st.lists(
    st.builds(lambda shape, frame: Placed(shape, frame=frame), shapes, st.integers(0, 1)),
    max_size=6,
)


@settings(deadline=None, max_examples=80)
@given(marks, marks)
def test_every_mark_has_one_fate_and_one_partner_at_most(proposed, returned):
    found = match_marks(proposed, returned)
    partners = [each for each in found.partners if each is not None]
    assert len(found.actions) == len(found.partners) == len(returned)
    assert len(partners) == len(set(partners))
    assert sorted([*partners, *found.deleted]) == list(range(len(proposed)))
    for place, (action, partner) in enumerate(zip(found.actions, found.partners, strict=True)):
        assert (action == "added") == (partner is None)
        if partner is not None:
            assert proposed[partner].frame == returned[place].frame
            same = same_shape(proposed[partner].shape, returned[place].shape)
            assert (action == "kept") == same


@settings(deadline=None, max_examples=60)
@given(marks, st.randoms())
def test_whoever_does_nothing_keeps_everything(proposed, random):
    returned = list(proposed)
    random.shuffle(returned)
    found = match_marks(proposed, returned)
    assert set(found.actions) <= {"kept"}
    assert found.deleted == ()


@settings(deadline=None, max_examples=60)
@given(marks, marks, st.randoms())
def test_the_order_of_submission_does_not_matter(proposed, returned, random):
    order = list(range(len(returned)))
    random.shuffle(order)
    straight = match_marks(proposed, returned)
    mixed = match_marks(proposed, [returned[place] for place in order])
    assert sorted(mixed.actions) == sorted(straight.actions)
    assert len(mixed.deleted) == len(straight.deleted)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({"subtasks": ("T0.2.0", "T0.2.1"), "same_type": (0, 1)}, (2, "subtask")),
        ({"subtasks": ("T0.2.0",), "same_type": (1,), "proposed": 0}, (2, "subtask")),
        ({"subtasks": ("T0.2.0", "T0.1.0"), "same_type": (1,)}, (1, "type")),
        ({"same_type": (1,), "proposed": 2}, (1, "type")),
        ({"same_type": (0, 1), "proposed": 1}, (1, "proposal")),
        ({"same_type": (0, 1)}, (0, "ambiguous")),
        ({"same_type": ()}, (0, "ambiguous")),
        ({"same_type": (0, 1), "submitted": 1}, (1, "export")),  # only ever lost to 0
        ({"same_type": (0, 1), "prefilled": False}, (0, "export")),
        ({"subtasks": ("T1.2.0",), "prefilled": False}, (0, "export")),
    ],
)
def test_the_tool_is_recovered_in_the_order_of_trust(evidence, expected):
    given = {"submitted": 0, "subtasks": (), "same_type": (), "prefilled": True} | evidence
    submitted, subtasks = given.pop("submitted"), given.pop("subtasks")
    assert recover_tool("T0", submitted, subtasks, given.pop("same_type"), **given) == expected


TASKS = {
    "T0": {
        "type": "drawing",
        "tools": [
            {"type": "circle", "label": "Cell"},
            {"type": "circle", "label": "Nucleus"},
            {"type": "point", "label": "Speck"},
        ],
    }
}
TOOLS = WorkflowTools(WorkflowVersions([WorkflowVersion(5, Version(2, 1), "T0", TASKS)])).of("2.1")


def seen(*marks):
    entries = [
        entry | {"taskKey": mark.task, "toolIndex": mark.tool_index}
        for mark in marks
        for entry in marks_to_v2(mark.task, [mark])[0]["value"]
    ]
    return SeenProposal("p1", "cells", "v1", {"data": entries, "proposal_id": "p1"})


def submitted(*marks):
    """What the classifier makes of marks on the screen: pre-filled ones lose their tool."""
    lost = [replace_tool(mark, 0) for mark in marks]
    return drawn_tasks(marks_to_v2("T0", lost), TOOLS)


def replace_tool(mark, tool_index):
    return mark.model_copy(update={"tool_index": tool_index})


def trace(tasks, proposal, **options):
    return trace_marks(tasks, proposal, TOOLS, Nearness(), **options)


def test_a_classification_is_traced():
    cell, nucleus = Mark(shape=circle(50)), Mark(shape=circle(100), tool_index=1)
    gone = Mark(shape=circle(150), tool_index=1)
    moved = nucleus.model_copy(update={"shape": circle(102)})
    own, speck = Mark(shape=circle(300)), Mark(shape=Point(x=5, y=5))
    origins, outcome = trace(submitted(cell, moved, own, speck), seen(cell, nucleus, gone))
    assert [(each.action, *each.tool) for each in origins] == [
        ("kept", 0, "proposal"),
        ("edited", 1, "proposal"),
        ("added", 0, "ambiguous"),
        ("added", 2, "type"),
    ]
    counts = (outcome.proposed, outcome.kept, outcome.edited, outcome.added, outcome.deleted)
    assert counts == (3, 1, 1, 2, 1)
    assert outcome.loaded


def test_without_a_proposal_on_the_screen_there_is_no_action():
    origins, outcome = trace(submitted(Mark(shape=circle(5))), None)
    assert (origins[0].action, *origins[0].tool) == (None, 0, "export")
    assert outcome is None


@pytest.mark.parametrize(
    ("seconds", "deleted", "loaded"), [(1.0, 0, False), (30.0, 1, True), (None, 1, True)]
)
def test_done_within_seconds_and_nothing_drawn_means_not_loaded(seconds, deleted, loaded):
    _, outcome = trace(submitted(), seen(Mark(shape=circle(5))), seconds=seconds)
    assert (outcome.deleted, outcome.loaded) == (deleted, loaded)


def test_an_empty_proposal_is_always_loaded():
    _, outcome = trace(submitted(), seen(), seconds=0.1)
    assert (outcome.proposed, outcome.loaded) == (0, True)


def test_a_task_that_was_not_reached_deletes_nothing():
    _, outcome = trace(submitted(), seen(Mark(shape=circle(5), task="T7")), seconds=60)
    assert (outcome.proposed, outcome.deleted) == (0, 0)


def test_an_unanswered_subtask_is_no_change():
    """Untouched subtasks come back as null or [], which the proposal did not write."""
    mark = Mark(shape=circle(5))
    answers = (
        SubtaskAnswer(task="T0.0.0", task_type="single", value=None),
        SubtaskAnswer(task="T0.0.1", task_type="multiple", value=()),
    )
    origins, _ = trace(submitted(mark.model_copy(update={"answers": answers})), seen(mark))
    assert origins[0].action == "kept"
    changed = mark.model_copy(update={"answers": (replace_value(answers[0], 1),)})
    origins, _ = trace(submitted(changed), seen(mark))
    assert origins[0].action == "edited"


def replace_value(answer, value):
    return answer.model_copy(update={"value": value})


def test_a_payload_that_is_no_list_of_marks_is_refused():
    with pytest.raises(BadInput, match="p1"):
        trace(submitted(), replace(seen(), payload={"data": {}}))
