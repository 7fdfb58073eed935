"""How do we talk to Caesar? Its REST calls as typed methods, and the classifier's own query.

panoptes-client's Caesar wrappers go to production whatever the Panoptes endpoint is, switch public
flags off by default, and answer None for a refusal; none of them is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from zooassist_plugin.errors import Refused
from zooassist_plugin.http_session import (
    PlatformRefused,
    no_answer,
    refusal,
    timed_session,
    words_of,
)
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.presenters.machine_learnt import REDUCER_KEY
from zooassist_plugin.records import Reduction
from zooassist_plugin.settings import Settings

HEADERS = {"Accept": "application/json"}


@dataclass(frozen=True)
class CaesarWorkflow:
    """A workflow as Caesar knows it; `status` is ``active``, ``paused`` or ``halted``."""

    workflow_id: int
    public_extracts: bool
    public_reductions: bool
    status: str


@dataclass(frozen=True)
class Extractor:
    """What Caesar takes out of every classification, under `key`."""

    extractor_id: int
    key: str
    type: str


@dataclass(frozen=True)
class Reducer:
    """How Caesar sums up a subject's extracts, under `key`."""

    reducer_id: int
    key: str
    type: str
    topic: str = "reduce_by_subject"
    filters: Mapping[str, Any] = field(default_factory=dict)
    grouping: Mapping[str, Any] = field(default_factory=dict)
    reduction_mode: str = "default_reduction"


@dataclass(frozen=True)
class ReadBack:
    """What an anonymous volunteer's classifier gets for one subject.

    Attributes
    ----------
    payloads : tuple
        The `data` of every reduction, as sent: anything that JSON can hold.
    problem : str
        Why there is no answer; the classifier itself would show nothing and say nothing.
    in_trouble : bool
        Whether Caesar itself has the problem, not the workflow: asking again later may help.
    """

    payloads: tuple[Any, ...] = ()
    problem: str = ""
    in_trouble: bool = False


