"""Marks of both classifiers come out the same, with their answers; odd ones are kept or listed."""

import json
from collections import Counter

import pytest

from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.extracts.marks import drawn_tasks
from zooassist_exporters.workflows import Version, WorkflowVersion, WorkflowVersions
from zooassist_plugin.dialects.classifier_v1 import mark_to_v1
from zooassist_plugin.dialects.classifier_v2 import marks_to_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
)

SHAPES = [
    Point(x=3, y=4),
    Line(x1=0, y1=1, x2=20, y2=21),
    Circle(x_center=30, y_center=40, r=8),
    Ellipse(x_center=30, y_center=40, rx=9, ry=5, angle=30),
    Rectangle(x_center=50, y_center=60, width=10, height=20),
    RotateRectangle(x_center=50, y_center=60, width=10, height=20, angle=15),
    Polygon(points=((0, 0), (10, 0), (10, 10))),
    FreehandLine(points=((1, 1), (2, 5), (7, 3), (1, 1))),
]
DETAILS = [
    {"type": "single", "answers": [{"label": "**Sharp**"}, {"label": "Blurred"}]},
    {"type": "multiple", "answers": [{"label": "red"}, {"label": "green"}, {"label": "blue"}]},
    {"type": "text"},
]
ANSWERS = (
    SubtaskAnswer(task="T0.0.0", task_type="single", value=0),
    SubtaskAnswer(task="T0.0.1", task_type="multiple", value=(0, 2)),
    SubtaskAnswer(task="T0.0.2", task_type="text", value="two cells"),
)


def tools_of(*types, details=(), given=None):
    """Tools of a workflow whose task T0 has one tool of each type."""
    listed = [{"type": each, "label": f"*{each}* tool", "details": list(details)} for each in types]
    tasks = {"T0": {"type": "drawing", "tools": listed}, "T1": {"type": "multiple"}}
    version = WorkflowVersion(5, Version(2, 1), "T0", tasks)
    return WorkflowTools(WorkflowVersions([version]), given).of("2.1")


NOTHING_KNOWN = WorkflowTools().of("2.1")


def only(annotations, tools=NOTHING_KNOWN):
    [task] = drawn_tasks(annotations, tools)
    assert not task.unusable
    return task.marks


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.tool_type)
def test_a_shape_is_the_same_from_either_classifier(shape):
    mark = Mark(shape=shape, frame=1, tool_index=0, answers=ANSWERS)
    tools = tools_of(shape.tool_type, details=DETAILS)
    old = {"task": "T0", "task_label": "Draw", "value": [mark_to_v1(mark) | {"tool_label": "x"}]}
    new = marks_to_v2("T0", [mark])
    for annotations in ([old], new):
        [found] = only(annotations, tools)
        assert (found.shape, found.frame, found.tool_index) == (shape, 1, 0)
        assert found.tool_type == shape.tool_type
        assert found.subtasks == ("T0.0.0", "T0.0.1", "T0.0.2")
        assert [(each.task, each.labels) for each in found.answers] == [
            ("T0.0.0", ("Sharp",)),
            ("T0.0.1", ("red", "blue")),
            ("T0.0.2", ()),
        ]
        assert found.answers[2].value == "two cells"
    assert only([old], tools)[0].tool_label == "x"
    assert only(new, tools)[0].tool_label == f"{shape.tool_type} tool"  # old exports hold null


@pytest.mark.parametrize("shape", SHAPES[:6] + SHAPES[7:], ids=lambda shape: shape.tool_type)
def test_without_the_workflow_the_look_of_an_old_mark_tells_its_tool(shape):
    annotation = {"task": "T0", "value": [mark_to_v1(Mark(shape=shape))]}
    [found] = only([annotation])
    assert found.shape == shape


