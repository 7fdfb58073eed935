"""How do we talk to Panoptes? Calls, pages and resources over the client library's session."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from zooassist_plugin import media, platform_exports
from zooassist_plugin.errors import Refused
from zooassist_plugin.http_session import (
    REMEDIES,
    PlatformRefused,
    no_answer,
    refusal,
)
from zooassist_plugin.panoptes_login import ClientError, TimedClient, log_in
from zooassist_plugin.records import Annotation, Classification, Subject
from zooassist_plugin.settings import Settings
from zooassist_plugin.workflow import Workflow

PAGE_SIZE = 100  # Panoptes' maximum
_ETAG_TRIES = 5


@dataclass(frozen=True)
class SubjectStatus:
    """One subject's standing in one workflow; `retired_at` is None while it is active."""

    subject_id: int
    classifications_count: int
    retired_at: datetime | None
    retirement_reason: str | None


class Panoptes:
    """One logged-in (or anonymous) connection, safe to share between threads.

    Every method raises `Refused` (`PlatformRefused` with its `status`) when Panoptes says no or
    does not answer. A token that the server no longer takes is renewed once per call.
    """

    def __init__(self, client: TimedClient, side: str) -> None:
        self._client, self._side = client, side
        # The client is thread-local in the library, and its token refresh is not locked.
        self._lock = threading.Lock()
        self.media = media.media_session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.session.close()
        self.media.close()

    def token(self, fresh: bool = False) -> str | None:
        """Return a valid access token (None when anonymous).

        Parameters
        ----------
        fresh : bool
            Ask for a new one even if the present one has not expired. Caesar remembers which
            projects a token may touch from its first use on; a project created later needs this.
        """
        with self._lock:
            if fresh:
                self._forget_login()
            token = self._client.get_bearer_token()
        return None if token is None else str(token)

    def _forget_login(self) -> None:
        """Make the library log in from the start: its session cookie may have expired too."""
        self._client.bearer_token = None
        self._client.logged_in = False
        self._client.session.cookies.clear()

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        etag: str | None = None,
    ) -> tuple[dict[str, Any], str | None]:
        """Make one API call and return its body (empty for 204) and its ETag.

        Parameters
        ----------
        path : str
            Below ``/api``, with a leading slash.
        """
        what = f"{method} {path}"
        response = self._send(method, path, params, json, etag)
        if response.status_code == 401 and self._client.bearer_token is not None:
            self.token(fresh=True)
            response = self._send(method, path, params, json, etag)
        if response.status_code >= 300:
            raise refusal(self._side, response, what)
        if not response.content:
            return {}, response.headers.get("ETag")
        try:
            return response.json(), response.headers.get("ETag")
        except ValueError as error:
            raise Refused(
                f"{self._side} answered {what} with something that is not JSON; check that "
                "PANOPTES_ENDPOINT is a Panoptes server"
            ) from error

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        json: Mapping[str, Any] | None,
        etag: str | None,
    ) -> requests.Response:
        self.token()
        try:
            response: requests.Response = self._client.http_request(
                method, path, params=dict(params or {}), json=json, etag=etag
            )
        except requests.RequestException as error:
            raise no_answer(self._side, error, f"{method} {path}") from error
        except ClientError as error:
            # The library keeps a 5xx answer to itself and raises "… HTTP status code 503 …".
            status = int("".join(filter(str.isdigit, str(error))) or 500)
            raise PlatformRefused(
                f"{self._side} answered {status} to {method} {path}; {REMEDIES[500]}", status
            ) from error
        return response

    def pages(
        self, path: str, key: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield a list resource page by page, also those that Panoptes does not count."""
        href: str | None = path
        query: Mapping[str, Any] | None = {"page_size": PAGE_SIZE, **(params or {})}
        while href:
            body, _ = self.call("GET", href, params=query)
            rows = body.get(key, [])
            if not rows:
                return
            yield rows
            href, query = body.get("meta", {}).get(key, {}).get("next_href"), None

    def resource(self, key: str, identifier: int) -> tuple[dict[str, Any], str | None]:
        """Read one resource with its own ETag."""
        body, etag = self.call("GET", f"/{key}/{identifier}")
        rows = body.get(key) or [{}]
        return rows[0], etag

    def workflow(self, workflow_id: int) -> Workflow:
        """Read one workflow."""
        return Workflow.from_json(self.resource("workflows", workflow_id)[0])

    def has_texts(self, kind: str, identifier: int, language: str) -> bool:
        """Say whether the texts of a ``workflow`` or ``project`` are there in a language."""
        query = {"translated_type": kind, "translated_id": identifier, "language": language}
        body, _ = self.call("GET", "/translations", params=query)
        return bool(body.get("translations"))

    def configure(self, workflow_id: int, changes: Mapping[str, Any]) -> bool:
        """Merge `changes` into a workflow's configuration; returns whether anything was written.

        Panoptes replaces the configuration as a whole, so it is read, merged and written with the
        fresh ETag; when somebody else wrote in between (412), it is read again.
        """
        for _ in range(_ETAG_TRIES):
            row, etag = self.resource("workflows", workflow_id)
            present = row.get("configuration") or {}
            wanted = {**present, **changes}
            if wanted == present:
                return False
            try:
                self.call(
                    "PUT",
                    f"/workflows/{workflow_id}",
                    json={"workflows": {"configuration": wanted}},
                    etag=etag,
                )
            except PlatformRefused as error:
                if error.status != 412:
                    raise
            else:
                return True
        raise Refused(
            f"{self._side}: workflow {workflow_id} was changed by somebody else "
            f"{_ETAG_TRIES} times in a row; close the project builder and run again"
        )

    def subjects(self, subject_set_id: int) -> Iterator[Subject]:
        """Yield the subjects of a set, 100 per request."""
        for page in self.pages("/subjects", "subjects", {"subject_set_id": subject_set_id}):
            yield from map(Subject.from_json, page)

    def subject(self, subject_id: int) -> Subject:
        """Read one subject."""
        return Subject.from_json(self.resource("subjects", subject_id)[0])

    def statuses(self, workflow_id: int) -> Iterator[SubjectStatus]:
        """Yield the standing of every subject that the workflow has seen."""
        key = "subject_workflow_statuses"
        for page in self.pages(f"/{key}", key, {"workflow_id": workflow_id}):
            for row in page:
                yield SubjectStatus(
                    subject_id=int(row["links"]["subject"]),
                    classifications_count=int(row.get("classifications_count") or 0),
                    retired_at=_moment(row.get("retired_at")),
                    retirement_reason=row.get("retirement_reason"),
                )

    def retire_subjects(
        self, workflow_id: int, subject_ids: Sequence[int], reason: str = "other"
    ) -> None:
        """Ask for subjects to be retired; Panoptes does it a moment later."""
        for start in range(0, len(subject_ids), PAGE_SIZE):
            batch = list(subject_ids[start : start + PAGE_SIZE])
            self.call(
                "POST",
                f"/workflows/{workflow_id}/retired_subjects",
                json={"subject_ids": batch, "retirement_reason": reason},
            )

    def classifications(self, project_id: int, last_id: int = 0) -> Iterator[Classification]:
        """Yield the project's completed classifications with an id above `last_id`, ascending."""
        path = "/classifications/project"
        while True:
            params = {"project_id": project_id, "last_id": last_id, "page_size": PAGE_SIZE}
            body, _ = self.call("GET", path, params=params)
            rows = body.get("classifications", [])
            for row in rows:
                last_id = max(last_id, int(row["id"]))
                if row.get("completed", True):
                    yield classification_from_json(row)
            if not rows:
                return

    def download(self, url: str) -> bytes:
        """Fetch one subject file, without our token; raises `ItemFailed`."""
        return media.download(self.media, url)

    def export(
        self,
        kind: str,
        out: Path,
        *,
        workflow_id: int | None = None,
        project_id: int | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Path:
        """Bring an export into the file `out`; see `platform_exports.fetch` for the options."""
        resource, identifier = (
            ("workflows", workflow_id) if workflow_id is not None else ("projects", project_id)
        )
        if identifier is None:
            raise ValueError("export needs a workflow_id or a project_id")
        return platform_exports.fetch(self, resource, identifier, kind, out, **options)


def connect(settings: Settings) -> Panoptes:
    """Log in with a password, with client credentials, or stay anonymous.

    Raises
    ------
    Refused
        When the server does not answer or does not take the login.
    """
    client = log_in(settings)
    panoptes = Panoptes(client, client.side)
    panoptes.token()
    return panoptes


def _moment(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)


def classification_from_json(row: Mapping[str, Any]) -> Classification:
    """Read one classification resource; the API gives no user name, only the id."""
    links, metadata = row["links"], row.get("metadata") or {}
    user = links.get("user")
    return Classification(
        classification_id=int(row["id"]),
        workflow_id=int(links["workflow"]),
        workflow_version=str(metadata.get("workflow_version", "")),
        subject_id=int(links["subjects"][0]),
        user_id=None if user is None else int(user),
        user_name="",
        created_at=datetime.fromisoformat(row["created_at"]),
        annotations=tuple(
            Annotation(
                task=annotation["task"],
                value=annotation.get("value"),
                task_type=annotation.get("taskType"),
                mark_index=annotation.get("markIndex"),
            )
            for annotation in row.get("annotations") or ()
        ),
        metadata=metadata,
        gold_standard=bool(row.get("gold_standard")),
    )
