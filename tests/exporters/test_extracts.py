import doctest

import pytest

from zooassist_exporters.extracts import (
    Answered,
    UnexpectedValue,
    answers_of,
    dropdown,
    nothing,
    seen,
    survey,
    values,
)
from zooassist_exporters.extracts.values import READERS, feedback_entries

QUESTION = "Is there a ring?"


def answered(task, *values, text="", multiple=False, mark=None):
    return Answered(task, text, multiple, tuple(values), mark)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(
            [{"task": "T0", "task_label": QUESTION, "value": "Yes"}],
            [answered("T0", "Yes", text=QUESTION)],
            id="single",
        ),
        pytest.param(
            [{"task": "T0", "task_label": QUESTION, "value": None}], [], id="no answer is no vote"
        ),
        pytest.param(
            [{"task": "T0", "task_label": QUESTION, "value": 1}],
            [answered("T0", 1, text=QUESTION)],
            id="raw index",
        ),
        pytest.param(
            [{"task": "T2", "task_label": "What?", "value": ["small", "faint"]}],
            [answered("T2", "small", "faint", text="What?", multiple=True)],
            id="multiple",
        ),
        pytest.param(
            [{"task": "T2", "task_label": "What?", "value": []}],
            [answered("T2", text="What?", multiple=True)],
            id="none of several is a vote",
        ),
        pytest.param(
            [{"task": "T5", "task_label": None, "value": ["Nothing here"]}],
            [answered("T5", "Nothing here", multiple=True)],
            id="shortcut",
        ),
        pytest.param(
            [
                {
                    "task": "T9",
                    "task_label": None,
                    "value": [
                        {"task": "T0", "task_label": QUESTION, "value": "No"},
                        {
                            "task": "T1",
                            "task_label": "Mark it",
                            "value": [{"tool": 0, "frame": 0, "details": [{"value": 1}], "x": 1}],
                        },
                    ],
                }
            ],
            [answered("T0", "No", text=QUESTION), answered("T1.0.0", 1, mark=0)],
            id="combo of the old classifier",
        ),
        pytest.param(
            [
                {
                    "task": "T0",
                    "task_label": "Draw",
                    "value": [
                        {"tool": 1, "details": [{"value": 0}, {"value": [0, 2]}, {"value": "hm"}]},
                        {"tool": 0, "details": []},
                        {"tool": 1, "details": [{"value": None}, {"value": []}]},
                    ],
                }
            ],
            [
                answered("T0.1.0", 0, mark=0),
                answered("T0.1.1", 0, 2, mark=0, multiple=True),
                answered("T0.1.1", mark=2, multiple=True),
            ],
            id="subtasks inside the marks of the old classifier",
        ),
        pytest.param(
            [
                {
                    "task": "T0",
                    "task_label": "Draw",
                    "value": [
                        {
                            "frame": 0,
                            "toolIndex": 0,
                            "toolType": "polygon",
                            "points": [{"x": 10, "y": 10}],
                            "details": [{"task": "T0.1.0"}],
                            "tool_label": None,
                        }
                    ],
                },
                {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 0},
                {"task": "T0.1.1", "taskType": "multiple", "value": [0, 2], "markIndex": 0},
                {"task": "T0.1.2", "taskType": "text", "value": "merger?", "markIndex": 0},
            ],
            [
                answered("T0.1.0", 1, mark=0),
                answered("T0.1.1", 0, 2, mark=0, multiple=True),
            ],
            id="subtasks of the new classifier",
        ),
        pytest.param(
            [
                {"task": "T3", "value": "free text", "task_label": "Comment"},
                {"task": "T4", "value": "57"},
                {"task": "T7", "taskType": "slider", "value": "5"},
                {"task": "T9", "task_type": "dropdown-simple", "value": {"option": True}},
                {"task": "T10", "value": True},
                {"task": "T11", "taskType": "geoDrawing", "value": {"features": []}},
            ],
            [],
            id="text, slider, maps and dropdowns without a selection are no answers",
        ),
        pytest.param(
            [{"task": "T8", "value": []}],
            [answered("T8", multiple=True)],
            id="nothing chosen, or nothing drawn",
        ),
        pytest.param(
            [
                {
                    "task": "T5",
                    "value": [
                        {"choice": "LION", "answers": {"HOWMANY": "1", "DOING": ["A", "B", "A"]}},
                        {"choice": "HARE", "answers": {}, "filters": {}},
                        {"choice": "LION", "answers": {"DOING": []}},
                    ],
                }
            ],
            [
                answered("T5", "LION", "HARE", multiple=True),
                answered("T5/LION/HOWMANY", "1"),
                answered("T5/LION/DOING", "A", "B", multiple=True),
                answered("T5/LION/DOING", multiple=True),
            ],
            id="survey",
        ),
        pytest.param(
            [
                {
                    "task": "T6",
                    "value": [
                        {"select_label": "Colour", "option": True, "value": "a", "label": "Red"},
                        {"select_label": "Shape", "option": False, "value": "egg"},
                        {"select_label": "Size", "option": True, "value": "big"},
                    ],
                }
            ],
            [answered("T6.0", "Red", text="Colour"), answered("T6.2", "big", text="Size")],
            id="dropdowns of the old classifier",
        ),
        pytest.param(
            [
                {
                    "task": "T9",
                    "task_type": "dropdown-simple",
                    "value": {
                        "select_label": "Colour",
                        "option": True,
                        "option_index": 1,
                        "value": "b",
                        "label": "Blue",
                    },
                },
                {"task": "T8", "taskType": "dropdown-simple", "value": None},
            ],
            [answered("T9", "Blue", text="Colour")],
            id="dropdown of the new classifier",
        ),
    ],
)
def test_answers_by_the_look_of_the_annotation(annotations, expected):
    assert list(answers_of(annotations, {})) == expected


