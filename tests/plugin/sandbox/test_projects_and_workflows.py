from __future__ import annotations

import copy

import pytest
from panoptes_api import TASKS

from zooassist_plugin.sandbox.panoptes.workflow_strings import extract_strings


def test_projects_are_found_by_slug(builder, anonymous, project):
    assert project["slug"] == "builder/galaxies"
    found = anonymous.get("/projects", slug="builder/galaxies").json()["projects"]
    assert [item["id"] for item in found] == [project["id"]]
    other = builder.project("Größe & Form: ein Test!")
    assert other["slug"] == "builder/groe-form-ein-test"


def test_display_names_are_unique_per_owner(builder, volunteer, project):
    body = {"projects": {"display_name": "Galaxies"}}
    answer = builder.post("/projects", body)
    assert answer.status_code == 400
    assert "unique for owner" in answer.json()["errors"][0]["message"]
    assert volunteer.post("/projects", body).json()["projects"][0]["slug"] == "volunteer1/galaxies"


def test_a_project_links_its_parts(builder, project, workflow):
    resting = builder.workflow(project, display_name="resting", active=False)
    subject_set = builder.subject_set(project)
    links = builder.one(f"/projects/{project['id']}")["links"]
    assert links["workflows"] == [workflow["id"], resting["id"]]
    assert links["active_workflows"] == [workflow["id"]]
    assert links["subject_sets"] == [subject_set["id"]]


def test_linking_copies_workflows_and_sets_into_the_project(builder, project, workflow):
    subject_set = builder.subject_set(project)
    builder.subjects(project, 2, subject_set)
    other = builder.project("Copy")
    path = f"/projects/{other['id']}/links"
    assert builder.post(f"{path}/workflows", {"workflows": [workflow["id"]]}).status_code == 200
    answer = builder.post(f"{path}/subject_sets", {"subject_sets": [subject_set["id"]]})
    assert answer.status_code == 200
    links = builder.one(f"/projects/{other['id']}")["links"]
    (copied,) = links["workflows"]
    assert copied != workflow["id"]
    assert builder.one(f"/workflows/{copied}")["tasks"] == TASKS
    (members,) = links["subject_sets"]
    assert builder.one(f"/subject_sets/{members}")["set_member_subjects_count"] == 2
    assert builder.post(f"{path}/workflows", {"workflows": ["999"]}).status_code == 404


def test_deleted_projects_are_gone_and_their_name_is_free(builder, project):
    assert builder.delete(f"/projects/{project['id']}").status_code == 204
    assert builder.get(f"/projects/{project['id']}").status_code == 404
    assert builder.project("Galaxies")["id"] != project["id"]


def test_a_workflow_as_it_is_read(builder, project, workflow):
    assert workflow["version"] == "1.1"
    assert workflow["retirement"] == {"criteria": "classification_count", "options": {"count": 15}}
    assert workflow["configuration"] == {}
    assert workflow["steps"] == []
    assert workflow["active"] is True
    assert workflow["grouped"] is workflow["prioritized"] is False
    assert workflow["links"]["project"] == project["id"]
    assert workflow["tasks"] == TASKS
    assert list(workflow["tasks"]["T0"]["tools"][1]) == list(TASKS["T0"]["tools"][1])
    assert "strings" not in workflow
    strings = builder.one(f"/workflows/{workflow['id']}", fields="strings")["strings"]
    assert strings["T0.tools.1.details.0.answers.1.label"] == "dividing"


def test_several_workflows_at_once_with_fields(anonymous, builder, project, workflow):
    second = builder.workflow(project, display_name="second")
    body = anonymous.get(
        "/workflows", id=f"{workflow['id']},{second['id']}", fields="display_name"
    ).json()
    assert [item["display_name"] for item in body["workflows"]] == ["W", "second"]


def change(builder, workflow, **body):
    return builder.put(f"/workflows/{workflow['id']}", {"workflows": body})


