from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.panoptes.export_annotations import Definition, format_annotation
from zooassist_plugin.sandbox.panoptes.workflow_strings import extract_strings

V1: dict[str, str] = {}
V2 = {"classifier_version": "2.0"}

DEFINITION = Definition(
    *extract_strings(
        {
            "T0": {
                "type": "drawing",
                "instruction": "Correct",
                "tools": [{"type": "point", "label": "Cell"}, {"type": "line", "label": "Edge"}],
            },
            "T1": {
                "type": "single",
                "question": "Is anything missing?",
                "answers": [{"label": "Yes"}, {"label": "No"}],
            },
            "T2": {
                "type": "multiple",
                "question": "What?",
                "answers": [{"label": "small"}, {"label": "faint"}],
            },
            "T3": {"type": "text", "instruction": "Comment"},
            "T4": {
                "type": "dropdown",
                "instruction": "Pick",
                "selects": [
                    {
                        "title": "Colour",
                        "allowCreate": True,
                        "options": {"*": [{"label": "Red", "value": "a1b2"}]},
                    }
                ],
            },
            "T5": {"type": "survey", "choices": {}},
            "T6": {"type": "shortcut", "answers": [{"label": "Nothing"}]},
            "T9": {"type": "combo", "tasks": ["T1", "T0"]},
        }
    )
)


@pytest.mark.parametrize("metadata", [V1, V2])
@pytest.mark.parametrize(
    ("annotation", "exported"),
    [
        (
            {"task": "T1", "taskType": "single", "value": 0},
            {"task": "T1", "task_label": "Is anything missing?", "value": "Yes"},
        ),
        (
            {"task": "T1", "value": None},
            {"task": "T1", "task_label": "Is anything missing?", "value": None},
        ),
        (
            {"task": "T1", "value": 7},
            {"task": "T1", "task_label": "Is anything missing?", "value": "unknown answer label"},
        ),
        (
            {"task": "T1", "value": "x"},
            {"task": "T1", "task_label": "Is anything missing?", "value": "unknown answer label"},
        ),
        (
            {"task": "T2", "value": [0, 1, 5]},
            {
                "task": "T2",
                "task_label": "What?",
                "value": ["small", "faint", "unknown answer label"],
            },
        ),
        ({"task": "T2", "value": []}, {"task": "T2", "task_label": "What?", "value": []}),
        (
            {"task": "T3", "value": "free text"},
            {"task": "T3", "value": "free text", "task_label": "Comment"},
        ),
        ({"task": "T6", "value": [0]}, {"task": "T6", "task_label": None, "value": ["Nothing"]}),
        ({"task": "T0", "value": []}, {"task": "T0", "task_label": "Correct", "value": []}),
        (
            {"task": "T5", "value": [{"choice": "LION", "answers": {"HOWMANY": "1"}}]},
            {"task": "T5", "value": [{"choice": "LION", "answers": {"HOWMANY": "1"}}]},
        ),
        (
            {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 0},
            {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 0},
        ),
        ({"task": "T8", "value": 3}, {"task": "T8", "value": 3}),
    ],
)
def test_tasks_that_both_classifiers_write_alike(annotation, exported, metadata):
    assert format_annotation(annotation, DEFINITION, metadata) == exported


def test_drawing_v1_names_the_tool():
    mark = {"tool": 1, "frame": 0, "details": [{"value": 1}], "x": 10.2, "y": 20.1}
    exported = format_annotation({"task": "T0", "value": [mark]}, DEFINITION, V1)
    assert exported["value"] == [mark | {"tool_label": "Edge"}]


def test_drawing_v2_drops_the_parents_task_type():
    mark = {"toolIndex": 0, "toolType": "point", "x": 1, "y": 2, "details": [{"task": "T0.0.0"}]}
    annotation = {"task": "T0", "taskType": "drawing", "value": [mark]}
    assert format_annotation(annotation, DEFINITION, V2) == {
        "task": "T0",
        "task_label": "Correct",
        "value": [mark | {"tool_label": "Cell"}],
    }


def test_a_tool_that_does_not_exist_has_no_label():
    exported = format_annotation({"task": "T0", "value": [{"toolIndex": 9}]}, DEFINITION, V2)
    assert exported["value"] == [{"toolIndex": 9, "tool_label": None}]


def test_dropdown_v1():
    annotation = {"task": "T4", "value": [{"value": "a1b2", "option": True}]}
    assert format_annotation(annotation, DEFINITION, V1) == {
        "task": "T4",
        "value": [{"select_label": "Colour", "option": True, "value": "a1b2", "label": "Red"}],
    }
    own = {"task": "T4", "value": [{"value": "green", "option": False}]}
    assert format_annotation(own, DEFINITION, V1)["value"] == [
        {"select_label": "Colour", "option": False, "value": "green"}
    ]


def test_dropdown_v2():
    kind = {"task": "T4", "taskType": "dropdown-simple"}
    chosen = kind | {"value": {"selection": 0, "option": True}}
    assert format_annotation(chosen, DEFINITION, V2) == {
        "task": "T4",
        "task_type": "dropdown-simple",
        "value": {
            "select_label": "Colour",
            "option": True,
            "option_index": 0,
            "value": "a1b2",
            "label": "Red",
        },
    }
    own = kind | {"value": {"selection": "green", "option": False}}
    assert format_annotation(own, DEFINITION, V2)["value"] == {
        "select_label": "Colour",
        "option": False,
        "value": "green",
    }


def test_combo_v1_wraps_its_members():
    members = [{"task": "T1", "value": 1}, {"task": "T0", "value": []}, {"task": "T9", "value": []}]
    assert format_annotation({"task": "T9", "value": members}, DEFINITION, V1) == {
        "task": "T9",
        "task_label": None,
        "value": [
            {"task": "T1", "task_label": "Is anything missing?", "value": "No"},
            {"task": "T0", "task_label": "Correct", "value": []},
            {"error": "combo tasks cannot be nested"},
        ],
    }


def test_what_cannot_be_decoded_stays_raw():
    annotation = {"task": "T1", "taskType": "single", "value": 0}
    assert format_annotation(annotation, None, V2) == annotation
    assert format_annotation(annotation, DEFINITION, V2 | {"interrupted": True}) == annotation
