"""Round trips between canonical shapes and the three dialects, and real exported marks."""

import csv
import gzip
import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zooassist_plugin.dialects.aggregation import (
    PARAMETERS,
    shape_from_aggregation,
    shape_to_aggregation,
    shapes_from_aggregation,
)
from zooassist_plugin.dialects.classifier_v1 import (
    mark_from_v1,
    mark_to_v1,
    shape_from_v1,
    shape_to_v1,
    tool_type_of_v1,
)
from zooassist_plugin.dialects.classifier_v2 import (
    mark_from_v2,
    mark_to_v2,
    marks_from_v2,
    marks_to_v2,
    shape_from_v2,
    shape_to_v2,
)
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.shapes import (
    TOOL_TYPES,
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
    make_shape,
)

EXPORTS = Path(__file__).parents[2] / "../shared/data/exports"

# The same eight shapes in each dialect, written out by hand.
POINTS = ((10.0, 12.0), (40.0, 12.5), (25.0, 44.0))
OBJECTS = [{"x": 10, "y": 12}, {"x": 40, "y": 12.5}, {"x": 25, "y": 44}]
PATHS = {"pathX": [10, 40, 25], "pathY": [12, 12.5, 44]}
BOX = {"x": 50, "y": 50, "width": 100, "height": 20}
LINE = {"x1": 1, "y1": 2, "x2": 30, "y2": 40}
CENTRE = {"x_center": 100, "y_center": 60}
CASES = [
    (Point(x=1, y=2), {"x": 1, "y": 2}, {"x": 1, "y": 2}, {"x": 1, "y": 2}),
    (Line(**LINE), LINE, LINE, LINE),
    (
        Circle(**CENTRE, r=7),
        {**CENTRE, "r": 7},
        {"x": 100, "y": 60, "r": 7},
        {"x": 100, "y": 60, "r": 7},
    ),
    (
        Ellipse(**CENTRE, rx=9, ry=4, angle=30),
        {**CENTRE, "rx": 9, "ry": 4, "angle": 30},
        {"x": 100, "y": 60, "rx": 9, "ry": 4, "angle": -30},
        {"x": 100, "y": 60, "rx": 9, "ry": 4, "angle": -30},
    ),
    (
        Rectangle(**CENTRE, width=100, height=20),
        {**CENTRE, "width": 100, "height": 20},
        BOX,
        BOX,
    ),
    (
        RotateRectangle(**CENTRE, width=100, height=20, angle=30),
        {**CENTRE, "width": 100, "height": 20, "angle": 30},
        {**BOX, "angle": 30},
        {**BOX, "angle": 30},
    ),
    (Polygon(points=POINTS), {"points": OBJECTS}, {"points": OBJECTS, "closed": True}, PATHS),
    (FreehandLine(points=POINTS), PATHS, {"points": OBJECTS}, PATHS),
]
by_tool = pytest.mark.parametrize(
    ("shape", "v2", "v1", "aggregation"), CASES, ids=[case[0].tool_type for case in CASES]
)


def test_every_tool_is_tried():
    assert {case[0].tool_type for case in CASES} == set(TOOL_TYPES) == set(PARAMETERS)


@by_tool
def test_version_2(shape, v2, v1, aggregation):
    assert shape_to_v2(shape) == v2
    assert shape_from_v2(shape.tool_type, {**v2, "confidence": 0.5, "frame": 1}) == shape


@by_tool
def test_version_1(shape, v2, v1, aggregation):
    assert shape_to_v1(shape) == v1
    assert shape_from_v1(shape.tool_type, {**v1, "tool": 3}) == shape


@by_tool
def test_aggregation(shape, v2, v1, aggregation):
    assert shape_to_aggregation(shape) == aggregation
    assert shape_from_aggregation(shape.tool_type, aggregation) == shape


@by_tool
def test_version_1_tells_the_tool_by_its_keys_where_it_can(shape, v2, v1, aggregation):
    if shape.tool_type == "polygon":  # or a bezier curve, which has the same keys
        with pytest.raises(BadInput, match="give the tool type from the workflow"):
            tool_type_of_v1(v1)
    else:
        assert tool_type_of_v1({**v1, "tool": 0, "frame": 0, "details": []}) == shape.tool_type


def drawn(rx, ry, angle, clockwise):
    """Some points of an ellipse at the origin as they lie on the screen, where y points down.

    There the rotation matrix turns clockwise for a positive angle.
    """
    turn = math.radians(angle if clockwise else -angle)
    cos, sin = math.cos(turn), math.sin(turn)
    points = [(rx * math.cos(t), ry * math.sin(t)) for t in range(6)]
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in points]


@pytest.mark.parametrize("angle", [0, 17, 90, -45, 200])
def test_an_ellipse_looks_the_same_in_both_versions(angle):
    v2 = Ellipse(x_center=0, y_center=0, rx=9, ry=3, angle=angle)
    v1 = shape_to_v1(v2)
    expected = [pytest.approx(point) for point in drawn(9, 3, v2.angle, clockwise=True)]
    assert drawn(9, 3, v1["angle"], clockwise=False) == expected


