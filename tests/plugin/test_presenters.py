from datetime import UTC, datetime

import pytest
from classifier_model import assert_intact, submitted

from zooassist_plugin.dialects.classifier_v2 import marks_from_v2
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.presenters import PRESENTERS, Unpresentable, canonical
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.shapes import Circle, Ellipse
from zooassist_plugin.workflow import Workflow

GALAXY = Ellipse(x_center=64, y_center=60, rx=40, ry=25, angle=12)


def detail(question, *labels, kind="single", **extra):
    answers = [{"label": label} for label in labels]
    return {"type": kind, "question": question, "answers": answers, **extra}


def resource(*details, tool="ellipse"):
    return {
        "id": "102",
        "version": "1.1",
        "first_task": "T0",
        "tasks": {"T0": {"type": "drawing", "tools": [{"type": tool, "details": list(details)}]}},
        "configuration": {"enable_caesar_data_fetching": True},
        "links": {"project": "1"},
    }


TREE = resource(
    detail("Smooth?", "Smooth", "Featured", "Artifact"),
    detail("Barred?", "Yes", "No"),
    detail("Odd?", "Ring", "Lens", "Merger", kind="multiple"),
)


def proposal(**fields):
    return Proposal(
        **{
            "proposal_id": "run7-5678",
            "workflow_id": 102,
            "subject_id": 5678,
            "model": "galaxy-zoo",
            "model_version": "3f2a",
            "created_at": datetime(2026, 6, 1, tzinfo=UTC),
            "confidence": 0.9,
            "uncertainty": 0.1,
            "marks": (Mark(shape=GALAXY),),
            **fields,
        }
    )


def present(name, given, workflow=TREE, **options):
    return PRESENTERS[name](given, Workflow.from_json(workflow), **options)


@pytest.mark.parametrize("name", PRESENTERS)
def test_the_provenance_stands_beside_the_marks(name):
    presented = present(name, proposal())
    payload = dict(presented.payload)
    assert len(payload.pop("data")) == 1
    assert payload == {
        "proposal_id": "run7-5678",
        "model": "galaxy-zoo",
        "model_version": "3f2a",
        "max_conf": 0.9,
    }
    assert presented.payload["data"][0]["markId"] == "run7-5678-0"


@pytest.mark.parametrize("name", PRESENTERS)
def test_the_control_arm_shows_nothing(name):
    presented = present(name, proposal(arm="control", answers={"T0.0.0": (0.1, 0.8, 0.1)}))
    assert presented.payload["data"] == []
    assert "control arm" in presented.notes[0]


@pytest.mark.parametrize("name", PRESENTERS)
def test_no_marks_are_presented_as_an_empty_list(name):
    assert present(name, proposal(marks=())).payload["data"] == []


@pytest.mark.parametrize("name", PRESENTERS)
def test_a_proposal_for_another_workflow_is_refused(name):
    with pytest.raises(Unpresentable, match="is for workflow 7, not 102"):
        present(name, proposal(workflow_id=7))


def test_marks_leaves_the_answers_to_the_volunteer():
    answers = {"T0.0.0": (0.1, 0.8, 0.1)}
    assert "annotations" not in present("marks", proposal(answers=answers)).payload["data"][0]


def test_subtasks_are_pre_answered_with_the_most_probable_answers():
    answers = {"T0.0.0": (0.1, 0.8, 0.1), "T0.0.1": (0.4, 0.6), "T0.0.2": (0.5, 0.49, 0.9)}
    presented = present("subtasks", proposal(answers=answers))
    assert presented.payload["data"][0]["annotations"] == [
        {"task": "T0.0.0", "taskType": "single", "value": 1},
        {"task": "T0.0.1", "taskType": "single", "value": 1},
        {"task": "T0.0.2", "taskType": "multiple", "value": [0, 2]},
    ]
    assert presented.notes == ()
    assert_intact(TREE, presented.payload)


def test_what_a_volunteer_submits_untouched_reads_back_as_the_proposal():
    answers = {"T0.0.0": (0.1, 0.8, 0.1), "T0.0.2": (0.5, 0.49, 0.9)}
    presented = present("subtasks", proposal(answers=answers))
    [mark] = marks_from_v2("T0", submitted(TREE, presented.payload))
    assert mark.shape == GALAXY
    assert [(a.task, a.value) for a in mark.answers] == [("T0.0.0", 1), ("T0.0.2", (0, 2))]


def test_a_question_that_the_tree_does_not_reach_is_left_open():
    answers = {"T0.0.0": (0.8, 0.1, 0.1), "T0.0.1": (0.4, 0.6)}
    given = proposal(answers=answers, asked={"T0.0.0": 1.0, "T0.0.1": 0.1})
    presented = present("subtasks", given)
    assert [a["task"] for a in presented.payload["data"][0]["annotations"]] == ["T0.0.0"]
    assert presented.notes == ("T0.0.1 left open: the model's tree reaches it with 0.10",)


def test_a_required_question_that_is_not_reached_is_refused():
    workflow = resource(detail("Barred?", "Yes", "No", required=True))
    given = proposal(answers={"T0.0.0": (0.4, 0.6)}, asked={"T0.0.0": 0.1})
    with pytest.raises(Unpresentable, match=r"T0.0.0 \('Barred\?'\) is required"):
        present("subtasks", given, workflow)


def test_a_mark_keeps_the_answers_that_it_brings():
    own = SubtaskAnswer(task="T0.0.0", task_type="single", value=2)
    marks = (Mark(shape=GALAXY, answers=(own,)), Mark(shape=GALAXY))
    presented = present("subtasks", proposal(answers={"T0.0.0": (0.8, 0.1, 0.1)}, marks=marks))
    values = [entry["annotations"][0]["value"] for entry in presented.payload["data"]]
    assert values == [2, 0]


def test_answers_that_no_mark_can_carry_are_named():
    presented = present("subtasks", proposal(answers={"T1": (0.5, 0.5), "T0.1.0": (1.0,)}))
    assert presented.notes == ("no mark carries the answers to T1, T0.1.0",)


def test_probabilities_have_to_fit_the_answers():
    with pytest.raises(Unpresentable, match="expected 3 probabilities, one per answer, got 2"):
        present("subtasks", proposal(answers={"T0.0.0": (0.5, 0.5)}))


def test_a_text_subtask_is_not_answered_by_probabilities():
    workflow = resource(detail("Notes", "x", kind="text"))
    with pytest.raises(Unpresentable, match=r"T0.0.0 is a text task"):
        present("subtasks", proposal(answers={"T0.0.0": (1.0,)}), workflow)


def test_a_mark_on_the_wrong_tool_is_refused_by_its_place():
    given = proposal(marks=(Mark(shape=GALAXY), Mark(shape=Circle(x_center=9, y_center=9, r=9))))
    with pytest.raises(Unpresentable, match="mark 1: task T0, tool 0 draws ellipse"):
        present("subtasks", given)


def test_presenting_twice_gives_the_same_bytes():
    given = proposal(answers={"T0.0.0": (0.1, 0.8, 0.1)})
    once, again = (canonical(present("subtasks", given).payload) for _ in range(2))
    assert once == again
    # The number's spelling does not matter, its value does.
    assert canonical({"b": 480.0, "a": -0.0}) == canonical({"a": 0, "b": 480}) == b'{"a":0,"b":480}'
