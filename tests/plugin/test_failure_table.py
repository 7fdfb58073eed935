"""One test per row of the platform's failure table and per trap of the classifier contract.

Each is judged by `classifier_model`, which shares no code with the writer. Where a row says what
the classifier does to a bad payload, the test first shows that on the model, then that the writer
cannot make such a payload.
"""

import json
import math

import pytest
from classifier_model import (
    PageCrash,
    assert_intact,
    done_is_open,
    is_closed,
    is_kept,
    shown,
    submitted,
)

from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.presenters import Unpresentable, canonical, write_marks
from zooassist_plugin.presenters.checking import payload_problems
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
)
from zooassist_plugin.workflow import Workflow

QUESTION = {"type": "single", "question": "Anything?", "answers": [{"label": "Yes"}]}
GOOD = {
    "point": Point(x=10.5, y=20.25),
    "line": Line(x1=0, y1=0, x2=30, y2=40),
    "circle": Circle(x_center=50, y_center=60, r=12.3),
    "ellipse": Ellipse(x_center=50, y_center=60, rx=30, ry=12, angle=33.3),
    "rectangle": Rectangle(x_center=50, y_center=60, width=20, height=10),
    "rotateRectangle": RotateRectangle(x_center=50, y_center=60, width=20, height=10, angle=15),
    "polygon": Polygon(points=((10, 12), (40, 12), (25, 44.551))),
    "freehandLine": FreehandLine(points=tuple((i, i * i / 10) for i in range(30))),
}


def drawing(*tools, **extra):
    return {
        "type": "drawing",
        "instruction": "Outline",
        "tools": [tool if isinstance(tool, dict) else {"type": tool} for tool in tools],
        **extra,
    }


def workflow_json(tasks=None, first="T0", steps=(), **configuration):
    return {
        "id": "102",
        "display_name": "Outlines",
        "version": "1.1",
        "first_task": first,
        "tasks": tasks or {"T0": drawing(*TOOL_TYPES)},
        "steps": list(steps),
        "configuration": {"enable_caesar_data_fetching": True, **configuration},
        "links": {"project": "1", "subject_sets": ["11"]},
    }


def write(marks, resource, frames=1, **options):
    return write_marks(marks, Workflow.from_json(resource), frames, **options)


def mark(shape, **fields):
    tools = list(TOOL_TYPES)
    return Mark(shape=shape, **{"tool_index": tools.index(shape.tool_type), **fields})


def refused(marks, resource, reason, frames=1):
    with pytest.raises(Unpresentable, match=reason):
        write(marks, resource, frames)


# Platform notes 1.2.4, in the order of the table.


def test_row_no_marks_is_an_empty_list():
    presented = write([], workflow_json())
    assert presented.payload == {"data": []}
    assert shown(workflow_json(), presented.payload) == []


@pytest.mark.parametrize("payload", [{}, [{"x": 1}], '{"data": []}', {"blank": False}, None])
def test_row_payload_that_is_no_object_with_a_list_crashes_the_page(payload):
    with pytest.raises(PageCrash):
        shown(workflow_json(), payload)
    assert payload_problems(payload, Workflow.from_json(workflow_json()))


@pytest.mark.parametrize("key", ["data", "store", "_store"])
def test_row_payload_provenance_cannot_take_the_place_of_the_list(key):
    with pytest.raises(Unpresentable, match="the platform's own"):
        write([], workflow_json(), provenance={key: {}})


def test_row_tool_index_out_of_range_is_refused():
    resource = workflow_json()
    bad = {"data": [{"toolIndex": 8, "x": 1, "y": 2, "markId": "a"}]}
    assert shown(resource, bad) == []
    assert payload_problems(bad, Workflow.from_json(resource))
    refused([Mark(shape=GOOD["point"], tool_index=8)], resource, "toolIndex 8: expected 0 to 7")


