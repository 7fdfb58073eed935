from __future__ import annotations

import pytest
import requests
from panoptes_api import png

from zooassist_plugin.sandbox.panoptes.media import EXTENSIONS


def new_subject(builder, project, *locations, **body):
    body = {"locations": list(locations), "links": {"project": project["id"]}} | body
    return builder.post("/subjects", {"subjects": body})


def put(url, content=b"", **headers):
    return requests.put(
        url, data=content, headers={"x-ms-blob-type": "BlockBlob"} | headers, timeout=20
    )


def test_upload_and_read_back(builder, anonymous, project):
    created = new_subject(builder, project, "image/png", metadata={"filename": "a.png"})
    assert created.status_code == 201
    subject = created.json()["subjects"][0]
    (location,) = subject["locations"]
    assert put(location["image/png"], png()).status_code == 201
    read = anonymous.one(f"/subjects/{subject['id']}")
    url = read["locations"][0]["image/png"]
    assert "?" not in url
    assert url.endswith(".png")
    assert location["image/png"].startswith(f"{url}?")
    answer = requests.get(url, headers={"Origin": "https://example.org"}, timeout=20)
    assert answer.content == png()
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Access-Control-Allow-Origin"] == "https://example.org"
    assert created.headers["ETag"] == anonymous.get(f"/subjects/{subject['id']}").headers["ETag"]


def test_locations_keep_their_order_and_external_urls(builder, project):
    external = {"image/jpeg": "https://example.org/overlay.jpg"}
    places = new_subject(builder, project, "image/png", external, "image/gif").json()["subjects"]
    kinds = [next(iter(place)) for place in places[0]["locations"]]
    assert kinds == ["image/png", "image/jpeg", "image/gif"]
    assert places[0]["locations"][1] == external


@pytest.mark.parametrize(("mime", "extension"), sorted(EXTENSIONS.items()))
def test_final_urls_end_in_the_extension_of_their_type(builder, project, mime, extension):
    subject = new_subject(builder, project, mime).json()["subjects"][0]
    (location,) = builder.one(f"/subjects/{subject['id']}")["locations"]
    assert location[mime].endswith(f".{extension}")


@pytest.mark.parametrize(
    "location",
    ["image/webp", "", 3, {"image/webp": "https://example.org/a.webp"}, {}, ["image/png"],
     {"image/png": "file:///etc/passwd"}, {"image/png": 7}],
)  # fmt: skip
def test_locations_the_platform_does_not_take(builder, project, location):
    answer = new_subject(builder, project, location)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"]


def test_upload_urls_expire_and_cannot_be_altered(server, builder, project, clock):
    subject = new_subject(builder, project, "image/png").json()["subjects"][0]
    url = subject["locations"][0]["image/png"]
    plain = url.partition("?")[0]
    assert put(plain, png()).status_code == 403
    assert put(url.replace("expires=", "expires=9"), png()).status_code == 403
    other = new_subject(builder, project, "image/png").json()["subjects"][0]
    other_plain = other["locations"][0]["image/png"].partition("?")[0]
    assert put(f"{other_plain}?{url.partition('?')[2]}", png()).status_code == 403
    assert put(url, png(), **{"x-ms-blob-type": "PageBlob"}).status_code == 400
    # A store such as Azure's refuses an upload that does not say what it is.
    assert requests.put(url, data=png(), timeout=20).status_code == 400
    clock.forward(seconds=1199)
    assert put(url, png()).status_code == 201
    clock.forward(seconds=2)
    assert put(url, png(9)).status_code == 403
    assert requests.get(plain, timeout=20).content == png()


def test_media_never_uploaded_is_404(builder, project):
    subject = new_subject(builder, project, "image/png").json()["subjects"][0]
    url = subject["locations"][0]["image/png"].partition("?")[0]
    assert requests.get(url, timeout=20).status_code == 404


@pytest.mark.parametrize("path", ["../secret.key", "..%2Fsecret.key", "a/../../oauth_key.pem"])
def test_nothing_outside_the_media_folder_is_served(server, state, path):
    (state / "media" / "a").mkdir(parents=True, exist_ok=True)
    request = requests.Request("GET", f"{server.url}/media/").prepare()
    request.url = f"{server.url}/media/{path}"
    with requests.Session() as session:
        assert session.send(request, timeout=20).status_code == 404


def test_uploads_leave_no_partial_files(builder, project, state):
    subject = new_subject(builder, project, "image/png").json()["subjects"][0]
    put(subject["locations"][0]["image/png"], png())
    assert [path.suffix for path in (state / "media").rglob("*.*")] == [".png"]