@pytest.mark.parametrize(
    ("tool_type", "geometry"),
    [
        ("bezier", {"points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}], "closed": True}),
        ("column", {"x": 5, "width": 9}),
        ("fan", {"x": 1, "y": 2, "radius": 5, "rotation": 10, "spread": 40}),
        ("triangle", {"x": 1, "y": 2, "r": 5, "angle": 10}),
        ("fullWidthLine", {"y": 7}),
        ("fullHeightLine", {"x": 7}),
        ("pointGrid", {"x": 1, "y": 2, "width": 3, "height": 4}),
    ],
)
def test_old_tools_without_canonical_shape_keep_their_geometry(tool_type, geometry):
    value = [geometry | {"tool": 0, "frame": 0, "details": [], "tool_label": "Odd"}]
    [found] = only([{"task": "T0", "value": value}], tools_of(tool_type))
    assert found.shape is None
    assert found.tool_type == tool_type
    assert dict(found.geometry) == {k: v for k, v in geometry.items() if k != "closed"}


@pytest.mark.parametrize(
    "mark",
    [
        {"toolType": "temporalPoint", "x_center": 3, "y_center": 4, "displayTime": 1.5},
        {"toolType": "transcriptionLine", "x1": 0, "y1": 1, "x2": 2, "y2": 3},
    ],
    ids=lambda mark: mark["toolType"],
)
def test_new_tools_without_canonical_shape_keep_their_geometry(mark):
    [found] = only([{"task": "T0", "value": [mark | {"toolIndex": 2, "frame": 1, "details": []}]}])
    assert (found.shape, found.tool_index, found.frame) == (None, 2, 1)
    assert dict(found.geometry) == {k: v for k, v in mark.items() if k != "toolType"}


def test_an_outline_that_may_be_a_curve_is_told_by_the_workflow_or_the_user():
    value = [{"tool": 6, "frame": 0, "closed": True, "details": []}]
    value[0]["points"] = [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]
    annotations = [{"task": "T0", "task_label": "Draw", "value": value}]
    assert only(annotations)[0].tool_type == ""
    told = WorkflowTools(given={"T0.6": "polygon"}).of("2.1")
    assert only(annotations, told)[0].shape == Polygon(points=((0, 0), (9, 0), (9, 9)))
    with pytest.raises(BadInput, match=r"T0\.1"):
        WorkflowTools(given={"polygon": "T0.6"})


def test_null_coordinates_cost_the_mark_but_not_the_others():
    broken = {"toolIndex": 0, "toolType": "circle", "x_center": None, "y_center": 2, "r": 3}
    lost = {"toolIndex": 0, "toolType": "temporalPoint", "x_center": None, "y_center": 1}
    flat = {"tool": 0, "x": 1, "y": 2, "r": -4}
    whole = {"toolIndex": 0, "toolType": "point", "x": 1, "y": 2}
    frame = whole | {"frame": "left"}
    value = [broken, whole, lost, flat, 7, frame]
    [task] = drawn_tasks([{"task": "T0", "value": value}], tools_of("circle"))
    assert [mark.shape for mark in task.marks] == [Point(x=1, y=2)]
    assert [each.place for each in task.unusable] == [0, 2, 3, 4, 5]
    assert "x_center" in task.unusable[0].reason


def test_an_empty_drawing_says_that_there_is_nothing():
    [task] = drawn_tasks([{"task": "T0", "task_label": "Draw", "value": []}], tools_of("point"))
    assert (task.task, task.marks, task.unusable) == ("T0", (), ())
    assert drawn_tasks([{"task": "T0", "value": None}], tools_of("point")) == []
    assert drawn_tasks([{"task": "T1", "value": ["a"]}], tools_of("point")) == []


def test_drawings_inside_a_combo_are_found():
    inner = {"task": "T0", "value": [{"tool": 0, "frame": 0, "x": 1, "y": 2, "details": []}]}
    combo = {"task": "T9", "task_label": None, "value": [{"task": "T1", "value": []}, inner]}
    tasks = {task.task: task for task in drawn_tasks([combo], tools_of("point"))}
    assert tasks["T0"].marks[0].shape == Point(x=1, y=2)


def test_answers_find_their_mark_by_task_and_place():
    """Two drawing tasks count their marks each for themselves."""
    point = {"toolIndex": 0, "toolType": "point", "x": 1, "y": 2, "details": [{"task": "T0.0.0"}]}
    other = point | {"details": [{"task": "T2.0.0"}]}
    annotations = [
        {"task": "T0", "value": [point, point]},
        {"task": "T0.0.0", "taskType": "single", "value": 1, "markIndex": 1},
        {"task": "T2", "value": [other]},
        {"task": "T2.0.0", "taskType": "single", "value": 0, "markIndex": 0},
    ]
    first, second = drawn_tasks(annotations, NOTHING_KNOWN)
    assert [[answer.value for answer in mark.answers] for mark in first.marks] == [[], [1]]
    assert [answer.task for answer in second.marks[0].answers] == ["T2.0.0"]


def test_labels_follow_the_version_of_the_classification():
    def version(minor, label):
        tools = [{"type": "point", "label": label}]
        tasks = {"T0": {"type": "drawing", "tools": tools}}
        return WorkflowVersion(5, Version(2, minor), "T0", tasks)

    tools = WorkflowTools(WorkflowVersions([version(9, "Star"), version(10, "Galaxy")]))
    value = json.loads('[{"toolIndex": 0, "toolType": "point", "x": 1, "y": 2}]')
    labels = Counter(
        only([{"task": "T0", "value": value}], tools.of(each))[0].tool_label
        for each in ("2.9", "2.10", "2.10")
    )
    assert labels == {"Star": 1, "Galaxy": 2}
