"""What does a completed classification set off? Seen, counted, retired by rule, sent to Caesar."""

from __future__ import annotations

from sqlalchemy import select

from zooassist_plugin.database import insert_missing
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.membership import ensure_statuses
from zooassist_plugin.sandbox.panoptes.preferences import preference_of
from zooassist_plugin.sandbox.panoptes.retirement import retire
from zooassist_plugin.sandbox.panoptes.tables import (
    Classification,
    SeenSubject,
    SubjectWorkflowStatus,
    Workflow,
)
from zooassist_plugin.sandbox.panoptes.workflows import retirement_of

# The Caesar half registers it; Panoptes' own stream to Caesar is just as one-way.
CAESAR_JOB = "caesar.classification"


def _mark_seen(call: Call, row: Classification) -> bool:
    """Remember what a logged-in volunteer has seen; returns whether all of it was seen before."""
    if row.user_id is None:
        return False
    seen = set(
        call.session.scalars(
            select(SeenSubject.subject_id).where(
                SeenSubject.user_id == row.user_id,
                SeenSubject.workflow_id == row.workflow_id,
                SeenSubject.subject_id.in_(row.subject_ids),
            )
        )
    )
    keys = {"user_id": row.user_id, "workflow_id": row.workflow_id}
    missing = [keys | {"subject_id": number} for number in row.subject_ids if number not in seen]
    insert_missing(call.session, SeenSubject, missing)
    return seen.issuperset(row.subject_ids)


def _count(call: Call, row: Classification, workflow: Workflow) -> None:
    """Count towards retirement, and retire when the workflow's rule says so."""
    ensure_statuses(call.session, [workflow.id], row.subject_ids, call.now)
    rule = retirement_of(workflow)
    limit = int((rule.get("options") or {}).get("count", 15))
    due = []
    for status in call.session.scalars(
        select(SubjectWorkflowStatus)
        .where(
            SubjectWorkflowStatus.workflow_id == workflow.id,
            SubjectWorkflowStatus.subject_id.in_(row.subject_ids),
        )
        .with_for_update()
    ):
        status.classifications_count += 1
        status.touch(call.now)
        if status.classifications_count >= limit and status.retired_at is None:
            due.append(status.subject_id)
    call.session.flush()
    if due and rule.get("criteria") == "classification_count":
        retire(call.session, call.now, workflow.id, due, "classification_count")


def complete(call: Call, row: Classification) -> None:
    """Run the life cycle of one completed classification inside the caller's transaction.

    A volunteer's repeat (``seen_before``) and a gold standard do not count towards retirement.
    """
    # Locked first, here and in retirement: PostgreSQL would otherwise lose counts or deadlock.
    workflow = call.session.get_one(
        Workflow, row.workflow_id, with_for_update=True, populate_existing=True
    )
    if _mark_seen(call, row):
        row.metadata_ = row.metadata_ | {"seen_before": True}
    workflow.classifications_count += 1
    if not row.gold_standard and not row.metadata_.get("seen_before"):
        _count(call, row, workflow)
    if row.user_id is not None:
        preference_of(call, row.project_id, row.user_id).activity_count += 1
    call.sandbox.jobs.enqueue(call.session, CAESAR_JOB, {"classification_id": row.id})