def test_row_task_index_out_of_range_cannot_be_written():
    resource = workflow_json()
    bad = {"data": [{"taskIndex": 1, "x": 1, "y": 2, "toolIndex": 4, "markId": "a"}]}
    assert shown(resource, bad) == []
    assert "taskIndex 1" in payload_problems(bad, Workflow.from_json(resource))[0]
    refused([Mark(shape=GOOD["point"], task="T7")], resource, "task T7: workflow 102 has none")


def test_row_task_index_of_a_non_drawing_task_is_refused():
    resource = workflow_json({"T0": drawing("point"), "T1": QUESTION})
    bad = {"data": [{"stepKey": "S1", "x": 1, "y": 2, "markId": "a"}]}
    with pytest.raises(PageCrash):
        shown(resource, bad)
    assert "does not draw" in payload_problems(bad, Workflow.from_json(resource))[0]
    refused([Mark(shape=GOOD["point"], task="T1")], resource, "T1 is a single task")


def test_row_geometry_of_another_tool_is_refused():
    resource = workflow_json({"T0": drawing("circle", "polygon")})
    refused([Mark(shape=GOOD["polygon"])], resource, "tool 0 draws circle, the mark is polygon")
    assert_intact(resource, write([Mark(shape=GOOD["polygon"], tool_index=1)], resource).payload)
    bad = {"data": [{"points": [{"x": 1, "y": 2}] * 3, "markId": "a"}]}
    assert payload_problems(bad, Workflow.from_json(resource))


@pytest.mark.parametrize(
    "shape",
    [
        Line(x1=0, y1=0, x2=3, y2=4),
        Circle(x_center=9, y_center=9, r=4.994),
        Ellipse(x_center=9, y_center=9, rx=5, ry=4),
        Ellipse(x_center=9, y_center=9, rx=8, ry=0.001),
        Rectangle(x_center=9, y_center=9, width=2, height=50),
        Rectangle(x_center=9, y_center=9, width=50, height=5.004),
        RotateRectangle(x_center=9, y_center=9, width=50, height=5, angle=3),
        Polygon(points=((1, 1), (9, 9))),
        Polygon(points=((1, 1), (9, 9), (1, 1), (9.001, 9))),
        Polygon(points=()),
        FreehandLine(points=()),
        FreehandLine(points=((4, 4),) * 30),
    ],
    ids=lambda shape: shape.tool_type,
)
def test_row_geometry_below_the_minimum_is_left_out_and_said(shape):
    resource = workflow_json()
    presented = write([mark(shape), mark(GOOD["point"])], resource)
    assert [entry["toolType"] for entry in presented.payload["data"]] == ["point"]
    assert presented.notes[-1].startswith(f"mark 0 ({shape.tool_type}): ")
    assert presented.notes[-1].endswith("left out")


@pytest.mark.parametrize(
    "shape",
    [
        Line(x1=0, y1=0, x2=5.01, y2=0),
        Circle(x_center=9, y_center=9, r=5),
        Ellipse(x_center=9, y_center=9, rx=5.01, ry=1),
        Rectangle(x_center=9, y_center=9, width=5.01, height=5.01),
        RotateRectangle(x_center=9, y_center=9, width=5.01, height=5.01),
        Polygon(points=((1, 1), (1.01, 1), (1, 1.01))),
    ],
    ids=lambda shape: shape.tool_type,
)
def test_row_geometry_just_over_the_minimum_is_written(shape):
    presented = write([mark(shape)], workflow_json())
    assert presented.notes == ()
    assert len(assert_intact(workflow_json(), presented.payload)) == 1


@pytest.mark.parametrize(("rx", "written"), [(3, 3), (5.004, 5)])
def test_row_ellipse_with_its_short_axis_first_is_turned(rx, written):
    shape = Ellipse(x_center=40, y_center=40, rx=rx, ry=20, angle=10)
    presented = write([mark(shape)], workflow_json())
    [drawn] = assert_intact(workflow_json(), presented.payload)
    geometry = drawn["geometry"]
    assert (geometry["rx"], geometry["ry"], geometry["angle"]) == (20, written, 100)
    assert "axes swapped" in presented.notes[0]


