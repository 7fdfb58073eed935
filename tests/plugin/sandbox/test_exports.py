from __future__ import annotations

import csv
import io
import json

import pytest
import requests
from panoptes_api import METADATA, TASKS, Api, token
from sqlalchemy import select

from zooassist_plugin.sandbox.jobs import Job
from zooassist_plugin.sandbox.panoptes.tables import Classification, Subject
from zooassist_plugin.sandbox.server import running_sandbox


@pytest.fixture
def subjects(builder, project, workflow):
    subject_set = builder.subject_set(project)
    numbers = builder.subjects(project, 3, subject_set)
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    return numbers


def generate(api, path):
    return api.post(path, {"media": {"content_type": "text/csv"}})


def export(api, server, path):
    """Ask for an export, let its job run and return its rows."""
    assert generate(api, path).status_code == 201
    server.sandbox.jobs.drain()
    medium = api.one(path)
    assert medium["metadata"]["state"] == "ready"
    return rows_of(medium)


def rows_of(medium):
    answer = requests.get(medium["src"], timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_creating_then_ready(builder, server, workflow, subjects):
    server.sandbox.jobs.stop()
    path = f"/workflows/{workflow['id']}/classifications_export"
    assert builder.get(path).status_code == 404
    made = generate(builder, path).json()["media"][0]
    assert made["metadata"] == {"state": "creating", "recipients": [1]}
    assert made["content_type"] == "text/csv"
    assert requests.get(made["src"], timeout=20).status_code == 404
    assert builder.one(path)["metadata"]["state"] == "creating"
    server.sandbox.jobs.drain()
    medium = builder.one(path)
    assert medium["metadata"]["state"] == "ready"
    assert rows_of(medium) == []


def test_links_are_short_lived_and_signed(builder, server, workflow, subjects, clock):
    path = f"/workflows/{workflow['id']}/classifications_export"
    export(builder, server, path)
    src = builder.one(path)["src"]
    assert requests.get(src.partition("?")[0], timeout=20).status_code == 403
    clock.forward(seconds=301)
    assert requests.get(src, timeout=20).status_code == 403
    assert requests.get(builder.one(path)["src"], timeout=20).status_code == 200


def test_one_per_day_then_the_row_stays_creating(
    builder, anonymous, server, workflow, subjects, clock
):
    path = f"/workflows/{workflow['id']}/classifications_export"
    anonymous.classify(workflow, subjects[0])
    assert len(export(builder, server, path)) == 1
    anonymous.classify(workflow, subjects[1])
    clock.forward(hours=1)
    assert generate(builder, path).status_code == 201
    server.sandbox.jobs.drain()
    with server.sandbox.store.session() as session:
        names = session.scalars(select(Job.name)).all()
    assert names.count("panoptes.export") == 1
    medium = builder.one(path)
    assert medium["metadata"]["state"] == "creating"  # for ever: the platform's own defect
    assert len(rows_of(medium)) == 1  # the old file is still there
    clock.forward(hours=3)
    login = Api(server.url, token(server.url, "builder"))
    assert login.one(path)["metadata"]["state"] == "creating"
    clock.forward(hours=20)
    login.token = token(server.url, "builder")
    assert len(export(login, server, path)) == 2
    login.session.close()


def test_an_export_that_cannot_be_made_fails_and_may_be_asked_for_again(
    builder, server, project, workflow, subjects, clock
):
    server.sandbox.jobs.stop()
    path = f"/projects/{project['id']}/subjects_export"
    # A file where the folder of the exports belongs: nothing can be written.
    folder = server.sandbox.config.state / "exports"
    folder.write_text("in the way")
    assert generate(builder, path).status_code == 201
    for _ in range(2):
        server.sandbox.jobs.drain()
        assert builder.one(path)["metadata"]["state"] == "creating"
        clock.forward(seconds=300)
    server.sandbox.jobs.drain()
    assert builder.one(path)["metadata"]["state"] == "failed"
    folder.unlink()
    assert len(export(builder, server, path)) == 3
    # The one that worked does use up the day.
    assert generate(builder, path).status_code == 201
    server.sandbox.jobs.drain()
    assert builder.one(path)["metadata"]["state"] == "creating"


def test_the_limit_is_per_resource_and_kind_and_not_for_admins(
    builder, server, project, workflow, subjects
):
    for path in (
        f"/workflows/{workflow['id']}/classifications_export",
        f"/projects/{project['id']}/classifications_export",
        f"/projects/{project['id']}/subjects_export",
        f"/projects/{project['id']}/workflows_export",
    ):
        export(builder, server, path)
    admin = Api(server.url, token(server.url, "admin"))
    answer = admin.post(f"{path}?admin=true", {"media": {"content_type": "text/csv"}})
    assert answer.status_code == 201
    server.sandbox.jobs.drain()
    assert builder.one(path)["metadata"]["state"] == "ready"
    admin.session.close()


def test_only_editors_export(builder, volunteer, anonymous, server, workflow, subjects):
    path = f"/workflows/{workflow['id']}/classifications_export"
    assert generate(volunteer, path).status_code == 404
    assert generate(anonymous, path).status_code == 401
    export(builder, server, path)
    assert volunteer.get(path).status_code == 404
    wrong = {"media": {"content_type": "application/json"}}
    assert builder.post(path, wrong).status_code == 422
    assert builder.get(f"/workflows/{workflow['id']}/subjects_export").status_code == 404


def test_columns_and_cells(builder, volunteer, anonymous, server, workflow, subjects, clock):
    value = [
        {"frame": 0, "toolIndex": 0, "toolType": "polygon", "points": [{"x": 1.5, "y": 2}],
         "details": []},
        {"frame": 0, "toolIndex": 1, "toolType": "ellipse", "x_center": 3, "y_center": 4,
         "rx": 9, "ry": 8, "angle": 0, "details": [{"task": "T0.1.0"}]},
    ]  # fmt: skip
    annotations = [
        {"task": "T0", "taskType": "drawing", "value": value},
        {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 1},
        {"task": "T1", "taskType": "single", "value": 0},
        {"task": "T2", "taskType": "multiple", "value": [0, 1]},
    ]
    volunteer.classify(workflow, subjects[0], annotations=annotations)
    anonymous.classify(workflow, subjects[:2])
    anonymous.classify(workflow, subjects[2], completed=False)
    builder.post(
        f"/workflows/{workflow['id']}/retired_subjects",
        {"subject_ids": subjects[:1], "retirement_reason": "consensus"},
    )
    server.sandbox.jobs.drain()
    rows = export(builder, server, f"/workflows/{workflow['id']}/classifications_export")
    assert list(rows[0]) == [
        "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name",
        "workflow_version", "created_at", "gold_standard", "expert", "metadata", "annotations",
        "subject_data", "subject_ids",
    ]  # fmt: skip
    assert len(rows) == 2
    first, second = rows
    assert first["user_name"] == "volunteer1"
    assert first["user_id"] == volunteer.one("/me")["id"]
    assert len(first["user_ip"]) == 20
    assert second["user_name"] == f"not-logged-in-{second['user_ip']}"
    assert second["user_id"] == second["gold_standard"] == second["expert"] == ""
    assert first["user_ip"] == second["user_ip"]  # one machine
    assert first["workflow_name"] == "W"
    assert first["workflow_version"] == "1.1"
    assert first["created_at"] == "2026-06-01 10:00:00 UTC"
    assert json.loads(first["metadata"])["classifier_version"] == "2.0"
    assert json.loads(first["annotations"]) == [
        {
            "task": "T0",
            "task_label": "Outline the cells",
            "value": [value[0] | {"tool_label": "Cell"}, value[1] | {"tool_label": "Nucleus"}],
        },
        {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 1},
        {"task": "T1", "task_label": "Is anything missing?", "value": "Yes"},
        {"task": "T2", "task_label": "What?", "value": ["small", "faint"]},
    ]
    data = json.loads(second["subject_data"])
    assert second["subject_ids"] == ";".join(subjects[:2])
    assert data[subjects[1]] == {"retired": None, "number": 1}
    assert data[subjects[0]]["number"] == 0
    retired = data[subjects[0]]["retired"]
    assert retired["retirement_reason"] == "consensus"
    assert retired["subject_id"] == int(subjects[0])
    assert set(retired) == {
        "id", "workflow_id", "classifications_count", "created_at", "updated_at", "retired_at",
        "subject_id", "retirement_reason",
    }  # fmt: skip


def test_anonymous_hashes_change_from_export_to_export(
    builder, anonymous, server, project, workflow, subjects
):
    for subject in subjects[:2]:
        anonymous.classify(workflow, subject)
    one = export(builder, server, f"/workflows/{workflow['id']}/classifications_export")
    two = export(builder, server, f"/projects/{project['id']}/classifications_export")
    assert one[0]["user_name"] == one[1]["user_name"]
    assert one[0]["user_name"] != two[0]["user_name"]


def test_labels_are_those_of_the_version_that_was_shown(
    builder, anonymous, server, workflow, subjects
):
    anonymous.classify(workflow, subjects[0])
    tasks = json.loads(json.dumps(TASKS))
    tasks["T1"]["answers"][0]["label"] = "Certainly"
    builder.put(f"/workflows/{workflow['id']}", {"workflows": {"tasks": tasks}})
    newer = builder.one(f"/workflows/{workflow['id']}")
    anonymous.classify(newer, subjects[1])
    anonymous.classify(newer | {"version": "77.1"}, subjects[2])
    rows = export(builder, server, f"/workflows/{workflow['id']}/classifications_export")
    answers = [json.loads(row["annotations"])[0]["value"] for row in rows]
    assert answers == ["Yes", "Certainly", 0]  # unknown version: raw


def test_subjects_export(builder, anonymous, server, project, workflow, subjects):
    (alone,) = builder.subjects(project, 1)
    anonymous.classify(workflow, subjects[0])
    rows = export(builder, server, f"/projects/{project['id']}/subjects_export")
    assert list(rows[0]) == [
        "subject_id", "project_id", "workflow_id", "subject_set_id", "metadata", "locations",
        "classifications_count", "retired_at", "retirement_reason", "created_at", "updated_at",
    ]  # fmt: skip
    assert [row["subject_id"] for row in rows] == [*subjects, alone]
    assert rows[0]["workflow_id"] == workflow["id"]
    assert rows[0]["classifications_count"] == "1"
    assert json.loads(rows[0]["locations"]) == {"0": "https://example.org/0.png"}
    assert json.loads(rows[0]["metadata"]) == {"number": 0}
    assert rows[3]["workflow_id"] == rows[3]["subject_set_id"] == ""


def test_workflows_export_has_a_row_per_version(builder, server, project, workflow):
    tasks = json.loads(json.dumps(TASKS))
    tasks["T1"]["question"] = "Is something missing?"
    builder.put(f"/workflows/{workflow['id']}", {"workflows": {"tasks": tasks}})
    rows = export(builder, server, f"/projects/{project['id']}/workflows_export")
    assert list(rows[0]) == [
        "workflow_id", "display_name", "version", "active", "classifications_count", "pairwise",
        "grouped", "prioritized", "primary_language", "first_task", "tutorial_subject_id",
        "retired_set_member_subjects_count", "tasks", "retirement", "strings", "minor_version",
    ]  # fmt: skip
    assert [(row["version"], row["minor_version"]) for row in rows] == [("1", "1"), ("1", "2")]
    skeleton, strings = json.loads(rows[1]["tasks"]), json.loads(rows[1]["strings"])
    assert strings[skeleton["T1"]["question"]] == "Is something missing?"
    assert rows[0]["active"] == "true"


def test_a_subject_sets_classifications(builder, anonymous, server, project, workflow, subjects):
    other = builder.subject_set(project, "other")
    (outside,) = builder.subjects(project, 1, other)
    anonymous.classify(workflow, outside)
    anonymous.classify(workflow, subjects[1])
    (set_id, *_) = builder.one(f"/workflows/{workflow['id']}")["links"]["subject_sets"]
    rows = export(builder, server, f"/subject_sets/{set_id}/classifications_export")
    assert [row["subject_ids"] for row in rows] == [subjects[1]]


def test_deleted_workflows_leave_the_project_export(
    builder, anonymous, server, project, workflow, subjects
):
    anonymous.classify(workflow, subjects[0])
    builder.delete(f"/workflows/{workflow['id']}")
    assert export(builder, server, f"/projects/{project['id']}/classifications_export") == []


def test_metadata_of_the_classifier_survive_unchanged(
    builder, anonymous, server, workflow, subjects
):
    extra = {"subject_dimensions": [{"naturalWidth": 16}, None], "note": 'ä\n",;'}
    metadata = METADATA | {"workflow_version": "1.1"} | extra
    anonymous.classify(workflow, subjects[0], metadata=metadata)
    rows = export(builder, server, f"/workflows/{workflow['id']}/classifications_export")
    assert json.loads(rows[0]["metadata"]) == metadata | {"live_project": False}


def test_anything_that_clients_send_leaves_exports_readable(
    builder, anonymous, server, workflow, subjects
):
    path = f"/workflows/{workflow['id']}/classifications_export"
    body = {"classifications": {"annotations": []}}
    for value in ("1e999", '"\\ud800"', '"\\u0000"'):
        raw = json.dumps(body).replace("[]", f'[{{"task": "T0", "value": [{{"x": {value}}}]}}]')
        answer = anonymous.request("POST", "/classifications", data=raw)
        assert answer.status_code == 400
    text = [{"task": "T9", "value": "one\u2028two\u2029three\U0001f600"}]
    assert anonymous.classify(workflow, subjects[0], annotations=text).status_code == 201
    (row,) = export(builder, server, path)
    assert "\\u2028" in row["annotations"]
    assert json.loads(row["annotations"])[0]["value"] == text[0]["value"]


def test_bad_rows_of_an_older_state_do_not_end_an_export(state, clock):
    """On SQLite: PostgreSQL would not have stored them."""
    with running_sandbox(state, clock=clock) as server:
        builder = Api(server.url, token(server.url, "builder"))
        project = builder.project()
        workflow = builder.workflow(project)
        numbers = builder.subjects(project, 2, builder.subject_set(project))
        for number in numbers:
            assert builder.classify(workflow, number).status_code == 201
        with server.sandbox.store.session() as session:
            session.get_one(Subject, int(numbers[0])).metadata_ = {"name": "bad-\udce9.png"}
            first = session.scalars(select(Classification)).first()
            first.annotations = [{"task": "T9", "value": float("inf")}]
        for kind, count in (("classifications", 2), ("subjects", 2), ("workflows", 1)):
            rows = export(builder, server, f"/projects/{project['id']}/{kind}_export")
            assert len(rows) == count
            if kind == "classifications":
                assert json.loads(rows[0]["annotations"])[0]["value"] is None
                assert json.loads(rows[0]["subject_data"])[numbers[0]]["name"] == "bad-?.png"
        builder.session.close()
