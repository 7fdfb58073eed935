"""A strict little HTTP client for tests of the sandbox: what goes over the wire is in the test."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from PIL import Image

ACCEPT = "application/vnd.api+json; version=1"
FIRST_PARTY = "ce310d45f951de68c4cc8ef46ca38cc0a008f607a2026680295757bfef99f43c"


def png(shade: int = 120, size: tuple[int, int] = (16, 12)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


class Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 1, 10, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass
class Api:
    """Calls to one sandbox as one person; nothing is checked unless the test does."""

    url: str
    token: str | None = None
    session: requests.Session = field(default_factory=requests.Session)

    def request(
        self,
        method: str,
        path: str,
        json: Any = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> requests.Response:
        sent = {"Accept": ACCEPT}
        if method in ("POST", "PUT"):
            sent["Content-Type"] = "application/json"
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        sent |= headers or {}
        url = path if path.startswith("http") else f"{self.url}/api{path}"
        return self.session.request(method, url, json=json, headers=sent, timeout=20, **options)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.request("GET", path, params=params)

    def post(self, path: str, json: Any) -> requests.Response:
        return self.request("POST", path, json)

    def put(self, path: str, json: Any, etag: str | None = None) -> requests.Response:
        etag = etag or self.get(path).headers["ETag"]
        return self.request("PUT", path, json, {"If-Match": etag})

    def delete(self, path: str, etag: str | None = None) -> requests.Response:
        etag = etag or self.get(path).headers["ETag"]
        return self.request("DELETE", path, headers={"If-Match": etag})

    def made(self, name: str, **body: Any) -> dict[str, Any]:
        """Create one resource, which must work, and return it."""
        answer = self.post(f"/{name}", {name: body})
        assert answer.status_code == 201, answer.text
        return answer.json()[name][0]

    def one(self, path: str, **params: Any) -> dict[str, Any]:
        """Read one resource, which must exist."""
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return next(iter(body.values()))[0]

    def project(self, name: str = "Galaxies", **body: Any) -> dict[str, Any]:
        defaults = {"description": "test", "primary_language": "en", "private": False}
        return self.made("projects", **defaults | {"display_name": name} | body)

    def workflow(self, project: dict[str, Any], **body: Any) -> dict[str, Any]:
        links = {"project": project["id"]} | body.pop("links", {})
        defaults = {"display_name": "W", "primary_language": "en", "first_task": "T0"}
        return self.made("workflows", **defaults | {"tasks": TASKS, "links": links} | body)

    def subject_set(self, project: dict[str, Any], name: str = "pool") -> dict[str, Any]:
        return self.made("subject_sets", display_name=name, links={"project": project["id"]})

    def subjects(
        self,
        project: dict[str, Any],
        count: int,
        subject_set: dict[str, Any] | None = None,
        metadata: Any = None,
    ) -> list[str]:
        """Create subjects with linked media in one request and put them into a set."""
        bodies = [
            {
                "locations": [{"image/png": f"https://example.org/{number}.png"}],
                "metadata": metadata(number) if metadata else {"number": number},
                "links": {"project": project["id"]},
            }
            for number in range(count)
        ]
        answer = self.post("/subjects", {"subjects": bodies})
        assert answer.status_code == 201, answer.text
        numbers = [item["id"] for item in answer.json()["subjects"]]
        if subject_set is not None:
            path = f"/subject_sets/{subject_set['id']}/links/subjects"
            assert self.post(path, {"subjects": numbers}).status_code == 200
        return numbers

    def classify(
        self, workflow: dict[str, Any], subject_ids: list[str] | str, **body: Any
    ) -> requests.Response:
        subject_ids = [subject_ids] if isinstance(subject_ids, str) else subject_ids
        default = {
            "annotations": [{"task": "T1", "taskType": "single", "value": 0}],
            "completed": True,
            "metadata": METADATA | {"workflow_version": workflow["version"]},
            "links": {
                "project": workflow["links"]["project"],
                "workflow": workflow["id"],
                "subjects": subject_ids,
            },
        }
        return self.post("/classifications", {"classifications": default | body})


METADATA = {
    "classifier_version": "2.0",
    "started_at": "2026-06-01T10:00:00.000Z",
    "finished_at": "2026-06-01T10:01:00.000Z",
    "user_agent": "test",
    "user_language": "en",
    "utc_offset": "0",
    "session": "f" * 64,
}

TASKS = {
    "T0": {
        "type": "drawing",
        "instruction": "Outline the cells",
        "help": "",
        "next": "T1",
        "tools": [
            {"type": "polygon", "label": "Cell", "color": "#f00", "min": 0, "max": 30},
            {
                "type": "ellipse",
                "label": "Nucleus",
                "color": "#0f0",
                "details": [
                    {
                        "type": "single",
                        "question": "State?",
                        "answers": [{"label": "normal"}, {"label": "dividing"}],
                    }
                ],
            },
        ],
    },
    "T1": {
        "type": "single",
        "question": "Is anything missing?",
        "answers": [{"label": "Yes", "next": "T2"}, {"label": "No", "next": None}],
    },
    "T2": {
        "type": "multiple",
        "question": "What?",
        "answers": [{"label": "small"}, {"label": "faint"}],
    },
}


def token(url: str, login: str, password: str = "sandbox") -> str:
    answer = requests.post(
        f"{url}/oauth/token",
        data={
            "grant_type": "password",
            "client_id": FIRST_PARTY,
            "login": login,
            "password": password,
        },
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    value: str = answer.json()["access_token"]
    return value
