"""The way past Flask sends what Flask would have sent."""

from __future__ import annotations

import pytest

from zooassist_serving.http.app import create_app

TOKEN = "let-me-in"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
# Makes a request one that is left to Flask, and changes nothing of the answer.
DETOUR = "?embedding=false"


@pytest.fixture(scope="module")
def client(plane):
    return create_app(plane, token=TOKEN, max_body=50_000).test_client()


@pytest.mark.parametrize("name", ["tiny", "sampled", "numbers"])
@pytest.mark.parametrize("encoding", [None, "gzip", "gzip, deflate, br", "identity"])
@pytest.mark.parametrize("content", ["image", "no image", "half an image"])
def test_the_same_bytes_either_way(client, png, name, encoding, content, monkeypatch):
    picture = png("red")
    data = {"image": picture, "no image": b"no", "half an image": picture[:40]}[content]
    headers = AUTH | ({} if encoding is None else {"Accept-Encoding": encoding})
    headers["X-Request-Id"] = "same"
    path = f"/v1/models/{name}/predict"
    around = client.post(path + DETOUR, data=data, headers=headers, content_type="image/png")
    calls = []
    monkeypatch.setattr(client.application, "full_dispatch_request", lambda: calls.append(1))
    past = client.post(path, data=data, headers=headers, content_type="image/png")
    assert calls == [], "it did go through Flask"
    assert past.status_code == around.status_code
    assert past.get_data() == around.get_data()
    assert dict(past.headers) == dict(around.headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        (AUTH | {"X-Request-Timeout": "no"}, 422),
        (AUTH | {"Accept": "application/x-ndjson"}, 200),
        (AUTH | {"Content-Type": "text/plain"}, 415),
        (AUTH | {"Content-Type": "IMAGE/PNG"}, 200),
        (AUTH | {"Accept-Encoding": "gzip;q=0"}, 200),
    ],
)
def test_what_is_not_plain_is_left_to_flask(client, png, headers, status):
    kind = headers.get("Content-Type", "image/png")
    others = {key: value for key, value in headers.items() if key != "Content-Type"}
    answer = client.post(
        "/v1/models/tiny/predict", data=png("red"), headers=others, content_type=kind
    )
    assert answer.status_code == status


def test_a_body_over_the_limit_is_refused_unread(client, check_problem):
    answer = client.post(
        "/v1/models/tiny/predict", data=b"x" * 50_001, headers=AUTH, content_type="image/png"
    )
    check_problem(answer, 413, "expected at most 50,000 bytes")
