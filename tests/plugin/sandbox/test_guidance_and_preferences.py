from __future__ import annotations

import pytest


def test_a_workflow_without_guidance_has_empty_lists(anonymous, project, workflow):
    tutorials = anonymous.get("/tutorials", workflow_id=workflow["id"]).json()
    assert tutorials["tutorials"] == []
    guides = anonymous.get("/field_guides", project_id=project["id"]).json()
    assert guides["field_guides"] == []


def test_tutorials(builder, volunteer, anonymous, project, workflow):
    body = {"language": "en", "steps": [{"content": "Look"}], "links": {"project": project["id"]}}
    assert volunteer.post("/tutorials", {"tutorials": body}).status_code == 404
    tutorial = builder.made("tutorials", **body)
    path = f"/tutorials/{tutorial['id']}"

    def shown():
        found = anonymous.get("/tutorials", workflow_id=workflow["id"]).json()["tutorials"]
        return [row["id"] for row in found]

    assert shown() == []
    link = f"{path}/links/workflows"
    assert builder.post(link, {"workflows": [workflow["id"]]}).status_code == 200
    assert shown() == [tutorial["id"]]
    assert builder.post(link, {"workflows": ["999"]}).status_code == 422
    changed = {"tutorials": {"steps": [{"content": "Draw"}], "display_name": "Start"}}
    assert builder.put(path, changed).status_code == 200
    row = anonymous.one(path)
    assert row["steps"] == [{"content": "Draw"}]
    assert row["links"]["workflows"] == [workflow["id"]]
    assert anonymous.get(f"{path}/attached_images").json()["media"] == []
    assert builder.request("DELETE", f"{link}/{workflow['id']}").status_code == 204
    assert shown() == []
    assert builder.delete(path).status_code == 204


@pytest.mark.parametrize(("name", "part"), [("tutorials", "steps"), ("field_guides", "items")])
def test_guidance_is_a_list_of_objects(builder, project, name, part):
    links = {"project": project["id"]}
    for wrong in ("text", ["text"]):
        body = {"language": "en", part: wrong, "links": links}
        assert builder.post(f"/{name}", {name: body}).status_code == 422


def test_field_guides(builder, volunteer, anonymous, project):
    links = {"project": project["id"]}
    guide = builder.made("field_guides", language="en", items=[], links=links)
    path = f"/field_guides/{guide['id']}"
    body = {"field_guides": {"items": [{"title": "Spiral", "content": "Arms"}]}}
    assert volunteer.put(path, body).status_code == 404
    assert builder.put(path, body).status_code == 200
    found = anonymous.get("/field_guides", project_id=project["id"]).json()["field_guides"]
    assert found[0]["items"][0]["title"] == "Spiral"
    assert builder.delete(path).status_code == 204


def test_preferences_belong_to_their_volunteer(volunteer, builder, anonymous, project):
    links = {"project": project["id"]}
    made = volunteer.made("project_preferences", preferences={"tutorial": 1}, links=links)
    path = f"/project_preferences/{made['id']}"
    assert volunteer.one("/project_preferences", project_id=project["id"])["id"] == made["id"]
    body = {"project_preferences": {"preferences": {"tutorial": 2}}}
    assert volunteer.put(path, body).status_code == 200
    assert volunteer.one(path)["preferences"] == {"tutorial": 2}
    assert builder.get(path).status_code == 404
    assert anonymous.get("/project_preferences").status_code == 401
    again = volunteer.made("project_preferences", preferences={}, links=links)
    assert again["id"] == made["id"]
    assert volunteer.delete(path).status_code == 204


def test_settings_belong_to_the_owner(volunteer, builder, project):
    me = volunteer.one("/me")["id"]
    body = {"project_id": project["id"], "user_id": me, "settings": {"workflow_id": "7"}}
    sent = {"project_preferences": body}
    path = "/project_preferences/update_settings"
    assert volunteer.post(path, sent).status_code == 404
    assert builder.post(path, sent).status_code == 200
    row = volunteer.one("/project_preferences", project_id=project["id"])
    assert row["settings"] == {"workflow_id": "7"}
    own = {"project_preferences": {"settings": {"workflow_id": "8"}}}
    assert volunteer.put(f"/project_preferences/{row['id']}", own).status_code == 422
    read = builder.get("/project_preferences/read_settings", project_id=project["id"])
    assert [row["login"] for row in read.json()["project_preferences"]] == ["volunteer1"]
    assert builder.post(path, {"project_preferences": body | {"user_id": "99"}}).status_code == 422
