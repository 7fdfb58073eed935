"""From a POSTed classification to extracts and reductions."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, SubjectReduction, UserReduction


def answers(value, task="T0"):
    return [{"task": task, "taskType": "single", "value": value}]


@pytest.fixture
def counting(lab):
    """A workflow with a question extractor, a count reducer, a stats reducer and a subject."""
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="question", key="T0")
    lab.make(workflow_id, "reducer", type="count", key="n")
    lab.make(workflow_id, "reducer", type="stats", key="votes")
    return workflow_id, lab.add_subjects(workflow_id, **{"#label": "spiral"})[0]


def test_classifications_become_extracts_and_reductions(lab, counting):
    workflow_id, subject_id = counting
    for value in (0, 1, 1):
        lab.classify(workflow_id, subject_id, answers(value))
    assert lab.reductions() == {
        (subject_id, "n"): {"classifications": 3, "extracts": 3},
        (subject_id, "votes"): {"0": 1, "1": 2},
    }
    (subject,) = lab.rows(CaesarSubject)
    assert (subject.id, subject.metadata_) == (subject_id, {"#label": "spiral"})


def test_a_job_that_runs_twice_changes_nothing(lab, counting):
    workflow_id, subject_id = counting
    number = lab.classify(workflow_id, subject_id, answers(1))
    before = lab.reductions()
    lab.enqueue("caesar.classification", {"classification_id": number})
    lab.drain()
    assert lab.reductions() == before
    assert len(lab.extracts()) == 1


def test_unchanged_reductions_are_not_written(lab, counting):
    workflow_id, subject_id = counting
    lab.classify(workflow_id, subject_id, answers(1))
    lab.later(60)
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rerun": "reducers"}})
    lab.drain()
    assert {row.lock_version for row in lab.rows(SubjectReduction)} == {0}
    lab.classify(workflow_id, subject_id, answers(1))
    assert {row.lock_version for row in lab.rows(SubjectReduction)} == {1}


@pytest.mark.parametrize("status", ["paused", "halted"])
def test_workflows_that_are_not_active_are_passed_over(lab, counting, status):
    workflow_id, subject_id = counting
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"status": status}})
    lab.classify(workflow_id, subject_id, answers(1))
    assert (lab.extracts(), lab.dead_jobs()) == ({}, [])


def test_workflows_unknown_to_caesar_or_without_extractors_are_passed_over(lab):
    for workflow_id in (lab.add_workflow(in_caesar=False), lab.add_workflow()):
        (subject_id,) = lab.add_subjects(workflow_id)
        lab.classify(workflow_id, subject_id, answers(1))
    assert (lab.extracts(), lab.rows(CaesarSubject), lab.dead_jobs()) == ({}, [], [])


def test_classifications_over_one_mebibyte_never_arrive(lab, counting):
    workflow_id, subject_id = counting
    lab.classify(workflow_id, subject_id, answers(1), padding="x" * (1024 * 1024))
    assert lab.extracts() == {}
    lab.classify(workflow_id, subject_id, answers(1), padding="x" * (1000 * 1000))
    assert list(lab.extracts()) == [(subject_id, "T0")]


def test_a_missing_annotation_fails_five_times_and_writes_nothing(lab, counting):
    workflow_id, subject_id = counting
    lab.make(workflow_id, "extractor", type="who", key="who")
    lab.classify(workflow_id, subject_id, answers(1, task="T7"))
    (dead,) = lab.dead_jobs()
    assert (dead.attempts, dead.error.split(":")[0]) == (5, "MissingAnnotation")
    assert lab.extracts() == {}


def test_reject_and_old_versions_leave_no_extract(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="question", key="q", if_missing="reject")
    lab.make(workflow_id, "extractor", type="who", key="new", minimum_workflow_version="2.0")
    lab.make(workflow_id, "extractor", type="who", key="old", minimum_workflow_version="1.0")
    (subject_id,) = lab.add_subjects(workflow_id)
    lab.classify(workflow_id, subject_id, answers(1, task="T7"))
    assert list(lab.extracts()) == [(subject_id, "old")]


def test_annotations_that_name_no_task_are_ignored(lab, counting):
    workflow_id, subject_id = counting
    lab.classify(workflow_id, subject_id, [5, {"value": 1}, *answers(0)])
    assert lab.extracts() == {(subject_id, "T0"): {"0": 1}}


def test_reduction_by_user(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="question", key="T0")
    lab.make(workflow_id, "reducer", type="count", key="done", topic="reduce_by_user")
    first, second = lab.add_subjects(workflow_id, 2)
    for subject_id, user_id in ((first, 7), (second, 7), (first, None)):
        lab.classify(workflow_id, subject_id, answers(1), user_id=user_id)
    (row,) = lab.rows(UserReduction)
    assert (row.user_id, row.data) == (7, {"classifications": 2, "extracts": 2})
    assert lab.reductions() == {}


def test_running_mode_counts_every_extract_once(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="question", key="T0")
    lab.make(workflow_id, "reducer", type="stats", key="votes", reduction_mode="running_reduction")
    (subject_id,) = lab.add_subjects(workflow_id)
    for value in (0, 1, 1):
        lab.classify(workflow_id, subject_id, answers(value))
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rerun": "reducers"}})
    lab.drain()
    assert lab.reductions() == {(subject_id, "votes"): {"0": 1, "1": 2}}


def test_training_subjects_can_be_left_out(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="question", key="T0")
    filters = {"training_behavior": "experiment_only"}
    lab.make(workflow_id, "reducer", type="stats", key="votes", filters=filters)
    (training,) = lab.add_subjects(workflow_id, **{"#training_subject": True})
    (subject_id,) = lab.add_subjects(workflow_id)
    for each in (training, subject_id):
        lab.classify(workflow_id, each, answers(1))
    assert lab.reductions() == {(subject_id, "votes"): {"1": 1}}


def test_rerun_extractors_reads_every_classification_again(lab, counting):
    workflow_id, subject_id = counting
    lab.classify(workflow_id, subject_id, answers([0, 1]))
    lab.make(workflow_id, "extractor", type="who", key="who")
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rerun": "extractors"}})
    lab.drain()
    assert lab.extracts()[(subject_id, "who")] == {"user_id": None}


def test_one_bad_subject_does_not_stop_the_others_of_a_rerun(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="pluck_field", key="p", path="$.metadata.n", name="n")
    subjects = lab.add_subjects(workflow_id, 3)
    for subject_id, value in zip(subjects, (1, "text", 3), strict=True):
        lab.classify(workflow_id, subject_id, [], n=value)
    lab.make(workflow_id, "reducer", type="stats", key="sum")
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rerun": "reducers"}})
    lab.drain()
    assert lab.reductions() == {(subjects[0], "sum"): {"n": 1}, (subjects[2], "sum"): {"n": 3}}
    (dead,) = lab.dead_jobs()
    assert dead.payload["subject_id"] == subjects[1]
    assert "stats adds numbers" in dead.error
