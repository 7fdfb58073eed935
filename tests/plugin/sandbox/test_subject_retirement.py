from __future__ import annotations

import pytest


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


def set_rule(builder, workflow, criteria, count=2):
    rule = {"criteria": criteria, "options": {"count": count}}
    path = f"/workflows/{workflow['id']}"
    assert builder.put(path, {"workflows": {"retirement": rule}}).status_code == 200


def test_by_rule(builder, anonymous, workflow, subjects):
    set_rule(builder, workflow, "classification_count")
    anonymous.classify(workflow, subjects[0])
    assert status_of(builder, workflow, subjects[0])["retired_at"] is None
    anonymous.classify(workflow, subjects[0])
    row = status_of(anonymous, workflow, subjects[0])
    assert row["classifications_count"] == 2
    assert row["retired_at"] == "2026-06-01T10:00:00.000Z"
    assert row["retirement_reason"] == "classification_count"
    assert row["links"] == {"subject": subjects[0], "workflow": workflow["id"]}
    shown = builder.one(f"/workflows/{workflow['id']}")
    assert shown["retired_set_member_subjects_count"] == 1
    assert shown["classifications_count"] == 2


def test_never_retire(builder, anonymous, workflow, subjects):
    set_rule(builder, workflow, "never_retire", 1)
    for _ in range(3):
        anonymous.classify(workflow, subjects[0])
    row = status_of(builder, workflow, subjects[0])
    assert (row["classifications_count"], row["retired_at"]) == (3, None)


@pytest.mark.parametrize(
    ("reason", "stored"),
    [("consensus", "consensus"), ("blank", "nothing_here"), (None, None), ("human", "human")],
)
def test_by_request_in_the_background(builder, server, workflow, subjects, reason, stored):
    server.sandbox.jobs.stop()
    body = {"subject_ids": [int(subjects[0]), subjects[1], 999], "retirement_reason": reason}
    answer = builder.post(f"/workflows/{workflow['id']}/retired_subjects", body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert status_of(builder, workflow, subjects[0])["retired_at"] is None
    server.sandbox.jobs.drain()
    for subject in subjects[:2]:
        row = status_of(builder, workflow, subject)
        assert row["retired_at"] is not None
        assert row["retirement_reason"] == stored
    assert status_of(builder, workflow, subjects[2])["retired_at"] is None


def test_the_first_reason_stays(builder, server, workflow, subjects):
    path = f"/workflows/{workflow['id']}/retired_subjects"
    for reason in ("consensus", "human"):
        builder.post(path, {"subject_ids": subjects[:1], "retirement_reason": reason})
    server.sandbox.jobs.drain()
    assert status_of(builder, workflow, subjects[0])["retirement_reason"] == "consensus"


def test_refused_requests(builder, volunteer, anonymous, workflow, subjects):
    path = f"/workflows/{workflow['id']}/retired_subjects"
    body = {"subject_ids": subjects}
    assert volunteer.post(path, body).status_code == 404
    assert anonymous.post(path, body).status_code == 401
    assert builder.post(path, {}).status_code == 422
    assert builder.post(path, body | {"retirement_reason": "boring"}).status_code == 422
    assert builder.post("/workflows/999/retired_subjects", body).status_code == 404


def test_unretire_by_subject_and_by_set(builder, server, workflow, subjects):
    path = f"/workflows/{workflow['id']}"
    builder.post(f"{path}/retired_subjects", {"subject_ids": subjects})
    builder.post(f"{path}/unretire_subjects", {"subject_ids": subjects[:1]})
    server.sandbox.jobs.drain()
    retired = [status_of(builder, workflow, subject)["retired_at"] for subject in subjects]
    assert [moment is None for moment in retired] == [True, False, False]
    (set_id,) = builder.one(path)["links"]["subject_sets"]
    body = {"subject_set_ids": [set_id]}
    assert builder.post(f"{path}/unretire_subjects", body).status_code == 204
    server.sandbox.jobs.drain()
    assert builder.one(path)["retired_set_member_subjects_count"] == 0
    assert builder.post(f"{path}/unretire_subjects", {}).status_code == 422


def test_statuses_by_several_subjects_with_spaces(builder, workflow, subjects):
    # panoptes-client joins the ids of SubjectSet.subject_workflow_statuses with ", ".
    params = {"subject_ids": ", ".join(subjects), "workflow_id": workflow["id"]}
    body = builder.get("/subject_workflow_statuses", **params).json()
    assert len(body["subject_workflow_statuses"]) == 3
