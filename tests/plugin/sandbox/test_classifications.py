from __future__ import annotations

import copy

import pytest
from panoptes_api import METADATA
from sqlalchemy import select

from zooassist_plugin.sandbox.jobs import Job


@pytest.fixture
def subjects(builder, project, workflow):
    subject_set = builder.subject_set(project)
    numbers = builder.subjects(project, 3, subject_set)
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    return numbers


def status_of(api, workflow, subject):
    params = {"workflow_id": workflow["id"], "subject_id": subject}
    return api.one("/subject_workflow_statuses", **params)


def test_anonymous_volunteers_may_classify(anonymous, builder, workflow, subjects):
    answer = anonymous.classify(workflow, subjects[0])
    assert answer.status_code == 201
    row = answer.json()["classifications"][0]
    assert row["links"] == {
        "project": workflow["links"]["project"],
        "user": None,
        "user_group": None,
        "workflow": workflow["id"],
        "subjects": [subjects[0]],
    }
    assert row["metadata"]["live_project"] is False
    assert "seen_before" not in row["metadata"]
    assert row["annotations"] == [{"task": "T1", "taskType": "single", "value": 0}]
    assert status_of(builder, workflow, subjects[0])["classifications_count"] == 1


def valid(workflow, subject):
    return {
        "annotations": [{"task": "T0", "taskType": "drawing", "value": []}],
        "completed": True,
        "metadata": METADATA | {"workflow_version": workflow["version"]},
        "links": {
            "project": workflow["links"]["project"],
            "workflow": workflow["id"],
            "subjects": [subject],
        },
    }


MALFORMED = {
    "no annotations": lambda body: body.pop("annotations"),
    "annotations no list": lambda body: body.update(annotations={"T0": 1}),
    "annotation no object": lambda body: body.update(annotations=[1]),
    "task no text": lambda body: body.update(annotations=[{"task": 0, "value": 1}]),
    "no metadata": lambda body: body.pop("metadata"),
    "metadata no object": lambda body: body.update(metadata="x"),
    "no links": lambda body: body.pop("links"),
    "no project": lambda body: body["links"].pop("project"),
    "no workflow": lambda body: body["links"].pop("workflow"),
    "no subjects": lambda body: body["links"].pop("subjects"),
    "empty subjects": lambda body: body["links"].update(subjects=[]),
    "unknown workflow": lambda body: body["links"].update(workflow="999"),
    "unknown project": lambda body: body["links"].update(project="999"),
    "unknown subject": lambda body: body["links"].update(subjects=["999"]),
    "id no number": lambda body: body["links"].update(workflow="W"),
    "completed no boolean": lambda body: body.update(completed="yes"),
    "unknown attribute": lambda body: body.update(seen=True),
    **{
        f"no {name}": lambda body, name=name: body["metadata"].pop(name)
        for name in (
            "started_at", "finished_at", "user_agent", "user_language", "workflow_version",
        )
    },
    "workflow_version no string": lambda body: body["metadata"].update(workflow_version=1.1),
}  # fmt: skip


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_classifications_are_422_and_leave_nothing(
    anonymous, builder, workflow, subjects, fault
):
    body = copy.deepcopy(valid(workflow, subjects[0]))
    MALFORMED[fault](body)
    answer = anonymous.post("/classifications", {"classifications": body})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"]
    assert status_of(builder, workflow, subjects[0])["classifications_count"] == 0


def test_a_valid_one_of_the_same_shape_is_accepted(anonymous, workflow, subjects):
    body = valid(workflow, subjects[0])
    assert anonymous.post("/classifications", {"classifications": body}).status_code == 201


def test_repeats_are_marked_and_do_not_count(volunteer, builder, workflow, subjects):
    first = volunteer.classify(workflow, subjects[0]).json()["classifications"][0]
    again = volunteer.classify(workflow, subjects[0]).json()["classifications"][0]
    assert "seen_before" not in first["metadata"]
    assert again["metadata"]["seen_before"] is True
    assert status_of(builder, workflow, subjects[0])["classifications_count"] == 1


def test_live_projects_are_marked(volunteer, builder, project, workflow, subjects):
    builder.put(f"/projects/{project['id']}", {"projects": {"live": True}})
    row = volunteer.classify(workflow, subjects[0]).json()["classifications"][0]
    assert row["metadata"]["live_project"] is True


def test_incomplete_classifications_count_when_they_are_finished(
    volunteer, builder, workflow, subjects
):
    answer = volunteer.classify(workflow, subjects[0], completed=False)
    row = answer.json()["classifications"][0]
    assert status_of(builder, workflow, subjects[0])["classifications_count"] == 0
    mine = volunteer.get("/classifications/incomplete").json()["classifications"]
    assert [item["id"] for item in mine] == [row["id"]]
    path = f"/classifications/{row['id']}"
    body = {"classifications": {"completed": True, "annotations": [{"task": "T1", "value": 1}]}}
    assert builder.put(path, body).status_code == 404  # somebody else's
    assert volunteer.put(path, body).status_code == 200
    assert status_of(builder, workflow, subjects[0])["classifications_count"] == 1
    assert volunteer.put(path, body).status_code == 404  # complete ones stay as they are


