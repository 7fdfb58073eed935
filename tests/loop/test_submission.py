"""Submissions: the platform's own example shape, its lost tool index, its null answers."""

from __future__ import annotations

from zooassist_loop.submission import submitted_annotations
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.shapes import Point, Polygon
from zooassist_plugin.workflow import read_drawing_task

TASK = read_drawing_task(
    "T0",
    {
        "type": "drawing",
        "tools": [
            {"type": "point", "label": "Star"},
            {
                "type": "polygon",
                "label": "Cell",
                "details": [
                    {
                        "type": "single",
                        "question": "State?",
                        "answers": [{"label": "normal"}, {"label": "dividing"}],
                    },
                    {
                        "type": "multiple",
                        "question": "Signs?",
                        "answers": [{"label": "blurred"}, {"label": "cut"}],
                    },
                ],
            },
        ],
    },
)
CELL = Mark(
    shape=Polygon(points=((10, 10), (50.12, 10), (50, 50))),
    tool_index=1,
    answers=(SubtaskAnswer(task="T0.1.0", task_type="single", value=1),),
)
STAR = Mark(shape=Point(x=3, y=4), tool_index=0)


def test_a_prefilled_mark_loses_its_tool_but_keeps_its_subtasks():
    drawing, state, signs = submitted_annotations(TASK, [CELL], prefilled=True)
    assert drawing == {
        "task": "T0",
        "taskType": "drawing",
        "value": [
            {
                "frame": 0,
                "toolIndex": 0,
                "toolType": "polygon",
                "points": [{"x": 10, "y": 10}, {"x": 50.12, "y": 10}, {"x": 50, "y": 50}],
                "details": [{"task": "T0.1.0"}, {"task": "T0.1.1"}],
            }
        ],
    }
    assert state == {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 0}
    assert signs == {"task": "T0.1.1", "taskType": "multiple", "value": [], "markIndex": 0}


def test_a_drawn_mark_keeps_its_tool_and_marks_are_ordered_by_tool():
    drawing, state, _signs = submitted_annotations(TASK, [CELL, STAR], prefilled=False)
    assert [value["toolIndex"] for value in drawing["value"]] == [0, 1]
    assert drawing["value"][0]["details"] == []
    assert state["markIndex"] == 1


def test_an_unanswered_single_is_null():
    bare = CELL.model_copy(update={"answers": ()})
    _drawing, state, _signs = submitted_annotations(TASK, [bare], prefilled=True)
    assert state["value"] is None


def test_no_marks_is_an_empty_list():
    assert submitted_annotations(TASK, [], prefilled=True) == [
        {"task": "T0", "taskType": "drawing", "value": []}
    ]


def test_only_marks_that_were_prefilled_lose_their_tool():
    moved = CELL.model_copy(update={"shape": Polygon(points=((0, 0), (9, 0), (9, 9)))})
    drawing, *_ = submitted_annotations(TASK, [CELL, moved, STAR], prefilled=(True, False, True))
    assert [value["toolIndex"] for value in drawing["value"]] == [0, 0, 1]
    assert [value["toolType"] for value in drawing["value"]] == ["point", "polygon", "polygon"]