class Caesar:
    """Caesar at the configured address, with the token of a Panoptes connection.

    Every method raises `Refused` when Caesar says no or does not answer.
    """

    def __init__(self, settings: Settings, panoptes: Panoptes) -> None:
        self.endpoint = settings.caesar_endpoint
        self._side = f"Caesar at {self.endpoint}"
        self._panoptes = panoptes
        self._session = timed_session()
        self._anonymous = timed_session()
        self._renewed_for: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._session.close()
        self._anonymous.close()

    def call(
        self,
        method: str,
        path: str,
        json: Mapping[str, Any] | None = None,
        workflow_id: int | None = None,
    ) -> Any:  # noqa: ANN401
        """Make one call; returns the JSON body, or None when it is empty.

        After a 401 the call is repeated with a fresh token. So it is once per workflow after a 403
        or 404: Caesar remembers a token's projects from its first use and knows none made later.

        Parameters
        ----------
        workflow_id : int, optional
            Which workflow is meant, where the path does not say it.
        """
        response = self._send(method, path, json)
        scope = path.split("/")[2] if workflow_id is None else str(workflow_id)
        status = response.status_code
        if status == 401 or (status in (403, 404) and scope not in self._renewed_for):
            self._renewed_for.add(scope)
            self._panoptes.token(fresh=True)
            response = self._send(method, path, json)
        if response.status_code >= 300:
            raise refusal(self._side, response, f"{method} {path}")
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise Refused(
                f"{self._side} answered {method} {path} with something that is not JSON; check "
                "that CAESAR_ENDPOINT is a Caesar server"
            ) from error

    def _send(self, method: str, path: str, json: Mapping[str, Any] | None) -> requests.Response:
        token = self._panoptes.token()
        headers = HEADERS if token is None else {**HEADERS, "Authorization": f"Bearer {token}"}
        try:
            # A POST of a workflow that exists answers a redirect to a page, not JSON.
            return self._session.request(
                method, self.endpoint + path, json=json, headers=headers, allow_redirects=False
            )
        except requests.RequestException as error:
            raise no_answer(self._side, error, f"{method} {path}") from error

    def workflow(self, workflow_id: int) -> CaesarWorkflow | None:
        """Return the workflow, or None when Caesar does not know it (or may not show it)."""
        try:
            row = self.call("GET", f"/workflows/{workflow_id}")
        except PlatformRefused as error:
            if error.status not in (401, 404):
                raise
            return None
        return CaesarWorkflow(
            workflow_id=int(row["id"]),
            public_extracts=bool(row["public_extracts"]),
            public_reductions=bool(row["public_reductions"]),
            status=str(row["status"]),
        )

    def create_workflow(self, workflow_id: int, public_reductions: bool = True) -> None:
        """Make Caesar follow a workflow."""
        content = {"id": workflow_id, "public_reductions": public_reductions}
        self.call("POST", "/workflows", {"workflow": content}, workflow_id)

    def update_workflow(self, workflow_id: int, **changes: Any) -> None:  # noqa: ANN401
        """Change ``public_reductions``, ``public_extracts``, ``status`` or ``rules_applied``."""
        self.call("PUT", f"/workflows/{workflow_id}", {"workflow": changes})

    def extractors(self, workflow_id: int) -> tuple[Extractor, ...]:
        """Return the workflow's extractors."""
        rows = self.call("GET", f"/workflows/{workflow_id}/extractors") or []
        return tuple(Extractor(int(row["id"]), str(row["key"]), _type(row)) for row in rows)

    def create_extractor(self, workflow_id: int, content: Mapping[str, Any]) -> None:
        """Add an extractor: ``{"type": "question", "key": "T0", "task_key": "T0"}``."""
        self.call("POST", f"/workflows/{workflow_id}/extractors", {"extractor": dict(content)})

    def reducers(self, workflow_id: int) -> tuple[Reducer, ...]:
        """Return the workflow's reducers."""
        rows = self.call("GET", f"/workflows/{workflow_id}/reducers") or []
        return tuple(_reducer(row) for row in rows)

    def create_reducer(self, workflow_id: int, content: Mapping[str, Any]) -> None:
        """Add a reducer: ``{"type": "first_extract", "key": …, "filters": {…}}``."""
        self.call("POST", f"/workflows/{workflow_id}/reducers", {"reducer": dict(content)})

    def update_reducer(self, workflow_id: int, reducer_id: int, content: Mapping[str, Any]) -> None:
        """Change a reducer's topic, filters or grouping; its type can never change."""
        path = f"/workflows/{workflow_id}/reducers/{reducer_id}"
        self.call("PUT", path, {"reducer": dict(content)})

    def delete_reducer(self, workflow_id: int, reducer_id: int) -> None:
        """Remove a reducer; the reductions that it wrote stay."""
        self.call("DELETE", f"/workflows/{workflow_id}/reducers/{reducer_id}")

    def create_rule(self, workflow_id: int, condition: str) -> int:
        """Add a subject rule with a condition in prefix JSON text; returns its id."""
        row = self.call(
            "POST",
            f"/workflows/{workflow_id}/subject_rules",
            {"subject_rule": {"condition_string": condition}},
        )
        return int(row["id"])

    def create_effect(
        self, workflow_id: int, rule_id: int, action: str, config: Mapping[str, Any]
    ) -> None:
        """Add what happens when a subject rule holds: ``retire_subject``, ``external``…"""
        self.call(
            "POST",
            f"/workflows/{workflow_id}/subject_rules/{rule_id}/subject_rule_effects",
            {"subject_rule_effect": {"action": action, "config": dict(config)}},
        )

    def import_extracts(self, workflow_id: int, url: str) -> None:
        """Let Caesar fetch a CSV of machine extracts; the work goes on in the background."""
        self.call("POST", f"/workflows/{workflow_id}/extracts/import", {"file": url})

    def put_reduction(
        self, workflow_id: int, subject_id: int, data: Mapping[str, Any], key: str = REDUCER_KEY
    ) -> None:
        """Write one subject's reduction directly; the reducer and the subject must exist."""
        content = {"subject_id": subject_id, "subgroup": "_default", "data": dict(data)}
        path = f"/workflows/{workflow_id}/subject_reductions/{key}"
        self.call("PUT", path, {"reduction": content})

    def reductions(self, workflow_id: int, subject_id: int) -> tuple[Reduction, ...]:
        """Return every reduction of a subject, with our token."""
        rows = self.call("GET", f"/workflows/{workflow_id}/subjects/{subject_id}/reductions") or []
        return tuple(
            Reduction(
                workflow_id=workflow_id,
                subject_id=subject_id,
                reducer_key=str(row["reducer_key"]),
                data=row["data"] or {},
                subgroup=str(row["subgroup"]),
            )
            for row in rows
        )

    def extract_ids(self, workflow_id: int, subject_id: int, key: str) -> frozenset[int]:
        """Return the ids of a subject's extracts under a key, with our token."""
        path = f"/workflows/{workflow_id}/extractors/{quote(key, safe='')}/extracts"
        rows = self.call("GET", f"{path}?subject_id={subject_id}") or []
        # Caesar answers with all of the subject's extracts, whatever key is asked for.
        return frozenset(int(row["id"]) for row in rows if row["extractor_key"] == key)

    def visible_proposals(self, workflow_id: int, subject_id: int) -> ReadBack:
        """Ask what the classifier asks: its own query, byte for byte, without a token.

        Source: front-end-monorepo, lib-classifier, useCaesarReductions.js.
        """
        query = (
            f"{{ workflow(id: {workflow_id}) {{ subject_reductions(subjectId: {subject_id}, "
            f'reducerKey:"{REDUCER_KEY}") {{ data }} }} }}'
        )
        try:
            response = self._anonymous.post(f"{self.endpoint}/graphql", json={"query": query})
        except requests.RequestException as error:
            return ReadBack(problem=str(no_answer(self._side, error, "the query")), in_trouble=True)
        if response.status_code != 200:
            refused = refusal(self._side, response, "the query")
            return ReadBack(problem=str(refused), in_trouble=response.status_code >= 500)
        try:
            body = response.json()
        except ValueError:
            problem = f"{self._side} answered the query with something that is not JSON"
            return ReadBack(problem=problem, in_trouble=True)
        if not isinstance(body, dict) or body.get("errors"):
            said = words_of(response) or "without an error message"
            return ReadBack(problem=f"{self._side} refused the query ({said})")
        workflow = (body.get("data") or {}).get("workflow")
        if workflow is None:
            return ReadBack(problem="the workflow is not visible without a login")
        return ReadBack(tuple(row["data"] for row in workflow["subject_reductions"]))


def _type(row: Mapping[str, Any]) -> str:
    """Read a type as the API takes it: some versions answer the class name of the server."""
    name = str(row["type"]).rpartition("::")[2]
    for suffix in ("Extractor", "Reducer"):
        name = name.removesuffix(suffix)
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _reducer(row: Mapping[str, Any]) -> Reducer:
    return Reducer(
        reducer_id=int(row["id"]),
        key=str(row["key"]),
        type=_type(row),
        topic=str(row.get("topic") or "reduce_by_subject"),
        filters=row.get("filters") or {},
        grouping=row.get("grouping") or {},
        reduction_mode=str(row.get("reduction_mode") or "default_reduction"),
    )
