"""When does a subject leave a workflow? By rule, by request, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.jobs import Task
from zooassist_plugin.sandbox.panoptes.call import open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    enforce_conventions,
    read_json,
)
from zooassist_plugin.sandbox.panoptes.membership import (
    batches,
    ensure_statuses,
    members_of_workflow,
    reopen,
)
from zooassist_plugin.sandbox.panoptes.tables import (
    SetMemberSubject,
    SubjectWorkflowStatus,
    Workflow,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS
from zooassist_plugin.sandbox.problems import ApiError

REASONS = ("classification_count", "flagged", "nothing_here", "consensus", "other", "human")
# `blank` is what Caesar's rules call it; Panoptes stores the older word.
SYNONYMS = {"blank": "nothing_here"}
RETIRE_JOB = "panoptes.retire"
UNRETIRE_JOB = "panoptes.unretire"


def known_reason(reason: object) -> str | None:
    """Return the stored form of a retirement reason; None stays None.

    Raises
    ------
    ApiError
        422 for a reason the platform does not know.
    """
    if reason is None:
        return None
    if not isinstance(reason, str) or SYNONYMS.get(reason, reason) not in REASONS:
        raise ApiError(
            422, f"retirement_reason: expected one of {', '.join(REASONS)}, blank; got {reason!r}"
        )
    return SYNONYMS.get(reason, reason)


def _statuses(
    session: Session, workflow_id: int, subject_ids: Sequence[int]
) -> list[SubjectWorkflowStatus]:
    return list(
        session.scalars(
            select(SubjectWorkflowStatus)
            .where(
                SubjectWorkflowStatus.workflow_id == workflow_id,
                SubjectWorkflowStatus.subject_id.in_(subject_ids),
            )
            .with_for_update()
        )
    )


def retire(
    session: Session,
    clock_now: datetime,
    workflow_id: int,
    subject_ids: Sequence[int],
    reason: str | None,
) -> int:
    """Retire subjects of a workflow; returns how many were not retired before.

    Subjects that are in none of the workflow's sets are left alone, as in Panoptes.
    """
    reason = known_reason(reason)
    workflow = session.get_one(Workflow, workflow_id, with_for_update=True, populate_existing=True)
    retired = 0
    for part in batches(list(dict.fromkeys(subject_ids))):
        members = session.scalars(
            members_of_workflow(workflow_id).where(SetMemberSubject.subject_id.in_(part))
        ).all()
        ensure_statuses(session, [workflow_id], members, clock_now)
        for status in _statuses(session, workflow_id, members):
            if status.retired_at is None:
                status.retired_at, status.retirement_reason = clock_now, reason
                status.touch(clock_now)
                retired += 1
    session.flush()
    _recount(session, workflow, clock_now)
    return retired


def unretire(
    session: Session, clock_now: datetime, workflow_id: int, subject_ids: Sequence[int]
) -> int:
    """Put retired subjects back into the queue; returns how many were retired."""
    workflow = session.get_one(Workflow, workflow_id, with_for_update=True, populate_existing=True)
    returned = 0
    for part in batches(subject_ids):
        for status in _statuses(session, workflow_id, part):
            if status.retired_at is not None:
                status.retired_at = status.retirement_reason = None
                status.touch(clock_now)
                returned += 1
    session.flush()
    _recount(session, workflow, clock_now)
    return returned


def _recount(session: Session, workflow: Workflow, now: datetime) -> None:
    """Count the workflow's retired subjects; when all are, it is finished."""
    workflow.retired_subjects_count = (
        session.scalar(
            select(func.count()).where(
                SubjectWorkflowStatus.workflow_id == workflow.id,
                SubjectWorkflowStatus.retired_at.is_not(None),
            )
        )
        or 0
    )
    members = session.scalar(
        select(func.count()).select_from(members_of_workflow(workflow.id).subquery())
    )
    if members and workflow.retired_subjects_count >= members:
        workflow.finished_at = workflow.finished_at or now
    else:
        reopen(session, [workflow.id])


def retire_task(sandbox: Sandbox) -> Task:
    """Return the job behind POST retired_subjects: the real one is asynchronous, too."""

    def run(payload: dict[str, Any]) -> None:
        with sandbox.store.session() as session:
            now = sandbox.config.clock()
            retire(session, now, payload["workflow_id"], payload["subject_ids"], payload["reason"])

    return run


def unretire_task(sandbox: Sandbox) -> Task:
    """Return the job behind POST unretire_subjects."""

    def run(payload: dict[str, Any]) -> None:
        with sandbox.store.session() as session:
            subject_ids = list(payload["subject_ids"])
            if payload["subject_set_ids"]:
                subject_ids += session.scalars(
                    select(SetMemberSubject.subject_id)
                    .join(
                        WorkflowSubjectSet,
                        WorkflowSubjectSet.subject_set_id == SetMemberSubject.subject_set_id,
                    )
                    .where(
                        WorkflowSubjectSet.workflow_id == payload["workflow_id"],
                        SetMemberSubject.subject_set_id.in_(payload["subject_set_ids"]),
                    )
                )
            unretire(session, sandbox.config.clock(), payload["workflow_id"], subject_ids)

    return run


def _given_ids(body: Body, singular: str) -> list[int]:
    value = body.get(f"{singular}s", body.get(singular))
    return [] if value is None else as_ids(value, f"{singular}s")


def retirement_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return retired_subjects and unretire_subjects of /api/workflows/:id."""
    blueprint = Blueprint("retirement", __name__, url_prefix="/api/workflows/<int:workflow_id>")

    @blueprint.post("/retired_subjects")
    def retire_subjects(workflow_id: int) -> Response:
        body = read_json()
        with open_call(sandbox) as call:
            workflow = WORKFLOWS.find_editable(call, as_id(workflow_id))
            subject_ids = _given_ids(body, "subject_id")
            if not subject_ids:
                raise ApiError(422, "subject_ids: expected the ids of subjects to retire")
            payload = {
                "workflow_id": workflow.id,
                "subject_ids": subject_ids,
                "reason": known_reason(body.get("retirement_reason")),
            }
            sandbox.jobs.enqueue(call.session, RETIRE_JOB, payload)
            return Response(status=204)

    @blueprint.post("/unretire_subjects")
    def unretire_subjects(workflow_id: int) -> Response:
        body = read_json()
        with open_call(sandbox) as call:
            workflow = WORKFLOWS.find_editable(call, as_id(workflow_id))
            payload = {
                "workflow_id": workflow.id,
                "subject_ids": _given_ids(body, "subject_id"),
                "subject_set_ids": _given_ids(body, "subject_set_id"),
            }
            if not payload["subject_ids"] and not payload["subject_set_ids"]:
                raise ApiError(422, "expected subject_ids or subject_set_ids to put back")
            sandbox.jobs.enqueue(call.session, UNRETIRE_JOB, payload)
            return Response(status=204)

    return enforce_conventions(blueprint)
