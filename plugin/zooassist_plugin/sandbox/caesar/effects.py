"""What can a rule do? Each effect: how its configuration is checked, and how it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.caesar.access import Call
from zooassist_plugin.sandbox.caesar.answers import as_id
from zooassist_plugin.sandbox.caesar.outbound import Breaker, Remote, RemoteFailed
from zooassist_plugin.sandbox.caesar.rendering import effect_json
from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, RuleAction, SubjectReduction
from zooassist_plugin.sandbox.caesar.urls import require_callable_url
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.membership import add_subjects
from zooassist_plugin.sandbox.panoptes.retirement import known_reason, retire
from zooassist_plugin.sandbox.panoptes.tables import ProjectPreference, SubjectSet, Workflow
from zooassist_plugin.sandbox.problems import ApiError

Config = Mapping[str, Any]


def _identifier(config: Config, name: str) -> int:
    number = as_id(config.get(name))
    if number is None:
        raise ApiError(422, f"config.{name} must be an id; got {config.get(name)!r}")
    return number


def _check_retire(_call: Call, config: Config) -> None:
    if not config.get("reason"):
        raise ApiError(422, "config.reason must be a retirement reason; it is missing")
    known_reason(config["reason"])


def _check_subject_set(call: Call, config: Config) -> None:
    subject_set = call.session.get(SubjectSet, _identifier(config, "subject_set_id"))
    if subject_set is None or not call.may_edit(subject_set.project_id):
        raise ApiError(403)


def _check_collection(_call: Call, _config: Config) -> None:
    raise ApiError(422, "The sandbox has no collections: use add_subject_to_set instead")


def _check_external(_call: Call, config: Config) -> None:
    require_callable_url(config.get("url"))
    if not config.get("reducer_key"):
        raise ApiError(422, "config.reducer_key must name the reducer whose result is sent")


def _check_basic_auth(call: Call, config: Config) -> None:
    _check_external(call, config)
    for name in ("username", "password"):
        if not config.get(name):
            raise ApiError(422, f"config.{name} is missing")


def _check_promotion(call: Call, config: Config) -> None:
    workflow = call.session.get(Workflow, _identifier(config, "workflow_id"))
    if workflow is None or not call.may_edit(workflow.project_id):
        raise ApiError(403)


CHECKS: dict[str, dict[str, Callable[[Call, Config], None]]] = {
    "subject": {
        "retire_subject": _check_retire,
        "add_subject_to_set": _check_subject_set,
        "add_subject_to_collection": _check_collection,
        "external": _check_external,
        "external_with_basic_auth": _check_basic_auth,
    },
    "user": {"promote_user": _check_promotion},
}


@dataclass(frozen=True)
class _Delivery:
    """A request to make once no transaction is open."""

    url: str
    body: dict[str, Any]
    auth: tuple[str, str] | None = None


Perform = Callable[[Sandbox, Session, RuleAction], _Delivery | None]


def _retire(sandbox: Sandbox, session: Session, action: RuleAction) -> None:
    now = sandbox.config.clock()
    retire(session, now, action.workflow_id, [action.target_id], action.config["reason"])


def _add_to_set(sandbox: Sandbox, session: Session, action: RuleAction) -> None:
    subject_set_id = int(action.config["subject_set_id"])
    add_subjects(session, subject_set_id, [action.target_id], sandbox.config.clock())


def _external(_sandbox: Sandbox, session: Session, action: RuleAction) -> _Delivery:
    table, key = SubjectReduction, action.config["reducer_key"]
    found = session.scalars(
        select(table).where(
            table.workflow_id == action.workflow_id,
            table.subject_id == action.target_id,
            table.reducer_key == key,
        )
    ).all()
    if len(found) != 1:
        raise RemoteFailed(
            f"Incorrect number of reductions found: {len(found)} for reducer {key!r} "
            f"and subject {action.target_id}; an external effect sends exactly one"
        )
    body = effect_json(found[0], session.get(CaesarSubject, action.target_id))
    return _Delivery(action.config["url"], body)


def _external_with_auth(sandbox: Sandbox, session: Session, action: RuleAction) -> _Delivery:
    plain = _external(sandbox, session, action)
    auth = (str(action.config["username"]), str(action.config["password"]))
    return _Delivery(plain.url, plain.body, auth)


def _promote(sandbox: Sandbox, session: Session, action: RuleAction) -> None:
    """Assign the volunteer to another workflow, in the settings of their project preferences."""
    workflow_id, now = int(action.config["workflow_id"]), sandbox.config.clock()
    project_id = session.get_one(Workflow, workflow_id).project_id
    row = session.scalar(
        select(ProjectPreference).where(
            ProjectPreference.project_id == project_id,
            ProjectPreference.user_id == action.target_id,
        )
    )
    if row is None:
        row = ProjectPreference(
            project_id=project_id,
            user_id=action.target_id,
            preferences={},
            settings={},
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        session.flush()
    row.settings = {**row.settings, "workflow_id": str(workflow_id)}
    row.touch(now)


EFFECTS: dict[str, Perform] = {
    "retire_subject": _retire,
    "add_subject_to_set": _add_to_set,
    "external": _external,
    "external_with_basic_auth": _external_with_auth,
    "promote_user": _promote,
}


class Effects:
    """The effect jobs of one sandbox; the queue tries each 25 times."""

    def __init__(self, sandbox: Sandbox, remote: Remote, breaker: Breaker) -> None:
        self._sandbox, self._remote, self._breaker = sandbox, remote, breaker

    def perform(self, payload: dict[str, Any]) -> None:
        """Job: carry out one action and note what became of it."""
        action_id = payload["action_id"]
        try:
            with self._sandbox.store.session() as session:
                action = session.get_one(RuleAction, action_id)
                if action.status == "completed":
                    return
                delivery = EFFECTS[action.effect_type](self._sandbox, session, action)
            if delivery is not None:
                # One light per address: what fails is the service, not the subject.
                with self._breaker.guard(f"effect-{delivery.url}"):
                    self._remote.tell(delivery.url, delivery.body, delivery.auth)
        except (RemoteFailed, ApiError) as error:
            self._note(action_id, "failed", str(error))
            raise
        self._note(action_id, "completed", "")

    def _note(self, action_id: int, status: str, message: str) -> None:
        now = self._sandbox.config.clock()
        with self._sandbox.store.session() as session:
            action = session.get_one(RuleAction, action_id)
            action.status, action.message = status, message
            action.attempted_at = action.updated_at = now
            action.completed_at = now if status == "completed" else None