def test_put_replaces_metadata_and_the_priority_key_is_lowered(builder, project):
    subject_set = builder.subject_set(project)
    (subject,) = builder.subjects(project, 1, subject_set, lambda _: {"a": 1, "#Priority": "3"})
    assert builder.one(f"/subjects/{subject}")["metadata"] == {"a": 1, "#priority": "3"}
    (member,) = builder.get("/set_member_subjects", subject_id=subject).json()[
        "set_member_subjects"
    ]
    assert float(member["priority"]) == 3.0
    body = {"subjects": {"metadata": {"b": 2, "#priority": 1.5}}}
    assert builder.put(f"/subjects/{subject}", body).status_code == 200
    assert builder.one(f"/subjects/{subject}")["metadata"] == {"b": 2, "#priority": 1.5}
    member = builder.one(f"/set_member_subjects/{member['id']}")
    assert float(member["priority"]) == 1.5


def test_put_with_locations_keeps_the_known_and_adds_new(builder, project):
    subject = new_subject(builder, project, "image/png").json()["subjects"][0]
    known = builder.one(f"/subjects/{subject['id']}")["locations"]
    body = {"subjects": {"locations": [*known, "image/png"]}}
    assert builder.put(f"/subjects/{subject['id']}", body).status_code == 200
    places = builder.one(f"/subjects/{subject['id']}")["locations"]
    assert places[0] == known[0]
    assert len(places) == 2


def test_delete_deactivates(builder, project):
    subject_set = builder.subject_set(project)
    first, second = builder.subjects(project, 2, subject_set)
    assert builder.delete(f"/subjects/{first}").status_code == 204
    assert builder.get(f"/subjects/{first}").status_code == 404
    listed = builder.get("/subjects", subject_set_id=subject_set["id"]).json()["subjects"]
    assert [item["id"] for item in listed] == [second]
    assert builder.one(f"/subject_sets/{subject_set['id']}")["set_member_subjects_count"] == 1


def test_subjects_are_listed_by_set_workflow_and_project(builder, project, workflow):
    subject_set = builder.subject_set(project)
    inside = builder.subjects(project, 2, subject_set)
    outside = builder.subjects(project, 1)
    path = f"/workflows/{workflow['id']}/links/subject_sets"
    builder.post(path, {"subject_sets": [subject_set["id"]]})

    def listed(**by):
        return [item["id"] for item in builder.get("/subjects", **by).json()["subjects"]]

    assert listed(subject_set_id=subject_set["id"]) == inside
    assert listed(workflow_id=workflow["id"]) == inside
    assert listed(project_id=project["id"]) == inside + outside


@pytest.mark.parametrize("missing", ["locations", "links"])
def test_new_subjects_need_locations_and_a_project(builder, project, missing):
    body = {"locations": ["image/png"], "links": {"project": project["id"]}}
    del body[missing]
    assert builder.post("/subjects", {"subjects": body}).status_code == 422


def test_attached_images_of_everything(builder, anonymous, volunteer, project, workflow):
    for path in (f"/projects/{project['id']}", f"/workflows/{workflow['id']}"):
        body = {
            "media": {
                "src": "https://example.org/a.csv",
                "content_type": "text/csv",
                "external_link": True,
                "metadata": {"note": "x"},
            }
        }
        made = builder.post(f"{path}/attached_images", body)
        assert made.status_code == 201
        assert volunteer.post(f"{path}/attached_images", body).status_code == 404
        upload = builder.post(f"{path}/attached_images", {"media": {"content_type": "image/png"}})
        assert put(upload.json()["media"][0]["src"], png()).status_code == 201
        media = anonymous.get(f"{path}/attached_images").json()["media"]
        assert media[0]["src"] == "https://example.org/a.csv"
        assert requests.get(media[1]["src"], timeout=20).content == png()
        gone = builder.request("DELETE", f"{path}/attached_images/{media[0]['id']}")
        assert gone.status_code == 204
        assert len(anonymous.get(f"{path}/attached_images").json()["media"]) == 1
    wrong = builder.post(
        f"/projects/{project['id']}/attached_images",
        {"media": {"content_type": "image/png", "external_link": True, "src": "no url"}},
    )
    assert wrong.status_code == 422


def test_a_project_has_one_avatar(builder, project):
    path = f"/projects/{project['id']}/avatar"
    assert builder.get(path).status_code == 404
    for _ in range(2):
        body = {"media": {"content_type": "image/png"}}
        assert builder.post(path, body).status_code == 201
    assert len(builder.get(path).json()["media"]) == 1