def test_versions_are_major_for_structure_and_minor_for_texts(builder, workflow):
    texts = copy.deepcopy(TASKS)
    texts["T1"]["question"] = "Is something missing?"
    assert change(builder, workflow, tasks=texts).json()["workflows"][0]["version"] == "1.2"
    both = copy.deepcopy(texts)
    both["T2"]["answers"].append({"label": "far"})
    assert change(builder, workflow, tasks=both).json()["workflows"][0]["version"] == "2.3"
    answer = change(builder, workflow, prioritized=True)
    assert answer.json()["workflows"][0]["version"] == "3.3"
    answer = change(builder, workflow, display_name="New", configuration={"a": 1})
    assert answer.json()["workflows"][0]["version"] == "3.3"
    versions = builder.get("/workflow_versions", workflow_id=workflow["id"]).json()
    rows = versions["workflow_versions"]
    numbers = [(row["major_number"], row["minor_number"]) for row in rows]
    assert numbers == [(1, 1), (1, 2), (2, 3), (3, 3)]
    assert rows[0]["tasks"]["T1"]["question"] == "T1.question"
    assert rows[0]["strings"]["T1.question"] == "Is anything missing?"
    assert rows[1]["strings"]["T1.question"] == "Is something missing?"
    assert builder.one(f"/workflow_versions/{rows[2]['id']}")["major_number"] == 2
    assert builder.get("/workflow_versions/999").status_code == 404
    old_style = builder.get(f"/workflows/{workflow['id']}/versions").json()["versions"]
    assert [row["id"] for row in old_style] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    "body",
    [
        {"tasks": {"T0": {"type": "single", "question": "?", "answers": []}}},
        {"first_task": "T1"},
        {"grouped": True},
        {"pairwise": True},
        {"prioritized": True},
    ],
)
def test_structure_is_locked_on_active_workflows_of_live_projects(builder, project, workflow, body):
    path = f"/projects/{project['id']}"
    assert builder.put(path, {"projects": {"live": True}}).status_code == 200
    answer = change(builder, workflow, **body)
    assert answer.status_code == 403
    assert "project is live" in answer.json()["errors"][0]["message"]
    assert builder.one(f"/workflows/{workflow['id']}")["version"] == "1.1"
    assert change(builder, workflow, active=False).status_code == 200
    assert change(builder, workflow, **body).status_code == 200


def test_configuration_retirement_and_name_stay_open_on_live_projects(builder, project, workflow):
    builder.put(f"/projects/{project['id']}", {"projects": {"live": True}})
    body = {
        "configuration": {"enable_caesar_data_fetching": True},
        "retirement": {"criteria": "never_retire", "options": {}},
        "display_name": "Renamed",
        "tasks": TASKS,  # unchanged
    }
    answer = change(builder, workflow, **body)
    assert answer.status_code == 200
    assert answer.json()["workflows"][0]["retirement"]["criteria"] == "never_retire"


def test_configuration_is_replaced_as_a_whole(builder, workflow):
    change(builder, workflow, configuration={"a": 1, "b": 2})
    change(builder, workflow, configuration={"b": 3})
    assert builder.one(f"/workflows/{workflow['id']}")["configuration"] == {"b": 3}


@pytest.mark.parametrize(
    "rule",
    [
        {"criteria": "boredom"},
        {"criteria": "classification_count", "options": {"count": "many"}},
        {"criteria": "classification_count", "options": {"count": 0}},
        {"criteria": "classification_count", "options": [3]},
    ],
)
def test_unknown_retirement_rules_are_400(builder, workflow, rule):
    assert change(builder, workflow, retirement=rule).status_code == 400


def test_subject_sets_are_linked_and_unlinked(builder, project, workflow):
    sets = [builder.subject_set(project, name)["id"] for name in "abc"]
    path = f"/workflows/{workflow['id']}"
    assert builder.post(f"{path}/links/subject_sets", {"subject_sets": sets}).status_code == 200
    assert builder.one(path)["links"]["subject_sets"] == sets
    removal = builder.request("DELETE", f"{path}/links/subject_sets/{sets[0]},{sets[1]}")
    assert removal.status_code == 204
    assert builder.one(path)["links"]["subject_sets"] == sets[2:]
    body = {"workflows": {"links": {"subject_sets": sets[:1]}}}
    assert builder.put(path, body).status_code == 200
    assert builder.one(path)["links"]["subject_sets"] == sets[:1]
    assert builder.one(f"/subject_sets/{sets[0]}")["links"]["workflows"] == [workflow["id"]]


def test_sets_of_other_projects_cannot_be_linked(builder, workflow):
    foreign = builder.subject_set(builder.project("Other"))
    path = f"/workflows/{workflow['id']}/links/subject_sets"
    assert builder.post(path, {"subject_sets": [foreign["id"]]}).status_code == 422
    assert builder.post(path, {}).status_code == 422
    wrong = f"/workflows/{workflow['id']}/links/experts"
    assert builder.post(wrong, {"experts": ["1"]}).status_code == 422


@pytest.mark.parametrize("missing", ["display_name", "primary_language", "links"])
def test_new_workflows_need_their_attributes(builder, project, missing):
    body = {"display_name": "W", "primary_language": "en", "links": {"project": project["id"]}}
    del body[missing]
    answer = builder.post("/workflows", {"workflows": body})
    assert answer.status_code == 422
    assert missing in answer.json()["errors"][0]["message"]


def test_deleted_workflows_are_gone(builder, project, workflow):
    assert builder.delete(f"/workflows/{workflow['id']}").status_code == 204
    assert builder.get(f"/workflows/{workflow['id']}").status_code == 404
    assert builder.one(f"/projects/{project['id']}")["links"]["workflows"] == []


