from __future__ import annotations

import time

import pytest
import requests

BLOB = {"x-ms-blob-type": "BlockBlob"}


def members(api, **by):
    return api.get("/set_member_subjects", **by).json()["set_member_subjects"]


def test_subjects_are_added_once_and_removed(builder, anonymous, project):
    subject_set = builder.subject_set(project)
    path = f"/subject_sets/{subject_set['id']}"
    first, second, third = builder.subjects(project, 3)
    for given in ([first, second], [second, int(third)]):
        assert builder.post(f"{path}/links/subjects", {"subjects": given}).status_code == 200
    assert builder.one(path)["set_member_subjects_count"] == 3
    links = [
        row["links"]["subject"] for row in members(anonymous, subject_set_id=subject_set["id"])
    ]
    assert links == [first, second, third]
    one = members(anonymous, subject_set_id=subject_set["id"], subject_id=second)
    assert [row["links"]["subject"] for row in one] == [second]
    removed = builder.request("DELETE", f"{path}/links/subjects/{first},{third}")
    assert removed.status_code == 204
    assert builder.one(path)["set_member_subjects_count"] == 1
    assert builder.one(f"/subjects/{first}")["links"]["subject_sets"] == []


def test_unknown_subjects_are_422_and_nothing_is_added(builder, project):
    subject_set = builder.subject_set(project)
    (known,) = builder.subjects(project, 1)
    path = f"/subject_sets/{subject_set['id']}/links/subjects"
    assert builder.post(path, {"subjects": [known, "999"]}).status_code == 422
    assert members(builder, subject_set_id=subject_set["id"]) == []
    assert builder.post(path, {"subjects": ["x"]}).status_code == 422


def test_members_have_a_priority_of_their_own(builder, volunteer, project):
    subject_set = builder.subject_set(project)
    (subject,) = builder.subjects(project, 1)
    links = {"subject_set": subject_set["id"], "subject": subject}
    member = builder.made("set_member_subjects", priority=4, links=links)
    assert member["links"] | links == member["links"]
    path = f"/set_member_subjects/{member['id']}"
    body = {"set_member_subjects": {"priority": 0.5}}
    assert volunteer.put(path, body).status_code == 404
    assert builder.put(path, body).status_code == 200
    assert float(builder.one(path)["priority"]) == 0.5
    wrong = {"set_member_subjects": {"priority": "soon"}}
    assert builder.put(path, wrong).status_code == 422
    assert builder.delete(path).status_code == 204
    assert builder.one(f"/subject_sets/{subject_set['id']}")["set_member_subjects_count"] == 0


def test_sets_are_changed_and_deleted(builder, project, workflow):
    subject_set = builder.subject_set(project)
    subjects = builder.subjects(project, 3, subject_set)
    path = f"/subject_sets/{subject_set['id']}"
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    body = {"display_name": "new", "metadata": {"k": 1}, "links": {"subjects": subjects[:1]}}
    assert builder.put(path, {"subject_sets": body}).status_code == 200
    changed = builder.one(path)
    assert (changed["display_name"], changed["metadata"]) == ("new", {"k": 1})
    assert changed["set_member_subjects_count"] == 1
    assert builder.delete(path).status_code == 204
    assert builder.get(path).status_code == 404
    assert builder.one(f"/workflows/{workflow['id']}")["links"]["subject_sets"] == []
    assert builder.one(f"/subjects/{subjects[0]}")["links"]["subject_sets"] == []


def test_linking_makes_statuses_and_a_later_subject_gets_one_too(builder, project, workflow):
    subject_set = builder.subject_set(project)
    builder.subjects(project, 2, subject_set)
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    builder.subjects(project, 1, subject_set)
    found = builder.get("/subject_workflow_statuses", workflow_id=workflow["id"]).json()
    counts = [row["classifications_count"] for row in found["subject_workflow_statuses"]]
    assert counts == [0, 0, 0]


def manifest(builder, project, text):
    """Host a manifest as an attached file of the project."""
    made = builder.post(
        f"/projects/{project['id']}/attached_images", {"media": {"content_type": "text/csv"}}
    ).json()["media"][0]
    assert (
        requests.put(made["src"], data=text.encode(), headers=BLOB, timeout=20).status_code == 201
    )
    return made["src"].partition("?")[0]


