"""Forms of an answer: lines, gzip, tags, ids."""

from __future__ import annotations

import gzip
import io
import json

import pytest

from zooassist_serving.http.answers import PredictionsBody
from zooassist_serving.http.app import create_app
from zooassist_serving.http.context import Large
from zooassist_serving.http.problems import Problem

PREDICT = "/v1/models/tiny/predict"
LINES = {"Accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def client(plane):
    return create_app(plane, token=None, max_body=200_000).test_client()


def form(*contents):
    return {"images": [(io.BytesIO(each), f"{i}.png") for i, each in enumerate(contents)]}


@pytest.mark.parametrize("name", ["tiny", "sampled", "numbers"])
@pytest.mark.parametrize("embedding", ["", "?embedding=true", "?embedding=false"])
def test_answers_are_what_their_models_say(client, png, name, embedding):
    answer = client.post(f"/v1/models/{name}/predict{embedding}", data=png("red"))
    body = PredictionsBody.model_validate(answer.get_json())
    assert (body.predictions[0].embedding is not None) == (embedding == "?embedding=true")
    assert (body.predictions[0].questions is None) == (name == "numbers")


def test_a_flag_that_is_none(client, png, check_problem):
    check_problem(client.post(f"{PREDICT}?embedding=yes", data=png("red")), 422, "true or false")


def test_many_come_line_by_line(client, png, tiny_folder):
    answer = client.post(PREDICT, data=form(png("red"), b"no", png("blue")), headers=LINES)
    assert answer.content_type == "application/x-ndjson"
    assert answer.headers["X-Model-Version"] == tiny_folder.card.version
    assert "Content-Length" not in answer.headers
    rows = [json.loads(line) for line in answer.get_data().splitlines()]
    assert [row["image"] for row in rows] == ["0.png", "1.png", "2.png"]
    assert [row["error"] is None for row in rows] == [True, False, True]


def test_a_client_that_leaves_ends_the_work_and_frees_its_place(plane, png):
    app = create_app(plane, token=None, max_body=10_000_000)
    client = app.test_client()
    for _ in range(20):  # more often than there are places
        answer = client.post(PREDICT, data=form(*[png("red")] * 40), headers=LINES, buffered=False)
        assert answer.status_code == 200
        next(answer.iter_encoded())
        answer.close()


def test_room_for_large_requests_is_bounded():
    large = Large(1)
    with large.inside(), pytest.raises(Problem) as refused:
        large.enter()
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "1"
    large.enter()
    large.leave()


def test_gzip_for_who_takes_it_and_where_it_pays(client, png):
    files = form(*[png("red")] * 8)
    packed = client.post(PREDICT, data=files, headers={"Accept-Encoding": "gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert len(json.loads(gzip.decompress(packed.get_data()))["predictions"]) == 8
    for headers in ({}, {"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "br"}):
        plain = client.post(PREDICT, data=form(*[png("red")] * 8), headers=headers)
        assert "Content-Encoding" not in plain.headers
        assert len(plain.get_json()["predictions"]) == 8
    small = client.get("/live", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/tiny", "/openapi.json"])
def test_who_has_it_already_gets_304(client, path):
    first = client.get(path)
    tag = first.headers["ETag"]
    again = client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.get_data()) == (304, b"")
    other = client.get(path, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    packed = client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert packed.status_code == 304


def test_a_request_keeps_its_id_or_gets_one(client):
    given = client.get("/live", headers={"X-Request-Id": "from-above.1"})
    assert given.headers["X-Request-Id"] == "from-above.1"
    ids = {client.get("/live").headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5
    for bad in ("a b", "x" * 200, 'quote"', "ü"):
        answer = client.get(
            "/live", headers={"X-Request-Id": bad.encode("latin-1").decode("latin-1")}
        )
        assert answer.headers["X-Request-Id"] != bad
    assert client.get("/nowhere").headers["X-Request-Id"]