def test_strings_of_every_kind_of_task():
    skeleton, strings = extract_strings(
        {
            "T5": {
                "type": "survey",
                "choices": {"LION": {"label": "Lion", "confusions": {"PUMA": "smaller"}}},
                "questions": {"N": {"label": "How many?", "answers": {"1": {"label": "one"}}}},
            },
            "T6": {
                "type": "dropdown",
                "selects": [
                    {"title": "Colour", "options": {"*": [{"label": "Red", "value": "a1"}]}}
                ],
            },
            "T7": {"type": "combo", "tasks": ["T5", "T6"]},
        }
    )
    assert strings == {
        "T5.choices.LION.label": "Lion",
        "T5.choices.LION.confusions.PUMA": "smaller",
        "T5.questions.N.label": "How many?",
        "T5.questions.N.answers.1.label": "one",
        "T6.selects.0.options.*.0.label": "Red",
    }
    assert skeleton["T6"]["selects"][0]["title"] == "Colour", "the platform leaves it in place"
    assert skeleton["T7"] == {"type": "combo", "tasks": ["T5", "T6"]}
    assert skeleton["T6"]["selects"][0]["options"]["*"][0]["value"] == "a1"


@pytest.mark.parametrize("name", ["projects", "workflows", "subject_sets"])
@pytest.mark.parametrize("blank", ["", " \t"])
def test_names_must_say_something(builder, project, name, blank):
    body = {"display_name": blank, "primary_language": "en", "links": {"project": project["id"]}}
    if name == "projects":
        del body["links"]
    if name == "subject_sets":
        del body["primary_language"]
    answer = builder.post(f"/{name}", {name: body})
    assert answer.status_code == 400
    message = answer.json()["errors"][0]["message"]
    assert message == "Validation failed: Display name can't be blank"


def test_a_name_cannot_be_taken_away(builder, project):
    path = f"/projects/{project['id']}"
    assert builder.put(path, {"projects": {"display_name": ""}}).status_code == 400
    assert builder.one(path)["slug"] == "builder/galaxies"


def test_unknown_links_are_refused(builder, project, workflow):
    bodies = {
        "projects": {"display_name": "P", "links": {}},
        "workflows": {"display_name": "W", "primary_language": "en"},
        "subject_sets": {"display_name": "S"},
        "subjects": {"locations": ["image/png"]},
    }
    for name, body in bodies.items():
        own = {} if name == "projects" else {"project": project["id"]}
        body = body | {"links": own | {"subject_set": "3"}}
        answer = builder.post(f"/{name}", {name: body})
        assert answer.status_code == 422
        assert "unpermitted parameter: subject_set;" in answer.json()["errors"][0]["message"]
    path = f"/workflows/{workflow['id']}"
    moved = builder.put(path, {"workflows": {"links": {"project": project["id"]}}})
    assert moved.status_code == 422, "a workflow stays in its project"
    rule = {"criteria": "never_retire", "options": {}, "count": 3}
    answer = builder.put(path, {"workflows": {"retirement": rule}})
    assert answer.status_code == 422
    assert "unpermitted parameter: count" in answer.json()["errors"][0]["message"]


def test_links_that_come_with_a_creation_are_made(builder, project, workflow):
    made = builder.made(
        "subject_sets",
        display_name="linked",
        links={"project": project["id"], "workflows": [workflow["id"]]},
    )
    links = builder.one(f"/workflows/{workflow['id']}")["links"]
    assert links["subject_sets"] == [made["id"]]
    other = builder.project(
        "Other", links={"workflows": [workflow["id"]], "subject_sets": [made["id"]]}
    )
    links = builder.one(f"/projects/{other['id']}")["links"]
    assert len(links["workflows"]) == len(links["subject_sets"]) == 1


def test_a_tutorial_subject_must_be_readable(builder, volunteer, project, workflow):
    path = f"/workflows/{workflow['id']}"
    (number,) = builder.subjects(project, 1)
    (secret,) = volunteer.subjects(volunteer.project("Secret", private=True), 1)
    body = {"workflows": {"links": {"tutorial_subject": number}}}
    assert builder.put(path, body).status_code == 200
    assert builder.one(path)["links"]["tutorial_subject"] == number
    body["workflows"]["links"]["tutorial_subject"] = secret
    assert builder.put(path, body).status_code == 422


def test_projects_by_role_name_and_tag(builder, volunteer, anonymous, project):
    other = volunteer.project("100% shapes", tags=["Space", "art"])

    def found(api, **params):
        return [item["id"] for item in api.get("/projects", **params).json()["projects"]]

    assert found(builder, current_user_roles="owner") == [project["id"]]
    assert found(volunteer, current_user_roles="owner,collaborator") == [other["id"]]
    assert found(volunteer, current_user_roles="tester") == []
    assert found(anonymous, current_user_roles="owner") == []
    assert found(anonymous, search="LAXI") == [project["id"]]
    assert found(anonymous, search="0% s") == [other["id"]]
    assert found(anonymous, search="%") == [other["id"]]
    assert found(anonymous, tags="space,none") == [other["id"]]
    assert found(anonymous, tags="none") == []
