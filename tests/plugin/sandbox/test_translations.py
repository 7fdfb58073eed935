from __future__ import annotations

import pytest


def translations(api, kind, number, **params):
    params = {"translated_type": kind, "translated_id": number} | params
    return api.get("/translations", **params)


def test_the_classifier_finds_every_text_of_a_workflow(anonymous, workflow):
    answer = translations(anonymous, "workflow", workflow["id"], language="en", http_cache="true")
    assert answer.status_code == 200
    (row,) = answer.json()["translations"]
    assert row["language"] == "en"
    assert row["strings"] == {
        "display_name": "W",
        "tasks.T0.instruction": "Outline the cells",
        "tasks.T0.help": "",
        "tasks.T0.tools.0.label": "Cell",
        "tasks.T0.tools.1.label": "Nucleus",
        "tasks.T0.tools.1.details.0.question": "State?",
        "tasks.T0.tools.1.details.0.answers.0.label": "normal",
        "tasks.T0.tools.1.details.0.answers.1.label": "dividing",
        "tasks.T1.question": "Is anything missing?",
        "tasks.T1.answers.0.label": "Yes",
        "tasks.T1.answers.1.label": "No",
        "tasks.T2.question": "What?",
        "tasks.T2.answers.0.label": "small",
        "tasks.T2.answers.1.label": "faint",
    }
    assert isinstance(row["id"], str)


def test_texts_follow_the_workflow(builder, anonymous, workflow):
    body = {"workflows": {"display_name": "New name"}}
    builder.put(f"/workflows/{workflow['id']}", body)
    (row,) = translations(anonymous, "workflow", workflow["id"]).json()["translations"]
    assert row["strings"]["display_name"] == "New name"


def test_projects_tutorials_and_field_guides(builder, anonymous, project, workflow):
    links = {"project": project["id"], "workflows": [workflow["id"]]}
    tutorial = builder.made(
        "tutorials",
        language="en",
        display_name="Start",
        steps=[{"content": "Look", "media": None}, {"content": "Draw"}],
        links=links,
    )
    guide = builder.made(
        "field_guides",
        language="en",
        items=[{"title": "Spiral", "content": "Arms"}],
        links={"project": project["id"]},
    )

    def strings(kind, number):
        return translations(anonymous, kind, number).json()["translations"][0]["strings"]

    assert strings("project", project["id"])["description"] == "test"
    assert strings("project", project["id"])["title"] == "Galaxies"
    assert strings("tutorial", tutorial["id"]) == {
        "display_name": "Start",
        "steps.0.content": "Look",
        "steps.1.content": "Draw",
    }
    assert strings("field_guide", guide["id"]) == {
        "items.0.title": "Spiral",
        "items.0.content": "Arms",
    }


def test_other_languages_are_kept(builder, volunteer, anonymous, workflow):
    path = f"/translations?translated_type=workflow&translated_id={workflow['id']}"
    body = {"translations": {"language": "DE", "strings": {"display_name": "Umrisse"}}}
    assert volunteer.post(path, body).status_code == 404
    made = builder.post(path, body)
    assert made.status_code == 201
    rows = translations(anonymous, "workflow", workflow["id"]).json()["translations"]
    assert [row["language"] for row in rows] == ["en", "de"]
    (row,) = translations(anonymous, "workflow", workflow["id"], language="de").json()[
        "translations"
    ]
    assert row["strings"] == {"display_name": "Umrisse"}
    one = f"/translations/{row['id']}"
    changed = {"translations": {"strings": {"display_name": "Umriss"}}}
    assert builder.request("PUT", one, changed).status_code == 428
    assert builder.put(one, changed).status_code == 200
    assert anonymous.one(one)["strings"] == {"display_name": "Umriss"}
    assert builder.post(path, {"translations": {"language": "fr"}}).status_code == 422
    assert builder.post(path, {"translations": {"strings": {}}}).status_code == 422


@pytest.mark.parametrize(
    ("kind", "number", "status"),
    [("galaxy", "1", 422), ("workflow", "999", 404), ("workflow", "x", 422)],
)
def test_refused(anonymous, workflow, kind, number, status):
    assert translations(anonymous, kind, number).status_code == status


def test_private_texts_are_hidden(builder, anonymous):
    secret = builder.workflow(builder.project("Secret", private=True))
    assert translations(anonymous, "workflow", secret["id"]).status_code == 404


def test_the_volunteers_language_and_english_are_asked_for_at_once(builder, anonymous, workflow):
    def languages(asked):
        rows = translations(anonymous, "workflow", workflow["id"], language=asked)
        return [row["language"] for row in rows.json()["translations"]]

    assert languages("fr,en") == ["en"], "the classifier falls back to English"
    query = f"translated_type=workflow&translated_id={workflow['id']}"
    body = {"translations": {"language": "fr", "strings": {"display_name": "Galaxies"}}}
    assert builder.post(f"/translations?{query}", body).status_code == 201
    assert languages("fr,en") == ["en", "fr"]
    assert languages("FR") == ["fr"]
    assert languages("zh-CN,en") == ["en"]


def test_a_project_lists_the_languages_it_is_translated_to(builder, anonymous, project):
    assert project["available_languages"] == ["en"]
    query = f"translated_type=project&translated_id={project['id']}"
    body = {"translations": {"language": "fr", "strings": {"title": "Galaxies"}}}
    assert builder.post(f"/translations?{query}", body).status_code == 201
    shown = anonymous.one(f"/projects/{project['id']}")
    assert shown["available_languages"] == ["en", "fr"]