# The same examples on every run, and a slow machine is no failure.
steady = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
numbers = st.floats(-1e6, 1e6).map(lambda v: round(v, 3))
sides = st.floats(0, 1e6).map(lambda v: round(v, 3))


@steady
@given(numbers, numbers, sides, sides, numbers)
def test_boxes_keep_their_centre_through_version_1(x, y, width, height, angle):
    box = RotateRectangle(x_center=x, y_center=y, width=width, height=height, angle=angle)
    again = shape_from_v1("rotateRectangle", shape_to_v1(box))
    assert again.x_center == pytest.approx(x, abs=1e-6)
    assert again.y_center == pytest.approx(y, abs=1e-6)
    assert (again.width, again.height, again.angle) == (width, height, angle)


def test_a_rectangle_dragged_backwards_is_turned_right_side_out():
    dragged = {"x": 50, "y": 40, "width": -20, "height": -10}
    assert shape_from_v1("rectangle", dragged) == Rectangle(
        x_center=40, y_center=35, width=20, height=10
    )


@pytest.mark.parametrize(
    ("tool_type", "mark", "words"),
    [
        ("polygon", {"points": [[1, 2], [3, 4], [5, 6]]}, "expected objects with x and y"),
        ("polygon", {"points": None}, "polygon.points: expected a list"),
        ("freehandLine", {"pathX": [1], "pathY": [1, 2]}, "of one length, got 1 and 2"),
        ("circle", {"x_center": 1, "y_center": 2}, "circle.r"),
        ("circle", {"x_center": 1, "y_center": None, "r": 4}, "circle.y_center"),
        ("point", {"x": math.nan, "y": 1}, "point.x: Input should be a finite number"),
        ("bezier", {"points": []}, "expected one of the tools"),
    ],
)
def test_unusable_version_2_geometry_is_named(tool_type, mark, words):
    with pytest.raises(BadInput, match=words):
        shape_from_v2(tool_type, mark)


@pytest.mark.parametrize(
    ("tool_type", "mark", "words"),
    [
        ("rectangle", {"x": 1, "y": 2, "width": 5}, "height"),
        ("rectangle", {"x": None, "y": 2, "width": 5, "height": 5}, "rectangle mark"),
        ("circle", {"x": 1, "y": 2, "r": -4}, "circle.r"),
        ("polygon", {"points": "abc"}, "polygon mark"),
        ("column", {"x": 1}, "expected one of the tools"),
    ],
)
def test_unusable_version_1_geometry_is_named(tool_type, mark, words):
    with pytest.raises(BadInput, match=words):
        shape_from_v1(tool_type, mark)


def test_unusable_aggregation_parameters_are_named():
    with pytest.raises(BadInput, match="ry is missing"):
        shape_from_aggregation("ellipse", {"x": 1, "y": 2, "rx": 3, "angle": 0})
    with pytest.raises(BadInput, match="of one length"):
        shape_from_aggregation("polygon", {"pathX": [1, 2], "pathY": [1]})


ANSWERS = (
    SubtaskAnswer(task="T0.1.0", task_type="single", value=1),
    SubtaskAnswer(task="T0.1.1", task_type="multiple", value=(0, 2)),
    SubtaskAnswer(task="T0.1.2", task_type="text", value="merger?"),
)


def test_a_mark_with_answers_survives_version_1():
    mark = Mark(shape=Circle(**CENTRE, r=7), frame=2, tool_index=1, answers=ANSWERS)
    written = mark_to_v1(mark)
    assert written["details"] == [{"value": 1}, {"value": [0, 2]}, {"value": "merger?"}]
    assert written["tool"] == 1
    assert mark_from_v1(written) == mark
    only_last = mark.model_copy(update={"answers": ANSWERS[2:]})
    assert mark_to_v1(only_last)["details"][:2] == [{"value": None}, {"value": None}]
    assert mark_from_v1(mark_to_v1(only_last)) == only_last


def test_marks_with_answers_survive_version_2():
    marks = (
        Mark(shape=Point(x=1, y=2)),
        Mark(shape=Circle(**CENTRE, r=7), frame=2, tool_index=1, answers=ANSWERS),
    )
    written = marks_to_v2("T0", marks)
    assert written[0]["value"][1]["details"] == [
        {"task": "T0.1.0"},
        {"task": "T0.1.1"},
        {"task": "T0.1.2"},
    ]
    assert written[2] == {
        "task": "T0.1.1",
        "taskType": "multiple",
        "value": [0, 2],
        "markIndex": 1,
    }
    assert marks_from_v2("T0", json.loads(json.dumps(written))) == marks