def test_row_marks_with_one_id_are_told_apart():
    resource = workflow_json()
    twice = [{"toolIndex": 4, "x": x, "y": 2, "markId": "a"} for x in (1, 5)]
    assert len(shown(resource, {"data": twice})) == 1
    assert "used twice" in payload_problems({"data": twice}, Workflow.from_json(resource))[0]
    presented = write([mark(GOOD["point"], mark_id="a") for _ in range(3)], resource)
    assert [entry["markId"] for entry in presented.payload["data"]] == ["a", "a-2", "a-3"]
    assert len(presented.notes) == 2
    assert len(assert_intact(resource, presented.payload)) == 3


def test_row_mark_ids_are_text_and_carry_the_proposal():
    presented = write([mark(GOOD["point"])] * 2, workflow_json(), provenance={"proposal_id": "r7"})
    assert [entry["markId"] for entry in presented.payload["data"]] == ["r7-0", "r7-1"]


def test_row_page_editor_steps_beyond_the_first_are_refused():
    pages = [
        ["P0", {"stepKey": "P0", "taskKeys": ["T1"], "next": "P1"}],
        ["P1", {"stepKey": "P1", "taskKeys": ["T0"]}],
    ]
    resource = workflow_json({"T0": drawing("point"), "T1": QUESTION}, steps=pages)
    lost = {"data": [{"stepKey": "P1", "x": 1, "y": 2, "markId": "a"}]}
    assert shown(resource, lost) == []
    refused([Mark(shape=GOOD["point"])], resource, "step P0 comes from the page editor")
    assert payload_problems(lost, Workflow.from_json(resource))
    one_page = workflow_json({"T0": drawing("point"), "T1": QUESTION}, steps=[pages[1]])
    assert_intact(one_page, write([Mark(shape=GOOD["point"])], one_page).payload)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "12", True])
def test_row_numbers_that_are_no_json_numbers_are_refused(value):
    if value not in ("12", True):  # which are read as the numbers they stand for
        with pytest.raises(ValueError, match=r"finite|valid number"):
            Point(x=1, y=value)
    smuggled = Mark.model_construct(
        shape=Point.model_construct(tool_type="point", x=value, y=1.0),
        frame=0, tool_index=4, task="T0", answers=(), confidence=None, mark_id=None,
    )  # fmt: skip
    refused([smuggled], workflow_json(), "point.x: expected a finite number")
    bad = {"data": [{"toolIndex": 4, "x": value, "y": 1.0, "markId": "a"}]}
    assert payload_problems(bad, Workflow.from_json(workflow_json()))


@pytest.mark.parametrize("kind", ["polygon", "freehandLine"])
def test_row_numbers_inside_a_path_are_refused_too(kind):
    points = ((0.0, 0.0), (math.nan, 1.0), (5.0, 5.0))
    smuggled = Mark.model_construct(
        shape=TOOL_TYPES[kind].model_construct(tool_type=kind, points=points),
        frame=0, tool_index=list(TOOL_TYPES).index(kind), task="T0", answers=(),
        confidence=None, mark_id=None,
    )  # fmt: skip
    refused([smuggled], workflow_json(), rf"{kind}.points: expected a finite number")


def test_row_numbers_past_every_image_are_refused():
    refused([mark(Point(x=2e6, y=1))], workflow_json(), "expected pixels of an image")


def test_row_provenance_that_is_no_json_is_refused():
    with pytest.raises(Unpresentable, match="payload: not JSON"):
        write([], workflow_json(), provenance={"max_conf": math.nan})


# Platform notes 1.2.1 to 1.2.6: conditions beside the table.


def test_a_transcription_task_is_refused():
    resource = workflow_json({"T0": drawing("point"), "T1": {"type": "transcription"}})
    assert shown(resource, {"data": [{"x": 1, "y": 1}]}) == []
    refused([Mark(shape=GOOD["point"])], resource, "T1 is a transcription task")


