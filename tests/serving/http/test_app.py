from __future__ import annotations

import io
import json

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.app import create_app
from zooassist_serving.http.media import origin_of

TOKEN = "let-me-in"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
PREDICT = "/v1/models/tiny/predict"


@pytest.fixture(scope="module")
def client(plane):
    return create_app(plane, token=None, max_body=200_000).test_client()


def test_life(tiny_folder, check_problem):
    plane = DataPlane([tiny_folder], threads=1)
    client = create_app(plane, token=TOKEN).test_client()
    assert client.get("/live").get_json() == {"live": True}
    check_problem(client.get("/ready"), 503, "being loaded")
    plane.warm_up()
    assert client.get("/ready").status_code == 200


def test_models(client, tiny_folder):
    listed = client.get("/v1/models").get_json()["models"]
    assert [entry["name"] for entry in listed] == ["tiny", "sampled", "numbers"]
    card = client.get("/v1/models/tiny").get_json()
    assert card == json.loads((tiny_folder.path / "model.json").read_text())


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "image/jpeg", None])
def test_one_image_whatever_it_is_called(client, png, tiny_folder, kind):
    response = client.post(PREDICT, data=png("red"), content_type=kind)
    assert response.status_code == 200
    body = response.get_json()
    assert body["model_version"] == tiny_folder.card.version
    (prediction,) = body["predictions"]
    smooth = prediction["questions"]["smooth-or-featured"]["answers"][0]
    assert smooth["fraction"] == pytest.approx(32 / 35)
    assert smooth["lower90"] < smooth["fraction"] < smooth["upper90"]
    assert prediction["questions"]["bar"]["asked"] == pytest.approx(2 / 35)
    assert prediction["uncertainty"] > 0


def test_several_files_one_of_them_bad(client, png):
    files = [(io.BytesIO(png("red")), "a.png"), (io.BytesIO(b"no"), "b.png"),
             (io.BytesIO(png("blue")), "c.png")]  # fmt: skip
    response = client.post(PREDICT, data={"images": files})
    assert response.status_code == 200
    rows = response.get_json()["predictions"]
    assert [row["image"] for row in rows] == ["a.png", "b.png", "c.png"]
    assert [row["error"] is None for row in rows] == [True, False, True]


@pytest.mark.parametrize(
    ("data", "kind", "status", "words"),
    [
        (b"", "image/png", 422, "empty body"),
        (b"<html>", "image/png", 422, "starting with"),
        (b"\x89PNG\r\n\x1a\n and no more", "image/png", 422, "damaged"),
        (b"x" * 200_001, "image/png", 413, "expected at most 200,000 bytes"),
        (b"x", "text/plain", 415, "text/plain"),
        (b"{", "application/json", 400, "expected JSON"),
        (b"[" * 100_000, "application/json", 400, "expected JSON"),
        (b"{}", "application/json", 422, "subjects"),
        (b'{"subjects": []}', "application/json", 422, "subjects"),
        (b'{"subjects": [{"id": "x", "locations": [{"a": "b"}]}]}', "application/json", 422, "id"),
        (b'{"subjects": [{"id": 5, "locations": []}]}', "application/json", 422, "locations"),
        (b'{"subjects": [{"id": 5, "locations": [{}]}]}', "application/json", 422, "one {MIME"),
        (b'{"subjects": [{"id": 5, "locations": [{}]}], "x": 1}', "application/json", 422, "x"),
        (b"", "multipart/form-data; boundary=x", 422, "files in the form"),
    ],
)
def test_bodies_that_are_refused(client, data, kind, status, words, check_problem):
    check_problem(client.post(PREDICT, data=data, content_type=kind), status, words)


@pytest.mark.parametrize("name", ["other", "..", "%2e%2e%2fetc", "tiny%00", "TINY"])
def test_unknown_models(client, png, name):
    for response in (
        client.get(f"/v1/models/{name}"),
        client.post(f"/v1/models/{name}/predict", data=png("red")),
    ):
        assert response.status_code == 404
        assert response.content_type == "application/problem+json"


def test_wrong_method_and_wrong_path(client, check_problem):
    response = client.get(PREDICT)
    check_problem(response, 405, "expected POST here, got GET")
    assert "POST" in response.headers["Allow"]
    check_problem(client.get("/nowhere"), 404, "nothing at /nowhere; /v1/models lists")


def test_token(plane, png, check_problem):
    client = create_app(plane, token=TOKEN).test_client()
    assert client.get("/live").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
        response = client.post(PREDICT, data=png("red"), headers=headers)
        check_problem(response, 401, "Authorization: Bearer")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/v1/models").status_code == 401
    assert client.get("/nowhere").status_code == 401, "do not say what exists"
    assert client.post(PREDICT, data=png("red"), headers=AUTH).status_code == 200
    options = client.options(PREDICT)
    assert (options.status_code, options.get_data()) == (200, b"")
    assert "POST" in options.headers["Allow"]


def test_an_error_of_ours_is_a_problem_without_traceback(
    tiny_folder, png, monkeypatch, caplog, check_problem
):
    plane = DataPlane([tiny_folder], threads=1)
    monkeypatch.setattr(plane.at("tiny"), "predict_one", lambda *_: 1 / 0)
    response = (
        create_app(plane, token=None)
        .test_client()
        .post(f"{PREDICT}?embedding=false", data=png("red"))
    )
    check_problem(response, 500, "its log says how")
    assert "division" not in response.get_data(as_text=True)
    assert "ZeroDivisionError" in caplog.text


def subjects(*urls):
    return {"subjects": [{"id": "7", "locations": [{"image/png": url} for url in urls]}]}


def test_subjects_are_fetched_from_allowed_hosts(plane, media):
    client = create_app(plane, token=None, media_origins=[media]).test_client()
    paths = ("a.png", "gone.png", "moved.png")
    response = client.post(PREDICT, json=subjects(*(f"{media}/{path}" for path in paths)))
    assert response.status_code == 200
    good, gone, moved = response.get_json()["predictions"]
    assert (good["subject_id"], good["frame"], good["error"]) == (7, 0, None)
    assert "404" in gone["error"]
    assert (moved["frame"], moved["error"] is None) == (2, False)


def test_subjects_are_not_fetched_from_anywhere_else(client, plane, media, check_problem):
    check_problem(client.post(PREDICT, json=subjects(f"{media}/a.png")), 403, "--allow-media")
    other = create_app(plane, token=None, media_origins=["https://example.org"]).test_client()
    for url in (
        f"{media}/a.png",
        "http://example.org/a.png",
        "https://example.org:444/a.png",
        "https://example.org.evil.net/a.png",
        "http://169.254.169.254/latest/meta-data",
    ):
        check_problem(other.post(PREDICT, json=subjects(url)), 403, "does not fetch from")
    for url in ("file:///etc/passwd", "https://example.org@evil.net/", "nonsense", "http://[", ""):
        check_problem(other.post(PREDICT, json=subjects(url)), 422, "expected an http(s) URL")


def test_origins():
    assert origin_of("https://Example.org/a/b?c") == ("https", "example.org", 443)
    with pytest.raises(BadInput, match="expected an http"):
        origin_of("ftp://example.org")
