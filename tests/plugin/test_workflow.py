import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.workflow import Step, Workflow

QUESTION = {"type": "single", "question": "Yes?", "answers": [{"label": "Yes"}]}


def resource(tasks, first="T0", **extra):
    return {
        "id": "1234",
        "display_name": "Verify",
        "version": "7.10",
        "first_task": first,
        "tasks": tasks,
        "configuration": {"enable_caesar_data_fetching": True},
        "retirement": {"criteria": "never_retire"},
        "active": False,
        "links": {"project": "11", "subject_sets": ["77", "78"]},
        **extra,
    }


def workflow(tasks, **extra):
    return Workflow.from_json(resource(tasks, **extra))


def test_a_workflow_is_read_from_panoptes_json():
    read = workflow({"T0": QUESTION})
    assert (read.workflow_id, read.project_id, read.subject_set_ids) == (1234, 11, (77, 78))
    assert read.version == "7.10"
    assert not read.active
    assert read.steps == ()


def test_string_keys_are_resolved_where_the_resource_brings_strings():
    tasks = {"T0": {"type": "single", "question": "T0.question", "answers": []}}
    assert workflow(tasks, strings={"T0.question": "Smooth?"}).tasks["T0"]["question"] == "Smooth?"


def test_steps_are_made_up_as_the_classifier_does():
    tasks = {
        "T1": QUESTION,
        "T0": {"type": "drawing", "tools": [], "next": "T1"},
        "T2": {"type": "shortcut", "answers": []},
        "T3": {"type": "combo", "tasks": ["T4", "T5"]},
        "T4": QUESTION,
        "T5": QUESTION,
        "T6": QUESTION,
    }
    read = workflow(tasks)
    assert read.steps_used() == (
        Step("S0", ("T0",), "T1"),
        Step("S1", ("T1",)),
        Step("S3", ("T4", "T5")),
        Step("S4", ("T6",)),
    )
    assert read.place_of("T5") == (Step("S3", ("T4", "T5")), 1)
    assert read.place_of("T2") is None


def test_a_first_task_inside_a_combo_costs_the_last_step_as_in_the_classifier():
    combo = {"type": "combo", "tasks": ["T0", "T1"]}
    read = workflow({"T0": QUESTION, "T1": QUESTION, "T2": combo, "T3": QUESTION})
    assert read.steps_used() == (Step("S0", ("T0",)), Step("S1", ("T0", "T1")))


def test_stored_steps_are_used_as_they_are():
    pages = [
        ["P0", {"stepKey": "P0", "taskKeys": ["T1"], "next": "P1"}],
        ["P1", {"stepKey": "P1", "taskKeys": ["T0"]}],
    ]
    read = workflow({"T0": QUESTION, "T1": QUESTION}, steps=pages)
    assert read.steps_used() == (Step("P0", ("T1",), "P1"), Step("P1", ("T0",)))


def test_drawing_tasks_list_their_tools_and_subtasks():
    tools = [
        {"type": "point", "label": "Star", "min": "1", "max": ""},
        {
            "type": "ellipse",
            "max": 3,
            "details": [{**QUESTION, "required": True}, {"type": "text", "instruction": "Say"}],
        },
    ]
    [task] = workflow({"T0": {"type": "drawing", "tools": tools}, "T1": QUESTION}).drawing_tasks()
    star, galaxy = task.tools
    assert (star.minimum, star.maximum, star.label, star.details) == (1, None, "Star", ())
    assert galaxy.maximum == 3
    assert [(d.key, d.type, d.required) for d in galaxy.details] == [
        ("T0.1.0", "single", True),
        ("T0.1.1", "text", False),
    ]
    assert galaxy.details[0].answers == ("Yes",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "workflow: expected an id"),
        ({"links": {}}, "workflow 1234, project: expected an id"),
        ({"tasks": ["T0"]}, "workflow 1234: expected tasks as an object"),
        ({"tasks": {"T0": "single"}}, "workflow 1234, task T0: expected an object"),
        ({"steps": [["P0"]]}, "workflow 1234: expected a step as a pair"),
        ({"links": {"project": "1", "subject_sets": ["x"]}}, "workflow 1234, subject set"),
    ],
)
def test_a_bad_workflow_is_named(change, words):
    with pytest.raises(BadInput, match=words):
        Workflow.from_json({**resource({"T0": QUESTION}), **change})


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("point", r"T0.tools: expected a list of objects"),
        ({"type": "point", "details": {"a": 1}}, r"T0.tools.0.details: expected a list"),
        ({"type": "point", "max": "many"}, r"T0.tools.0.max: expected a number of marks"),
    ],
)
def test_a_bad_tool_is_named(tool, words):
    with pytest.raises(BadInput, match=words):
        workflow({"T0": {"type": "drawing", "tools": [tool]}}).drawing_tasks()
