from __future__ import annotations

import pytest
from panoptes_api import Api, token


@pytest.fixture
def rows(builder, project, workflow):
    subject_set = builder.subject_set(project)
    (subject,) = builder.subjects(project, 1, subject_set)
    return {
        "projects": project["id"],
        "workflows": workflow["id"],
        "subject_sets": subject_set["id"],
        "subjects": subject,
    }


def test_public_things_are_readable_by_everybody(rows, anonymous, volunteer):
    for name, number in rows.items():
        for reader in (anonymous, volunteer):
            assert reader.get(f"/{name}/{number}").status_code == 200


def test_strangers_get_404_and_anonymous_401_on_writes(rows, anonymous, volunteer, builder):
    for name, number in rows.items():
        etag = builder.get(f"/{name}/{number}").headers["ETag"]
        for sender, status in ((volunteer, 404), (anonymous, 401)):
            assert sender.put(f"/{name}/{number}", {name: {}}, etag).status_code == status
            assert sender.delete(f"/{name}/{number}", etag).status_code == status
    links = {"links": {"project": rows["projects"]}}
    body = {"subject_sets": {"display_name": "mine now"} | links}
    assert volunteer.post("/subject_sets", body).status_code == 404
    assert anonymous.post("/subject_sets", body).status_code == 401


def test_private_projects_are_hidden_from_strangers(builder, volunteer, anonymous):
    project = builder.project("Secret", private=True)
    workflow = builder.workflow(project)
    subject_set = builder.subject_set(project)
    (subject,) = builder.subjects(project, 1, subject_set)
    paths = [
        f"/projects/{project['id']}",
        f"/workflows/{workflow['id']}",
        f"/subject_sets/{subject_set['id']}",
        f"/subjects/{subject}",
    ]
    for path in paths:
        assert builder.get(path).status_code == 200
        assert volunteer.get(path).status_code == 404
        assert anonymous.get(path).status_code == 404
    assert anonymous.get("/projects", slug="builder/secret").json()["projects"] == []
    assert anonymous.get("/set_member_subjects").json()["set_member_subjects"] == []


def test_collaborators_may_write_and_testers_only_read(builder, volunteer, anonymous):
    project = builder.project("Shared", private=True)
    me = volunteer.one("/me")["id"]
    links = {"project": project["id"], "user": me}
    role = builder.made("project_roles", roles=["tester"], links=links)
    body = {"projects": {"description": "changed"}}
    path = f"/projects/{project['id']}"
    assert volunteer.get(path).status_code == 200
    assert volunteer.put(path, body).status_code == 404
    changed = builder.put(f"/project_roles/{role['id']}", {"project_roles": {"roles": ["pope"]}})
    assert changed.status_code == 422
    roles = {"project_roles": {"roles": ["collaborator"]}}
    assert builder.put(f"/project_roles/{role['id']}", roles).status_code == 200
    assert volunteer.put(path, body).status_code == 200
    found = builder.get("/project_roles", project_id=project["id"]).json()["project_roles"]
    assert [item["roles"] for item in found] == [["owner"], ["collaborator"]]
    assert found[1]["links"]["owner"]["id"] == me
    assert builder.delete(f"/project_roles/{role['id']}").status_code == 204
    assert volunteer.get(path).status_code == 404
    second = {"project_roles": {"roles": ["owner"], "links": links}}
    assert builder.post("/project_roles", second).status_code == 422
    owner = f"/project_roles/{found[0]['id']}"
    assert builder.delete(owner).status_code == 422


def test_admins_act_as_such_only_when_they_say_so(server, builder):
    project = builder.project("Secret", private=True)
    admin = Api(server.url, token(server.url, "admin"))
    path = f"/projects/{project['id']}"
    assert admin.get(path).status_code == 404
    assert admin.get(path, admin="True").status_code == 200
    stranger = Api(server.url, token(server.url, "volunteer1"))
    assert stranger.get(path, admin="True").status_code == 404
    admin.session.close()
    stranger.session.close()


def test_addresses_tell_nobody_whose_they_are(server, builder, volunteer, anonymous):
    mine = builder.one("/me")["email"]

    def logins(api, **more):
        users = api.get("/users", email=mine, **more).json()["users"]
        return [user["login"] for user in users]

    assert logins(builder) == ["builder"]
    assert logins(volunteer) == logins(anonymous) == []
    admin = Api(server.url, token(server.url, "admin"))
    assert logins(admin, admin="true") == ["builder"]
    admin.session.close()