@pytest.mark.parametrize("viewer", ["dataImage", "subjectGroup", "volumetric"])
def test_a_viewer_without_marks_is_refused(viewer):
    resource = workflow_json(subject_viewer=viewer)
    refused([mark(GOOD["point"])], resource, f"viewer {viewer} shows no marks")


@pytest.mark.parametrize("kind", ["bezier", "brush", "transcriptionLine", "temporalPoint", ""])
def test_a_tool_that_cannot_be_prefilled_is_refused(kind):
    refused([Mark(shape=GOOD["point"])], workflow_json({"T0": drawing(kind)}), "can be pre-filled")


def test_all_eight_tools_are_shown_where_they_belong():
    resource = workflow_json()
    presented = write([mark(shape) for shape in GOOD.values()], resource)
    assert presented.notes == ()
    marks = assert_intact(resource, presented.payload)
    assert [m["toolType"] for m in marks] == list(GOOD)
    assert marks[-2]["geometry"]["points"][2] == {"x": 25, "y": 44.55}


def test_even_the_first_drawing_task_is_named():
    """Older classifiers show no mark that does not name its step."""
    entry = write([mark(GOOD["point"])], workflow_json()).payload["data"][0]
    assert (entry["stepKey"], entry["taskIndex"]) == ("S0", 0)
    assert type(entry["toolIndex"]) is int


def test_a_drawing_task_in_a_later_step_is_routed_there():
    tasks = {"T0": QUESTION, "T1": {"type": "shortcut"}, "T2": drawing("point", "circle")}
    resource = workflow_json(tasks)
    entry = write([Mark(shape=GOOD["circle"], tool_index=1, task="T2")], resource).payload["data"][
        0
    ]
    assert (entry["stepKey"], entry["taskIndex"]) == ("S2", 0)
    [drawn] = assert_intact(resource, {"data": [entry]})
    assert drawn["task"] == "T2"


def test_a_drawing_task_behind_a_question_in_a_combo_is_routed_by_task_index():
    combo = {"type": "combo", "tasks": ["T1", "T2"]}
    tasks = {"T0": QUESTION, "T1": QUESTION, "T2": drawing("point"), "T3": combo}
    later = workflow_json(tasks)
    entry = write([Mark(shape=GOOD["point"], task="T2")], later).payload["data"][0]
    assert (entry["stepKey"], entry["taskIndex"]) == ("S1", 1)
    assert_intact(later, {"data": [entry]})
    # First of all, and still not the first task of its step.
    first = workflow_json(tasks, first="T3")
    entry = write([Mark(shape=GOOD["point"], task="T2")], first).payload["data"][0]
    assert (entry["stepKey"], entry["taskIndex"]) == ("S0", 1)
    assert_intact(first, {"data": [entry]})


def test_a_drawing_task_on_no_step_is_refused():
    steps = [["S0", {"stepKey": "S0", "taskKeys": ["T1"]}]]
    resource = workflow_json({"T0": drawing("point"), "T1": QUESTION}, steps=steps)
    refused([Mark(shape=GOOD["point"])], resource, "task T0 is on no step")


def test_a_workflow_whose_tools_cannot_be_read_is_refused():
    resource = workflow_json({"T0": drawing({"type": "point", "max": "many"})})
    refused([Mark(shape=GOOD["point"])], resource, r"workflow 102: T0.tools.0.max: expected a num")


def test_a_workflow_without_drawing_task_is_refused():
    resource = workflow_json({"T0": QUESTION})
    refused([Mark(shape=GOOD["point"])], resource, "drawing tasks are none")


@pytest.mark.parametrize(("frame", "frames"), [(1, 1), (3, 3)])
def test_a_frame_that_the_subject_lacks_is_refused(frame, frames):
    refused([mark(GOOD["point"], frame=frame)], workflow_json(), f"frame {frame}: exp", frames)


def test_marks_on_another_frame_are_written_there():
    presented = write([mark(GOOD["point"], frame=2)], workflow_json(), frames=3)
    [drawn] = assert_intact(workflow_json(), presented.payload, frames=3)
    assert drawn["frame"] == 2


