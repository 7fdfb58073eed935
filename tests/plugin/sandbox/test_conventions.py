from __future__ import annotations

import pytest
import requests
from panoptes_api import ACCEPT


def test_without_the_versioned_accept_header_everything_is_404(server, project):
    for accept in ("application/json", "*/*", "application/vnd.api+json", ""):
        answer = requests.get(f"{server.url}/api/projects", headers={"Accept": accept}, timeout=20)
        assert answer.status_code == 404, accept
        assert "version=1" in answer.json()["errors"][0]["message"]


def test_answers_are_json_api_with_string_ids(builder, project):
    answer = builder.get(f"/projects/{project['id']}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(ACCEPT)
    body = answer.json()
    assert set(body) == {"projects", "links", "meta"}
    assert body["projects"][0]["id"] == str(int(project["id"]))
    assert body["projects"][0]["links"]["owner"]["id"] == "1"
    assert body["links"]["projects.workflows"] == {
        "href": "/workflows/{projects.workflows}",
        "type": "workflows",
    }


@pytest.mark.parametrize("content_type", ["text/plain", "application/vnd.api+json", ""])
def test_writes_need_a_json_content_type(builder, content_type):
    answer = builder.request("POST", "/projects", {"projects": {}}, {"Content-Type": content_type})
    assert answer.status_code == 415


def test_versioned_content_type_is_accepted(builder):
    body = {"projects": {"display_name": "Versioned"}}
    answer = builder.request("POST", "/projects", body, {"Content-Type": ACCEPT})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("raw", "status"),
    [("{", 400), ("[]", 400), ('{"projects": NaN}', 400), ('{"other": {}}', 422), ("{}", 422)],
)
def test_bodies_that_are_no_envelope_are_refused(builder, raw, status):
    answer = builder.request("POST", "/projects", data=raw)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("value", ["1e999", '"\\ud800"', '"\\u0000"', '{"a": [-1e999]}'])
def test_values_that_no_answer_or_export_could_carry_are_refused(builder, workflow, value):
    path = f"/workflows/{workflow['id']}"
    etag = builder.get(path).headers["ETag"]
    raw = f'{{"workflows": {{"configuration": {{"value": {value}}}}}}}'
    answer = builder.request("PUT", path, data=raw, headers={"If-Match": etag})
    assert answer.status_code == 400
    assert "problem in the JSON" in answer.json()["errors"][0]["message"]
    assert builder.one(path)["configuration"] == {}


def test_nul_in_an_address_or_form_is_refused(builder, anonymous, server):
    for path in ("/projects?slug=a%00", "/projects/%00", f"{server.url}/media/a%00.png"):
        answer = builder.get(path)
        assert answer.status_code == 400
        assert "NUL" in answer.json()["errors"][0]["message"]
    form = {"grant_type": "password", "login": "builder\0", "password": "x"}
    answer = anonymous.session.post(f"{server.url}/oauth/token", data=form, timeout=20)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/projects/abc",
        "/projects/-1",
        "/projects/999",
        "/workflows/99999999999999999999",
        "/projects/1/nothing",
    ],
)
def test_unknown_resources_are_json_api_404(builder, path):
    answer = builder.get(path)
    assert answer.status_code == 404
    assert list(answer.json()) == ["errors"]


def test_unknown_paths_are_named(builder, server):
    message = builder.get("/nothing/7").json()["errors"][0]["message"]
    assert message == "Not found: /api/nothing/7"


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("GET", "/collections", "no collections: put subjects into a subject set"),
        ("POST", "/collections/3/links/subjects", "no collections"),
        ("GET", "/organizations/1", "no organizations"),
        ("POST", "/aggregations", "no batch aggregations"),
        ("POST", "/inaturalist/import", "no import from iNaturalist"),
        ("POST", "/projects/1/copy", "copies no projects"),
        ("GET", "/user_groups", "no user groups"),
    ],
)
def test_what_only_the_platform_has_is_refused_with_a_reason(builder, method, path, words):
    answer = builder.request(method, path, {} if method == "POST" else None)
    assert answer.status_code == 404
    assert words in answer.json()["errors"][0]["message"]


def test_unknown_attributes_are_422(builder, project):
    answer = builder.put(f"/projects/{project['id']}", {"projects": {"shape": "round"}})
    assert answer.status_code == 422
    assert "unpermitted parameter: shape" in answer.json()["errors"][0]["message"]