def wait_for(builder, path, key, value):
    deadline = time.monotonic() + 10
    while builder.one(path)[key] != value:
        assert time.monotonic() < deadline, builder.one(path)
        time.sleep(0.02)
    return builder.one(path)


def test_a_manifest_is_imported_in_the_background(builder, project):
    subject_set = builder.subject_set(project)
    url = manifest(
        builder,
        project,
        "external_id,location:1,location:2,metadata:ra,metadata:#priority\n"
        "g1,https://example.org/1.png,https://example.org/1b.jpg,12.5,2\n"
        "g2,https://example.org/2.png,,13.5,1\n"
        "bad,https://example.org/page.html,,0,0\n"
        "nul,https://example.org/3.png,,1\0,0\n",
    )
    links = {"subject_set": subject_set["id"]}
    job = builder.made("subject_set_imports", source_url=url, links=links)
    done = wait_for(builder, f"/subject_set_imports/{job['id']}", "imported_count", 2)
    assert (done["manifest_count"], done["failed_count"]) == (4, 2)
    assert done["failed_uuids"] == ["bad", "nul"]
    subjects = builder.get("/subjects", subject_set_id=subject_set["id"]).json()["subjects"]
    assert [subject["external_id"] for subject in subjects] == ["g1", "g2"]
    assert subjects[0]["locations"] == [
        {"image/png": "https://example.org/1.png"},
        {"image/jpeg": "https://example.org/1b.jpg"},
    ]
    assert subjects[0]["metadata"] == {"ra": "12.5", "#priority": "2"}


@pytest.mark.parametrize(("sender", "status"), [("volunteer", 404), ("anonymous", 401)])
def test_only_editors_import(request, builder, project, sender, status):
    subject_set = builder.subject_set(project)
    body = {"source_url": "http://127.0.0.1:1/x.csv", "links": {"subject_set": subject_set["id"]}}
    api = request.getfixturevalue(sender)
    assert api.post("/subject_set_imports", {"subject_set_imports": body}).status_code == status
    body["source_url"] = "file:///etc/passwd"
    assert builder.post("/subject_set_imports", {"subject_set_imports": body}).status_code == 422


def test_subjects_hidden_from_the_caller_cannot_be_linked(builder, volunteer):
    (secret,) = builder.subjects(builder.project("Secret", private=True), 1)
    mine = volunteer.project("Mine")
    subject_set = volunteer.subject_set(mine)
    path = f"/subject_sets/{subject_set['id']}"
    link = volunteer.post(f"{path}/links/subjects", {"subjects": [secret]})
    replace = volunteer.put(path, {"subject_sets": {"links": {"subjects": [secret]}}})
    links = {"subject_set": subject_set["id"], "subject": secret}
    member = volunteer.post("/set_member_subjects", {"set_member_subjects": {"links": links}})
    made = {"display_name": "x", "links": {"project": mine["id"], "subjects": [secret]}}
    create = volunteer.post("/subject_sets", {"subject_sets": made})
    for answer in (link, replace, member, create):
        assert answer.status_code == 422
        assert f"({secret}) not found" in answer.json()["errors"][0]["message"]
    assert volunteer.one(path)["set_member_subjects_count"] == 0


def test_a_subjects_sets_are_replaced_where_the_caller_may(builder, volunteer, project):
    first, second = builder.subject_set(project, "a"), builder.subject_set(project, "b")
    (number,) = builder.subjects(project, 1, first)
    foreign = volunteer.subject_set(volunteer.project("Mine"))
    path = f"/subject_sets/{foreign['id']}/links/subjects"
    assert volunteer.post(path, {"subjects": [number]}).status_code == 200
    body = {"subjects": {"links": {"subject_sets": [second["id"]]}}}
    assert builder.put(f"/subjects/{number}", body).status_code == 200
    links = builder.one(f"/subjects/{number}")["links"]
    assert sorted(links["subject_sets"]) == sorted([second["id"], foreign["id"]])
    body["subjects"]["links"]["subject_sets"] = [foreign["id"]]
    assert builder.put(f"/subjects/{number}", body).status_code == 422