def test_cloned_marks_have_to_be_on_frame_0():
    resource = workflow_json(multi_image_clone_markers=True)
    refused([mark(GOOD["point"], frame=1)], resource, "multi_image_clone_markers", frames=2)
    assert_intact(resource, write([mark(GOOD["point"])], resource, frames=2).payload)


def test_more_marks_than_a_tool_allows_keep_the_most_confident():
    resource = workflow_json({"T0": drawing({"type": "point", "max": "2"})})
    marks = [
        Mark(shape=Point(x=x, y=1), confidence=confidence)
        for x, confidence in ((1, 0.2), (2, None), (3, 0.9), (4, 0.4))
    ]
    presented = write(marks, resource)
    assert [entry["x"] for entry in presented.payload["data"]] == [3, 4]
    assert "allows 2 of 4 marks" in presented.notes[0]
    assert_intact(resource, presented.payload)


DETAILS = [
    {"type": "single", "question": "State?", "answers": [{"label": "a"}, {"label": "b"}]},
    {"type": "multiple", "question": "What?", "answers": [{"label": c} for c in "abc"]},
    {"type": "text", "instruction": "Notes"},
]


def with_details(*details):
    return workflow_json({"T0": drawing({"type": "circle", "details": list(details)})})


def circle(*answers):
    return Mark(
        shape=GOOD["circle"],
        answers=tuple(SubtaskAnswer(task=k, task_type=t, value=v) for k, t, v in answers),
    )


def test_subtasks_are_pre_answered():
    resource = with_details(*DETAILS)
    answers = [
        ("T0.0.0", "single", 1),
        ("T0.0.1", "multiple", (0, 2)),
        ("T0.0.2", "text", "merger?"),
    ]
    presented = write([circle(*answers)], resource)
    assert presented.payload["data"][0]["annotations"] == [
        {"task": "T0.0.0", "taskType": "single", "value": 1},
        {"task": "T0.0.1", "taskType": "multiple", "value": [0, 2]},
        {"task": "T0.0.2", "taskType": "text", "value": "merger?"},
    ]
    assert_intact(resource, presented.payload)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (("T0.0.3", "single", 0), "no such subtask"),
        (("T0.1.0", "single", 0), "no such subtask"),
        (("T1.0.0", "single", 0), "no such subtask"),
        (("T0.0.0", "multiple", (0,)), "expected a single answer"),
        (("T0.0.0", "single", 2), "indices 0 to 1, got 2"),
        (("T0.0.0", "single", -1), "indices 0 to 1, got -1"),
        (("T0.0.1", "multiple", (0, 3)), "indices 0 to 2, got 3"),
        (("T0.0.1", "multiple", (1, 1)), "named twice"),
    ],
)
def test_an_answer_to_a_subtask_that_is_not_there_is_refused(answer, reason):
    refused([circle(answer)], with_details(*DETAILS), reason)


def test_two_answers_to_one_subtask_are_refused():
    twice = circle(("T0.0.0", "single", 0), ("T0.0.0", "single", 1))
    refused([twice], with_details(*DETAILS), "answered twice")


@pytest.mark.parametrize(
    ("detail", "kind", "empty", "good"),
    [
        (DETAILS[0], "single", None, 0),
        (DETAILS[1], "multiple", (), (0,)),
        (DETAILS[2], "text", "", "x"),
    ],
)
def test_a_required_subtask_has_to_be_pre_answered(detail, kind, empty, good):
    resource = with_details({**detail, "required": True})
    blocked = {"data": [{"x_center": 9, "y_center": 9, "r": 9}]}
    assert not done_is_open(resource, shown(resource, blocked))
    assert "required" in payload_problems(blocked, Workflow.from_json(resource))[0]
    refused([circle()], resource, "required and not pre-answered")
    refused([circle(("T0.0.0", kind, empty))], resource, "required and not pre-answered")
    assert_intact(resource, write([circle(("T0.0.0", kind, good))], resource).payload)


