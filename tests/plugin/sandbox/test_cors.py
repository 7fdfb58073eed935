from __future__ import annotations

import pytest
import requests

ORIGIN = "https://frontend.preview.zooniverse.org"


@pytest.mark.parametrize(
    "path",
    ["/api/classifications", "/api/subjects/queued", "/oauth/token", "/users/sign_in",
     "/media/subject_location/a.png", "/graphql", "/nothing/at/all"],
)  # fmt: skip
def test_preflights_are_answered_everywhere(server, path):
    answer = requests.options(
        f"{server.url}{path}",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,if-match,accept",
        },
        timeout=20,
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "if-match", "accept"} <= {
        name.strip() for name in allowed.split(",")
    }
    assert {"PUT", "POST", "DELETE"} <= set(
        answer.headers["Access-Control-Allow-Methods"].split(", ")
    )


def test_answers_and_refusals_alike_carry_the_origin(anonymous, project):
    for path, status in (("/projects", 200), ("/me", 401), ("/nothing", 404)):
        answer = anonymous.request("GET", path, headers={"Origin": ORIGIN})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in answer.headers["Vary"]
        assert "ETag" in answer.headers["Access-Control-Expose-Headers"]


def test_without_an_origin_everybody_is_allowed(anonymous, project):
    answer = anonymous.get("/projects")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
