"""The check of finished payloads: each complaint, and that it never misses what the page loses."""

import copy
import json

import pytest
from classifier_model import PageCrash, done_is_open, is_kept, shown
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zooassist_plugin.presenters import Unpresentable, canonical
from zooassist_plugin.presenters.checking import payload_problems
from zooassist_plugin.workflow import Workflow

QUESTION = {"type": "single", "question": "Odd?", "answers": [{"label": "Yes"}, {"label": "No"}]}
TOOLS = [
    {"type": "circle", "details": [QUESTION]},
    {"type": "polygon"},
    {"type": "freehandLine"},
    {"type": "bezier"},
]
RESOURCE = {
    "id": "102",
    "first_task": "T0",
    "tasks": {"T0": {"type": "drawing", "tools": TOOLS}, "T1": QUESTION},
    "configuration": {"enable_caesar_data_fetching": True},
    "links": {"project": "1"},
}
CIRCLE = {
    "toolIndex": 0, "frame": 0, "markId": "a", "x_center": 9, "y_center": 9, "r": 7.5,
    "annotations": [{"task": "T0.0.0", "taskType": "single", "value": 1}],
}  # fmt: skip
POLYGON = {"toolIndex": 1, "markId": "b", "points": [{"x": x, "y": x * x} for x in range(4)]}
PATH = {"toolIndex": 2, "frame": 1, "markId": "c", "pathX": [*range(25)], "pathY": [0.5] * 25}


def problems(*marks, **change):
    return payload_problems({"data": list(marks)}, Workflow.from_json(RESOURCE | change), 2)


def test_a_good_payload_has_no_problems():
    assert problems(CIRCLE, POLYGON, PATH) == ()
    assert len(shown(RESOURCE, {"data": [CIRCLE, POLYGON, PATH]})) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"markId": 7}, "markId: expected text"),
        ({"markId": None}, "markId: expected text"),
        ({"toolIndex": "0"}, "toolIndex: expected an integer"),
        ({"toolIndex": True}, "toolIndex: expected an integer"),
        ({"toolIndex": 4}, "toolIndex 4: expected 0 to 3"),
        ({"toolIndex": -1}, "toolIndex -1: expected 0 to 3"),
        ({"toolIndex": 3}, "can be pre-filled"),
        ({"taskIndex": 1.0}, "taskIndex: expected an integer"),
        ({"taskIndex": -1}, "taskIndex -1"),
        ({"stepKey": "S7"}, "stepKey 'S7': expected one of S0, S1"),
        ({"stepKey": "S1"}, "leads to task T1, which does not draw"),
        ({"frame": 2}, "frame 2: expected 0 to 1"),
        ({"frame": None}, "frame: expected an integer"),
        ({"r": "7"}, "r: expected a number, got '7'"),
        ({"r": 10**400}, "circle.r: Input should be a valid number"),
        ({"r": 4}, "radius under 5"),
        ({"annotations": "yes"}, "annotations: expected a list"),
        ({"annotations": ["yes"]}, "annotations: expected a list"),
        ({"annotations": [{"task": "T0.1.0", "taskType": "single", "value": 1}]}, "to tool 1"),
        ({"annotations": [{"task": "T0.0.0", "taskType": "survey", "value": 1}]}, "survey"),
        ({"annotations": [{"task": "T0.0.0", "taskType": "single", "value": 9}]}, "got 9"),
    ],
    ids=str,
)
def test_each_complaint(change, words):
    [problem] = problems(CIRCLE | change)
    assert problem.startswith("data[0]: ")
    assert words in problem


def test_marks_that_are_no_objects_or_lack_geometry():
    assert "expected an object, got 7" in problems(7)[0]
    assert "circle.r" in problems({k: v for k, v in CIRCLE.items() if k != "r"})[0]
    assert "expected objects with x and y" in problems(POLYGON | {"points": [[1, 2]] * 3})[0]
    assert "of one length" in problems(PATH | {"pathY": [1.0]})[0]
    assert "fewer than 20" in problems(PATH | {"pathX": [1, 2], "pathY": [1, 2]})[0]


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), {1, 2}])
def test_what_is_no_json_is_no_payload(value):
    assert "payload: not JSON" in problems(CIRCLE | {"confidence": value})[0]
    with pytest.raises(Unpresentable, match="expected plain JSON"):
        canonical({"data": [value]})


def test_problems_of_the_workflow_are_named_too():
    tasks = RESOURCE["tasks"] | {"T2": {"type": "transcription"}}
    assert "transcription" in problems(CIRCLE, tasks=tasks)[0]
    assert "clone" in problems(PATH, configuration={"multi_image_clone_markers": True})[0]
    assert "no step" in problems(CIRCLE, tasks={}, first_task="")[0]
    broken = {"T0": {"type": "drawing", "tools": ["circle"]}}
    assert "T0.tools: expected a list of objects" in problems(CIRCLE, tasks=broken)[0]


# The same examples on every run, and a slow machine is no failure.
steady = settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 30) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
GEOMETRY = ("x_center", "r", "points", "pathX", "pathY")
ROUTING = ("stepKey", "taskIndex", "toolIndex", "frame", "markId", "toolType")
keys = st.sampled_from((*GEOMETRY, *ROUTING, "annotations", "details"))


@steady
@given(
    st.lists(st.sampled_from([CIRCLE, POLYGON, PATH]), min_size=1, max_size=3),
    st.dictionaries(keys, values | st.sampled_from(["S0", "S1", 0, 1, "a"]), max_size=2),
    st.lists(keys, max_size=1),
)
def test_what_passes_the_check_is_shown_and_kept(marks, change, removed):
    marks = [copy.deepcopy(mark) for mark in marks]
    marks[0].update(change)
    for key in removed:
        marks[0].pop(key, None)
    found = payload_problems({"data": marks}, Workflow.from_json(RESOURCE), 2)
    if found:
        return
    appeared = shown(RESOURCE, json.loads(json.dumps({"data": marks}, allow_nan=False)))
    assert len(appeared) == len(marks)
    assert all(is_kept(mark) for mark in appeared)
    assert done_is_open(RESOURCE, appeared)


@steady
@given(values)
def test_anything_at_all_is_checked_without_failing(payload):
    if not payload_problems(payload, Workflow.from_json(RESOURCE)):
        try:
            assert shown(RESOURCE, payload) == []
        except PageCrash:
            pytest.fail("the check let a payload through that crashes the page")