def test_a_mark_from_a_reduction_is_read_with_its_annotations():
    datum = {
        "toolIndex": 1, "toolType": "circle", "frame": 0, "markId": "a", **CENTRE, "r": 7,
        "annotations": {"k1": {"task": "T0.1.0", "taskType": "single", "value": 1}},
    }  # fmt: skip
    assert mark_from_v2(datum) == Mark(
        shape=Circle(**CENTRE, r=7), tool_index=1, answers=ANSWERS[:1], mark_id="a"
    )


def test_a_returned_tool_index_0_is_corrected_by_the_subtask_keys():
    returned = {**mark_to_v2(Mark(shape=Point(x=1, y=2), tool_index=1, answers=ANSWERS))}
    returned["toolIndex"] = 0
    assert mark_from_v2(returned).tool_index == 1
    assert mark_from_v2({**returned, "details": []}).tool_index == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame": -1}, "frame: Input should be greater than or equal to 0, got -1"),
        ({"frame": "first"}, "frame: Input should be a valid integer"),
        ({"x": None}, "point"),
    ],
)
def test_an_unreadable_mark_is_bad_input_in_both_versions(change, words):
    with pytest.raises(BadInput, match=words):
        mark_from_v1({"tool": 0, "x": 1, "y": 2} | change)
    with pytest.raises(BadInput, match=words):
        mark_from_v2({"toolType": "point", "x": 1, "y": 2} | change)
    with pytest.raises(BadInput, match="details: expected a list of objects"):
        mark_from_v2({"toolType": "point", "x": 1, "y": 2, "details": [1]})


def test_an_unreadable_mark_is_named_by_its_place():
    drawn = [{"toolType": "point", "x": 1, "y": 2}, {"toolType": "point", "x": 1}]
    with pytest.raises(BadInput, match=r"task T0, mark 1: point.y"):
        marks_from_v2("T0", [{"task": "T0", "value": drawn}])


def test_a_task_without_marks_and_other_tasks_are_passed_over():
    other = {"task": "T1", "taskType": "single", "value": 0}
    for value in ([], None):
        assert marks_from_v2("T0", [{"task": "T0", "value": value}, other]) == ()
    assert marks_from_v2("T0", [other]) == ()
    with pytest.raises(BadInput, match="value: expected a list of objects, got 3"):
        marks_from_v2("T0", [{"task": "T0", "value": 3}])


def test_shapes_of_an_extract_are_read_for_both_classifier_versions():
    frame = {
        "T0_tool1_x": [10, 20], "T0_tool1_y": [1, 2], "T0_tool1_r": [5, 6],
        "T0_toolIndex0_pathX": [[1, 2, 3]], "T0_toolIndex0_pathY": [[4, 5, 6]],
    }  # fmt: skip
    circles = shapes_from_aggregation(frame, "T0", 1, "circle")
    assert [c.r for c in circles] == [5, 6]
    [outline] = shapes_from_aggregation(frame, "T0", 0, "polygon")
    assert outline.points == ((1, 4), (2, 5), (3, 6))
    assert shapes_from_aggregation(frame, "T9", 0, "circle") == ()
    with pytest.raises(BadInput, match="lists of one length"):
        shapes_from_aggregation({**frame, "T0_tool1_r": [5]}, "T0", 1, "circle")


def test_make_shape_names_the_parameter():
    with pytest.raises(BadInput, match=r"circle\.r: .*greater than or equal to 0.*got -1"):
        make_shape("circle", {"x_center": 1, "y_center": 2, "r": -1})


def real_annotations(name):
    path = EXPORTS / name
    if not path.exists():
        pytest.skip(f"needs {path.name}, a real export, beside the checkout in ../shared/data")
    csv.field_size_limit(sys.maxsize)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield json.loads(row["annotations"])


def test_real_version_2_marks_come_back_as_they_were():
    kinds = []
    for annotations in real_annotations("cat-project-classifications.csv.gz"):
        for annotation in annotations:
            if not isinstance(annotation["value"], list):
                continue
            for mark in annotation["value"]:
                read = mark_from_v2(mark, annotation["task"])
                kinds.append(read.shape.tool_type)
                assert mark_to_v2(read).items() <= mark.items()
    assert (kinds.count("freehandLine"), kinds.count("polygon")) == (165, 19)


def test_real_version_1_marks_come_back_as_they_were():
    kinds = set()
    for annotations in real_annotations("ap-aas229-test-classifications.csv.gz"):
        for annotation in annotations:
            value = annotation["value"]
            for mark in value if isinstance(value, list) else []:
                if "points" in mark:
                    continue  # polygons and bezier curves, told apart only by the workflow
                read = mark_from_v1(mark, task=annotation["task"])
                kinds.add(read.shape.tool_type)
                again = mark_to_v1(read)
                assert {k: v for k, v in again.items() if k != "details"} == {
                    key: pytest.approx(mark[key]) for key in again if key != "details"
                }
    assert kinds == {"circle", "ellipse", "line"}