def test_the_workflow_says_what_the_look_does_not():
    text = [{"task": "T3", "task_label": "Comment", "value": "free text"}]
    assert list(answers_of(text, {})) == [answered("T3", "free text", text="Comment")]
    assert list(answers_of(text, {"T3": "text"})) == []
    raw = [{"task": "T3", "value": "Yes"}]
    assert list(answers_of(raw, {"T3": "single"})) == [answered("T3", "Yes")]


def test_a_value_that_does_not_fit_leaves_the_others_alone():
    annotations = [
        {"task": "T0", "value": [{"x": 1, "y": 2, "tool": 0}]},
        {"task": "T1", "value": "a text where marks belong"},
        {"task": "T2", "value": "Yes"},
    ]
    types = {"T0": "single", "T1": "drawing", "T2": "single"}
    first, second, third = answers_of(annotations, types)
    assert isinstance(first, UnexpectedValue)
    assert str(first).startswith("expected an answer or a list of answers, got [{'x': 1")
    assert isinstance(second, UnexpectedValue)
    assert str(second) == "expected a list of marks, got 'a text where marks belong'"
    assert third == answered("T2", "Yes")


@pytest.mark.parametrize("module", [dropdown, nothing, seen, survey, values])
def test_examples(module):
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("slider", "far"),
        ("text", 5),
        ("highlighter", "a text"),
        ("transcription", [1]),
        ("crop", [1, 2]),
        ("volumetric", {"label": "x"}),
        ("subjectGroupComparison", ["5678"]),
    ],
)
def test_values_of_another_type_are_refused_and_none_is_nothing(kind, value):
    annotation = {"task": "T0", "taskType": kind, "value": value}
    with pytest.raises(UnexpectedValue, match="expected"):
        list(READERS[kind](annotation))
    assert list(READERS[kind](annotation | {"value": None})) == []


@pytest.mark.parametrize("feedback", [None, [], {"T0": None}, {"T0": ["x"]}])
def test_metadata_without_feedback(feedback):
    assert list(feedback_entries({"feedback": feedback})) == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [("survey", "LION"), ("survey", [{"answers": {}}]), ("dropdown", "Red"), ("dropdown", ["Red"])],
)
def test_choices_of_another_type_leave_the_others_alone(kind, value):
    annotations = [
        {"task": "T0", "taskType": kind, "value": value},
        {"task": "T1", "task_label": QUESTION, "value": "Yes"},
    ]
    first, second = answers_of(annotations, {})
    assert isinstance(first, UnexpectedValue)
    assert second.values == ("Yes",)
