"""What a project's own pages ask for, beside its classifier."""

from __future__ import annotations

import pytest
from panoptes_api import Api, token


@pytest.fixture
def subjects(builder, project, workflow):
    subject_set = builder.subject_set(project)
    numbers = builder.subjects(project, 3, subject_set)
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    return numbers


def test_a_project_comes_with_its_owner_and_pictures(builder, anonymous, project):
    other = builder.project("Another")
    for kind in ("avatar", "background"):
        media = {"content_type": "image/png", "external_link": True}
        media["src"] = f"https://example.org/{kind}.png"
        path = f"/projects/{project['id']}/{kind}"
        assert builder.post(path, {"media": media}).status_code == 201
    include = "avatar,background,owners"
    answer = anonymous.get("/projects", slug=project["slug"], include=include).json()
    assert list(answer["linked"]) == ["avatars", "backgrounds", "owners"]
    (avatar,), (background,), (owner,) = answer["linked"].values()
    assert avatar["src"] == "https://example.org/avatar.png"
    assert background["src"] == "https://example.org/background.png"
    assert (owner["login"], owner["type"]) == ("builder", "users")
    assert "email" not in owner
    assert answer["projects"][0]["links"]["avatar"]["type"] == "avatars"

    bare = anonymous.get(f"/projects/{other['id']}", include=include).json()["linked"]
    assert bare["avatars"] == bare["backgrounds"] == []


def test_a_project_has_no_pages_of_text(builder, anonymous, project):
    assert anonymous.get(f"/projects/{project['id']}/pages").json()["project_pages"] == []
    hidden = builder.project("Hidden", private=True)
    assert anonymous.get(f"/projects/{hidden['id']}/pages").status_code == 404


def test_finished_workflows_can_be_told_from_others(server, builder, anonymous, workflow, subjects):
    def found(value):
        return [
            row["id"] for row in anonymous.get("/workflows", complete=value).json()["workflows"]
        ]

    assert (found("false"), found("true")) == ([workflow["id"]], [])
    body = {"subject_ids": subjects, "retirement_reason": "other"}
    assert builder.post(f"/workflows/{workflow['id']}/retired_subjects", body).status_code == 204
    server.sandbox.jobs.drain()
    assert (found("false"), found("true")) == ([], [workflow["id"]])


def test_a_subject_set_says_how_far_each_workflow_is(builder, project, workflow, subjects):
    other = builder.workflow(project)
    subject_set = builder.one("/subject_sets", project_id=project["id"])
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{other['id']}/links/subject_sets", links)
    rule = {"criteria": "classification_count", "options": {"count": 1}}
    builder.put(f"/workflows/{workflow['id']}", {"workflows": {"retirement": rule}})
    builder.classify(workflow, subjects[0])
    shown = builder.one(f"/subject_sets/{subject_set['id']}")
    assert shown["completeness"] == {workflow["id"]: pytest.approx(1 / 3), other["id"]: 0}


def test_recents_are_ones_own_newest_first(server, volunteer, anonymous, workflow, subjects):
    me = volunteer.one("/me")["id"]
    for subject in subjects:
        assert volunteer.classify(workflow, subject).status_code == 201
    anonymous.classify(workflow, subjects[0])
    path = f"/users/{me}/recents"
    project_id = workflow["links"]["project"]
    asked = {"project_id": project_id, "sort": "-created_at", "include": "subject"}
    answer = volunteer.get(path, **asked).json()
    assert [row["links"]["subject"] for row in answer["recents"]] == subjects[::-1]
    assert answer["recents"][0]["locations"] == [{"image/png": "https://example.org/2.png"}]
    assert sorted(row["id"] for row in answer["linked"]["subjects"]) == sorted(subjects)
    assert volunteer.get(path, project_id="999").json()["recents"] == []
    assert len(volunteer.get(path, page_size="2", page="2").json()["recents"]) == 1
    assert anonymous.get(path).status_code == 401
    assert Api(server.url, token(server.url, "volunteer2")).get(path).status_code == 404