def test_an_outline_with_too_many_vertices_is_thinned():
    points = tuple(
        (200 + 150 * math.cos(a / 100 * math.pi), 200 + 90 * math.sin(a / 100 * math.pi))
        for a in range(200)
    )
    presented = write([mark(Polygon(points=points))], workflow_json())
    [drawn] = assert_intact(workflow_json(), presented.payload)
    kept = [(p["x"], p["y"]) for p in drawn["geometry"]["points"]]
    assert 20 <= len(kept) <= 60
    assert "thinned from 200 to" in presented.notes[0]

    def off(x, y):  # distance to the nearest edge of what was kept, by brute force
        edges = zip(kept, [*kept[1:], kept[0]], strict=True)
        along = [(i / 50) for i in range(51)]
        return min(
            math.hypot(x - a[0] - t * (b[0] - a[0]), y - a[1] - t * (b[1] - a[1]))
            for a, b in edges
            for t in along
        )

    assert max(off(*p) for p in points) < 0.6


def test_coordinates_are_rounded_to_two_decimals():
    resource = workflow_json()
    presented = write([mark(Circle(x_center=1 / 3, y_center=-1e-9, r=20 / 3))], resource)
    entry = presented.payload["data"][0]
    assert (entry["x_center"], entry["y_center"], entry["r"]) == (0.33, 0, 6.67)
    assert math.copysign(1, entry["y_center"]) == 1


# Classifier contract, section 5: the traps that a writer can step into (1, 7, 9 to 12 are the
# reader's or the page's, not the payload's).


def test_trap_2_marks_come_back_with_tool_index_0_so_the_type_is_written_for_matching():
    resource = workflow_json()
    payload = write([mark(GOOD["polygon"])], resource).payload
    [annotation] = submitted(resource, payload)
    assert annotation["value"][0]["toolIndex"] == 0
    assert annotation["value"][0]["toolType"] == payload["data"][0]["toolType"] == "polygon"


@pytest.mark.parametrize("count", [2, 3, 10, 19])
def test_trap_3_a_short_freehand_path_is_filled_up(count):
    resource = workflow_json()
    points = tuple((10.0 * i, 5.0 * (i % 2)) for i in range(count))
    lost = {"pathX": [x for x, _ in points], "pathY": [y for _, y in points], "toolIndex": 2}
    assert not is_kept(shown(resource, {"data": [lost]})[0])
    presented = write([mark(FreehandLine(points=points))], resource)
    [drawn] = assert_intact(resource, presented.payload)
    path = list(zip(drawn["geometry"]["pathX"], drawn["geometry"]["pathY"], strict=True))
    assert len(path) == 24
    assert set(points) <= set(path), "the form is kept"
    assert (path[0], path[-1]) == (points[0], points[-1])
    assert is_closed(drawn) == (math.dist(points[0], points[-1]) <= 10)
    assert "filled up" in presented.notes[0]


@pytest.mark.parametrize("count", [5, 19, 20, 21, 60])
def test_trap_3_a_closed_path_stays_closed(count):
    angles = [2 * math.pi * i / (count - 1) for i in range(count)]
    ring = [(100 + 40 * math.cos(a), 100 + 40 * math.sin(a)) for a in angles]
    presented = write([mark(FreehandLine(points=tuple(ring)))], workflow_json())
    [drawn] = assert_intact(workflow_json(), presented.payload)
    assert is_closed(drawn)


@pytest.mark.parametrize("count", [20, 21, 301])
def test_trap_3_a_path_that_is_long_enough_is_left_alone(count):
    points = tuple((3.0 * i, float(i)) for i in range(count))
    presented = write([mark(FreehandLine(points=points))], workflow_json())
    assert presented.notes == ()
    assert presented.payload["data"][0]["pathX"] == [x for x, _ in points]


def test_trap_4_a_question_first_in_its_step_never_gets_a_mark_by_default():
    combo = {"type": "combo", "tasks": ["T1", "T2"]}
    tasks = {"T1": QUESTION, "T2": drawing("point"), "T3": combo}
    resource = workflow_json(tasks, first="T3")
    with pytest.raises(PageCrash):
        shown(resource, {"data": [{"x": 1, "y": 1}]})
    assert_intact(resource, write([Mark(shape=GOOD["point"], task="T2")], resource).payload)


