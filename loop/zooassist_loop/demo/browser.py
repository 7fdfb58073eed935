"""One simulated volunteer's browser: the requests the Zooniverse classifier makes, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from zooassist_plugin.errors import Refused

ACCEPT = "application/vnd.api+json; version=1"
TIMEOUT = 30.0
USER_AGENT = "zooassist simulated volunteer"


@dataclass(frozen=True)
class QueuedSubject:
    """A subject as the queue hands it out."""

    subject_id: int
    metadata: Mapping[str, Any]
    selection_state: Mapping[str, Any]


class VolunteerBrowser:
    """Signs in, asks for subjects, fetches their proposals anonymously, and posts what was done."""

    def __init__(self, panoptes: str, caesar: str, login: str, password: str, client: str) -> None:
        self._panoptes, self._caesar, self.login = panoptes, caesar, login
        self._session = requests.Session()
        self._session.headers["Accept"] = ACCEPT
        token = self._call(
            "POST",
            f"{panoptes}/oauth/token",
            json={
                "grant_type": "password",
                "client_id": client,
                "login": login,
                "password": password,
            },
        )["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def queued(self, workflow_id: int, page_size: int) -> list[QueuedSubject]:
        """Ask the queue for subjects this volunteer has not seen."""
        answer = self._call(
            "GET",
            f"{self._panoptes}/api/subjects/queued",
            params={"http_cache": "true", "workflow_id": workflow_id, "page_size": page_size},
        )
        keys = (
            "already_seen",
            "finished_workflow",
            "retired",
            "selected_at",
            "selection_state",
            "user_has_finished_workflow",
        )
        return [
            QueuedSubject(
                subject_id=int(subject["id"]),
                metadata=subject["metadata"],
                selection_state={key: subject[key] for key in keys},
            )
            for subject in answer["subjects"]
        ]

    def proposed_marks(self, workflow_id: int, subject_id: int) -> list[dict[str, Any]]:
        """Fetch the proposals as the classifier does: anonymously, all reductions concatenated."""
        query = (
            f"{{ workflow(id: {workflow_id}) {{ subject_reductions(subjectId: {subject_id}, "
            'reducerKey:"machineLearnt") { data } } }'
        )
        answer = requests.post(f"{self._caesar}/graphql", json={"query": query}, timeout=TIMEOUT)
        if not answer.ok or "errors" in answer.json():
            return []  # the classifier shows no marks and says nothing
        found = answer.json()["data"]["workflow"]["subject_reductions"]
        return [mark for reduction in found for mark in reduction["data"]["data"]]

    def classify(
        self,
        *,
        project_id: int,
        workflow_id: int,
        workflow_version: str,
        subject: QueuedSubject,
        annotations: Sequence[Mapping[str, Any]],
        natural_size: tuple[int, int],
        finished_at: datetime,
        seconds: float,
    ) -> int:
        """Post one classification in the shape of classifier 2.0; returns its id."""
        width, height = natural_size
        body = {
            "annotations": list(annotations),
            "completed": True,
            "links": {
                "project": str(project_id),
                "workflow": str(workflow_id),
                "subjects": [str(subject.subject_id)],
            },
            "metadata": {
                "classifier_version": "2.0",
                "feedback": {},
                "finished_at": finished_at.isoformat(),
                "session": f"simulated-{self.login}",
                "source": "api",
                "started_at": (finished_at - timedelta(seconds=seconds)).isoformat(),
                "subject_dimensions": [
                    {
                        "clientHeight": height,
                        "clientWidth": width,
                        "naturalHeight": height,
                        "naturalWidth": width,
                    }
                ],
                "subject_selection_state": dict(subject.selection_state),
                "user_agent": USER_AGENT,
                "user_language": "en",
                "utc_offset": "0",
                "viewport": {"width": 1400, "height": 1100},
                "workflow_version": workflow_version,
            },
        }
        answer = self._call(
            "POST", f"{self._panoptes}/api/classifications", json={"classifications": body}
        )
        return int(answer["classifications"][0]["id"])

    def _call(self, method: str, url: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
        answer = self._session.request(method, url, timeout=TIMEOUT, **options)
        if not answer.ok:
            raise Refused(
                f"{method} {url}: expected success, got {answer.status_code} "
                f"{answer.text[:200]!r}; "
                "is the sandbox running, and does this volunteer exist?"
            )
        return dict(answer.json())