def test_pages_and_their_meta(builder, project):
    for number in range(5):
        builder.subject_set(project, f"set {number}")
    answer = builder.get("/subject_sets", project_id=project["id"], page_size=2, page=2)
    body = answer.json()
    assert [item["display_name"] for item in body["subject_sets"]] == ["set 2", "set 3"]
    prefix = f"/subject_sets?project_id={project['id']}&page_size=2&page="
    assert body["meta"]["subject_sets"] == {
        "page": 2,
        "page_size": 2,
        "count": 5,
        "page_count": 3,
        "include": [],
        "first_href": prefix + "1",
        "previous_href": prefix + "1",
        "next_href": prefix + "3",
        "last_href": prefix + "3",
        "previous_page": 1,
        "next_page": 3,
    }
    last = builder.get(body["meta"]["subject_sets"]["next_href"]).json()
    assert [item["display_name"] for item in last["subject_sets"]] == ["set 4"]
    assert last["meta"]["subject_sets"]["next_href"] is None


@pytest.mark.parametrize(
    ("path", "asked", "size"),
    [("/subjects", None, 20), ("/subjects", 1000, 100), ("/workflows", 100, 25)],
)
def test_page_sizes_are_cut(builder, path, asked, size):
    params = {} if asked is None else {"page_size": asked}
    meta = builder.get(path, **params).json()["meta"][path[1:]]
    assert meta["page_size"] == size


def test_resources_without_count_are_read_until_an_empty_page(builder, project, workflow):
    subject_set = builder.subject_set(project)
    numbers = builder.subjects(project, 3, subject_set)
    for number in numbers:
        assert builder.classify(workflow, number).status_code == 201
    path, seen = "/classifications?page_size=2", []
    while path:
        body = builder.get(path).json()
        meta = body["meta"]["classifications"]
        assert (meta["count"], meta["page_count"]) == (0, 0)
        seen.append(len(body["classifications"]))
        path = meta["next_href"]
    assert seen == [2, 1, 0]


def test_sort_and_include(builder, project, workflow):
    builder.subject_set(project, "b")
    builder.subject_set(project, "a")
    body = builder.get("/subject_sets", sort="display_name", include="project").json()
    assert [item["display_name"] for item in body["subject_sets"]] == ["a", "b"]
    assert [item["id"] for item in body["linked"]["projects"]] == [project["id"]]
    assert body["meta"]["subject_sets"]["include"] == ["project"]
    body = builder.get("/subject_sets", sort="-display_name").json()
    assert [item["display_name"] for item in body["subject_sets"]] == ["b", "a"]


def test_update_without_if_match_is_428_and_stale_412(builder, project):
    path = f"/projects/{project['id']}"
    etag = builder.get(path).headers["ETag"]
    body = {"projects": {"description": "new"}}
    assert builder.request("PUT", path, body).status_code == 428
    assert builder.request("DELETE", path).status_code == 428
    first = builder.request("PUT", path, body, {"If-Match": etag})
    assert first.status_code == 200
    assert first.headers["ETag"] not in ("", etag)
    assert builder.request("PUT", path, body, {"If-Match": etag}).status_code == 412
    again = builder.request("PUT", path, body, {"If-Match": first.headers["ETag"]})
    assert again.status_code == 200


def test_etags_come_with_show_and_create_and_lists_carry_another(builder, project):
    answer = builder.post("/projects", {"projects": {"display_name": "Second"}})
    path = f"/projects/{answer.json()['projects'][0]['id']}"
    assert answer.headers["ETag"] == builder.get(path).headers["ETag"]
    page = builder.get("/projects").headers["ETag"]
    assert page not in ("", answer.headers["ETag"])
    refused = builder.request("PUT", path, {"projects": {}}, {"If-Match": page})
    assert refused.status_code == 412


def test_links_change_the_etag(builder, project, workflow):
    path = f"/workflows/{workflow['id']}"
    etag = builder.get(path).headers["ETag"]
    subject_set = builder.subject_set(project)
    answer = builder.post(f"{path}/links/subject_sets", {"subject_sets": [subject_set["id"]]})
    assert answer.status_code == 200
    assert builder.get(path).headers["ETag"] == answer.headers["ETag"] != etag


def test_patch_is_not_implemented(builder, project):
    path = f"/projects/{project['id']}"
    assert builder.request("PATCH", path, {"projects": {}}).status_code == 501


def test_extra_parameters_and_trailing_slashes_are_tolerated(builder, project):
    assert builder.get("/projects/", http_cache="true", nothing="1").status_code == 200
    assert builder.get(f"/projects/{project['id']}/", http_cache="true").status_code == 200


def test_several_ids_at_once(builder, project):
    second = builder.project("Second")
    joined = f"{project['id']},{second['id']}"
    for answer in (builder.get(f"/projects/{joined}"), builder.get("/projects", id=joined)):
        assert [item["id"] for item in answer.json()["projects"]] == joined.split(",")