def test_trap_5_a_null_coordinate_is_refused():
    with pytest.raises(ValueError, match="valid number"):
        Point(x=None, y=1)
    bad = {"data": [{"toolIndex": 4, "x": None, "y": 1, "markId": "a"}]}
    assert "x: expected a number" in payload_problems(bad, Workflow.from_json(workflow_json()))[0]


def test_trap_6_numbered_steps_work_where_pages_do_not():
    steps = [
        ["S0", {"stepKey": "S0", "taskKeys": ["T1"], "next": "S1"}],
        ["S1", {"stepKey": "S1", "taskKeys": ["T0"]}],
    ]
    resource = workflow_json({"T0": drawing("point"), "T1": QUESTION}, steps=steps)
    presented = write([Mark(shape=GOOD["point"])], resource)
    assert presented.payload["data"][0]["stepKey"] == "S1"
    assert_intact(resource, presented.payload)


def test_trap_8_marks_are_clipped_to_a_frame_of_known_size():
    resource = workflow_json()
    marks = [
        mark(Rectangle(x_center=0, y_center=50, width=40, height=20)),
        mark(Line(x1=-10, y1=50, x2=30, y2=50)),
        mark(Polygon(points=((80, 80), (120, 80), (120, 120), (80, 120)))),
        mark(FreehandLine(points=tuple((float(i), 99.0 + i) for i in range(25)))),
        mark(Point(x=101, y=5)),
        mark(Circle(x_center=-3, y_center=5, r=40)),
        mark(Circle(x_center=3, y_center=5, r=40)),
        mark(Line(x1=-10, y1=-10, x2=-1, y2=120)),
        mark(Polygon(points=((200, 200), (300, 200), (300, 300)))),
    ]
    presented = write(marks, resource, sizes=[(100, 100)])
    entries = presented.payload["data"]
    assert [e["toolType"] for e in entries] == [
        "rectangle", "line", "polygon", "freehandLine", "circle",
    ]  # fmt: skip
    assert (entries[0]["x_center"], entries[0]["width"]) == (10, 20)
    assert (entries[1]["x1"], entries[1]["x2"]) == (0, 30)
    assert {(p["x"], p["y"]) for p in entries[2]["points"]} == {
        (80, 80), (100, 80), (100, 100), (80, 100),
    }  # fmt: skip
    assert max(entries[3]["pathY"]) == 100
    assert sum("left out" in note for note in presented.notes) == 4
    assert sum("clipped" in note for note in presented.notes) == 4
    assert_intact(resource, presented.payload)


def test_trap_8_marks_are_left_as_they_are_where_the_size_is_unknown():
    presented = write([mark(Point(x=-4, y=5000))], workflow_json(), frames=2, sizes=[None, (9, 9)])
    assert presented.payload["data"][0]["x"] == -4
    assert presented.notes == ()


def test_one_megabyte_is_not_exceeded():
    resource = workflow_json()
    path = FreehandLine(points=tuple((i + 0.25, i + 0.75) for i in range(2000)))
    assert_intact(resource, write([mark(path)] * 20, resource).payload)
    refused([mark(path)] * 40, resource, "1 MB never reach Caesar")


def test_what_is_written_compares_equal_to_what_a_json_store_returns():
    presented = write([mark(shape) for shape in GOOD.values()], workflow_json())
    returned = json.loads(json.dumps(presented.payload).replace(".0,", ","))
    assert canonical(returned) == canonical(presented.payload)
    returned["data"][0]["x"] += 0.01
    assert canonical(returned) != canonical(presented.payload)


def test_a_refusal_names_the_mark_and_is_bad_input():
    with pytest.raises(BadInput, match=r"^mark 1: frame 4"):
        write([mark(GOOD["point"]), mark(GOOD["point"], frame=4)], workflow_json())