def test_gold_standards_are_for_experts_and_do_not_count(volunteer, builder, workflow, subjects):
    assert volunteer.classify(workflow, subjects[0], gold_standard=True).status_code == 400
    assert builder.classify(workflow, subjects[0], gold_standard=True).status_code == 201
    assert status_of(builder, workflow, subjects[0])["classifications_count"] == 0


def test_own_classifications_are_listed_to_their_volunteer(
    volunteer, builder, anonymous, workflow, subjects
):
    volunteer.classify(workflow, subjects[0])
    anonymous.classify(workflow, subjects[0])
    assert len(volunteer.get("/classifications").json()["classifications"]) == 1
    assert len(builder.get("/classifications").json()["classifications"]) == 2
    assert anonymous.get("/classifications").status_code == 401


def test_incremental_pull_by_last_id(volunteer, builder, anonymous, project, workflow, subjects):
    made = [anonymous.classify(workflow, subject) for subject in subjects]
    numbers = [answer.json()["classifications"][0]["id"] for answer in made]
    volunteer.classify(workflow, subjects[0], completed=False)
    params = {"project_id": project["id"], "page_size": 2}
    body = builder.get("/classifications/project", last_id=numbers[0], **params).json()
    assert [item["id"] for item in body["classifications"]] == numbers[1:]
    rest = builder.get(body["meta"]["classifications"]["next_href"]).json()
    assert [item["completed"] for item in rest["classifications"]] == [False]
    assert rest["classifications"][0]["annotations"][0]["value"] == 0  # indices, not labels
    assert volunteer.get("/classifications/project", **params).status_code == 404
    assert anonymous.get("/classifications/project", **params).status_code == 401
    assert builder.get("/classifications/project", last_id=1).status_code == 422


def test_caesar_hears_of_completed_ones_in_the_same_transaction(
    anonymous, workflow, subjects, server
):
    jobs = server.sandbox.jobs
    jobs.stop()
    answer = anonymous.classify(workflow, subjects[0])
    volunteer_body = valid(workflow, subjects[1]) | {"completed": False}
    anonymous.post("/classifications", {"classifications": volunteer_body})
    refused = valid(workflow, "999")
    anonymous.post("/classifications", {"classifications": refused})
    number = int(answer.json()["classifications"][0]["id"])
    with server.sandbox.store.session() as session:
        rows = session.scalars(select(Job).where(Job.name == "caesar.classification")).all()
        assert [row.payload for row in rows] == [{"classification_id": number}]


def test_activity_shows_in_the_preferences(volunteer, project, workflow, subjects):
    volunteer.classify(workflow, subjects[0])
    volunteer.classify(workflow, subjects[1])
    row = volunteer.one("/project_preferences", project_id=project["id"])
    assert row["activity_count"] == 2


def test_private_projects_take_classifications_of_their_members_only(builder, anonymous):
    project = builder.project("Secret", private=True)
    workflow = builder.workflow(project)
    (subject,) = builder.subjects(project, 1)
    assert anonymous.classify(workflow, subject).status_code == 422
    assert builder.classify(workflow, subject).status_code == 201


def test_an_annotation_need_not_name_its_task(anonymous, workflow, subjects):
    nameless = [{"value": 1}]
    answer = anonymous.classify(workflow, subjects[0], annotations=nameless)
    assert answer.status_code == 201
    assert answer.json()["classifications"][0]["annotations"] == nameless


@pytest.mark.parametrize("last_id", [2, 2**31 - 1, 2**31, 2**70])
def test_nothing_comes_after_the_last_id(anonymous, builder, workflow, subjects, last_id):
    for number in subjects[:2]:
        anonymous.classify(workflow, number)
    scope = {"project_id": workflow["links"]["project"], "last_id": last_id}
    path = "/classifications/project"
    assert builder.get(path, **scope).json()["classifications"] == []
    rest = builder.get(path, **scope | {"last_id": 1}).json()["classifications"]
    assert [row["id"] for row in rest] == ["2"]


def test_nobody_classifies_what_is_hidden_from_them(builder, volunteer, workflow, subjects):
    (secret,) = builder.subjects(builder.project("Secret", private=True), 1)
    answer = volunteer.classify(workflow, [subjects[0], secret])
    assert answer.status_code == 422
    assert secret in answer.json()["errors"][0]["message"]
    assert builder.classify(workflow, secret).status_code == 201
