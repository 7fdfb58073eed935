from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelMatch, LabelPair
from zooassist_plugin.presenters import PRESENTERS
from zooassist_plugin.shapes import Ellipse
from zooassist_plugin.workflow import Workflow
from zooassist_serving.predictions import Prediction
from zooassist_serving.proposer import OUTLINES, propose_answers

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OUTLINE = Ellipse(x_center=50, y_center=40, rx=30, ry=12, angle=30)
DETAIL = {"type": "single", "question": "q", "answers": [{"label": "a"}, {"label": "b"}]}


def workflow(*tools, details=()):
    return Workflow(
        workflow_id=12,
        project_id=1,
        display_name="Galaxies",
        version="3.4",
        first_task="T0",
        tasks={
            "T0": {
                "type": "drawing",
                "tools": [
                    {"type": tool, "label": tool, "details": [DETAIL] if i in details else []}
                    for i, tool in enumerate(tools)
                ],
            }
        },
        configuration={"enable_caesar_data_fetching": True},
    )


@pytest.fixture
def card(tiny_folder):
    return tiny_folder.card


@pytest.fixture
def prediction(card):
    return Prediction(
        card.name,
        card.version,
        subject_id=77,
        fractions=np.array([0.2, 0.7, 0.1, 0.6, 0.4]),
        lower90=np.zeros(5),
        upper90=np.ones(5),
        asked=np.array([1.0, 0.7]),
        uncertainty=0.4,
    )


MATCH = LabelMatch(
    (
        LabelPair("T0.0.0", "smooth-or-featured", (1, 0, 2)),
        LabelPair("T0.0.1", "bar", (1, 0)),
    ),
    (),
)


def propose(prediction, card, flow, match=MATCH, **options):
    return propose_answers(prediction, card, flow, match, created_at=NOW, **options)


def test_answers_come_in_the_workflows_order(prediction, card):
    proposal = propose(prediction, card, workflow("ellipse"))
    assert proposal.answers == {"T0.0.0": (0.7, 0.2, 0.1), "T0.0.1": (0.4, 0.6)}
    assert proposal.asked == {"T0.0.0": 1.0, "T0.0.1": 0.7}
    assert proposal.uncertainty == 0.4
    assert proposal.created_at == NOW


def test_confidence_is_the_expected_share_of_agreeing_votes(prediction, card):
    both = propose(prediction, card, workflow("ellipse"))
    assert both.confidence == pytest.approx((1.0 * 0.7 + 0.7 * 0.6) / 1.7)
    bar = propose(prediction, card, workflow("ellipse"), LabelMatch(MATCH.pairs[1:], ()))
    assert bar.confidence == pytest.approx(0.6)


def test_the_same_thing_has_the_same_id(prediction, card):
    again = propose(prediction, card, workflow("ellipse")).proposal_id
    assert propose(prediction, card, workflow("ellipse")).proposal_id == again
    other = Prediction(**(vars(prediction) | {"frame": 1}))
    assert propose(other, card, workflow("ellipse")).proposal_id != again


def test_outline_is_found_in_the_image(prediction, card):
    image = np.zeros((80, 80, 3), dtype=np.uint8)
    image[30:50, 20:60] = 200
    (mark,) = propose(prediction, card, workflow("ellipse"), image=image).marks
    assert mark.shape.x_center == pytest.approx(40, abs=0.5)
    assert propose(prediction, card, workflow("ellipse"), image=image * 0).marks == ()


def test_the_tool_with_the_matched_subtasks_is_used(prediction, card):
    flow = workflow("ellipse", "point", "ellipse", details=(2,))
    match = LabelMatch((LabelPair("T0.2.0", "bar", (1, 0)),), ())
    (mark,) = propose(prediction, card, flow, match, outline=OUTLINE).marks
    assert (mark.tool_index, mark.task) == (2, "T0")
    (mark,) = propose(prediction, card, flow, LabelMatch((), ()), outline=OUTLINE).marks
    assert mark.tool_index == 0


@pytest.mark.parametrize("tool", sorted(OUTLINES))
def test_every_tool_draws_the_outline_and_the_presenter_takes_it(prediction, card, tool):
    flow = workflow(tool)
    proposal = propose(prediction, card, flow, LabelMatch((), ()), outline=OUTLINE)
    (mark,) = proposal.marks
    assert mark.shape.tool_type == tool
    presented = PRESENTERS["marks"](proposal, flow, sizes=[(100, 80)])
    assert len(presented.payload["data"]) == 1


def test_shapes_cover_the_ellipse():
    turned = Ellipse(x_center=0, y_center=0, rx=10, ry=4, angle=30)
    box = OUTLINES["rectangle"](turned)
    points = np.array(OUTLINES["polygon"](turned).points)
    assert np.abs(points[:, 0]).max() == pytest.approx(box.width / 2, rel=0.02)
    assert np.abs(points[:, 1]).max() == pytest.approx(box.height / 2, rel=0.02)
    # Positive angles turn clockwise on the screen: with y down, the far end lies lower.
    line = OUTLINES["line"](turned)
    assert line.x2 > 0
    assert line.y2 > 0


def test_workflow_without_a_drawing_tool_gets_no_mark(prediction, card):
    assert propose(prediction, card, workflow(), outline=OUTLINE).marks == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject_id": None, "image": "a.png"}, "one of a file"),
        ({"model_version": "0" * 16}, "predict again"),
    ],
)
def test_predictions_that_make_no_proposal(prediction, card, changes, message):
    other = Prediction(**(vars(prediction) | changes))
    with pytest.raises(BadInput, match=message):
        propose(other, card, workflow("ellipse"))


def test_failed_prediction(card):
    failed = Prediction(card.name, card.version, subject_id=3, error="no image")
    with pytest.raises(BadInput, match="no image"):
        propose(failed, card, workflow("ellipse"))
