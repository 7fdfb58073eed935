"""Which subjects are in which set? Adding and removing, with all that follows from it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from zooassist_plugin.database import insert_missing
from zooassist_plugin.sandbox.config import utc_now
from zooassist_plugin.sandbox.panoptes.tables import (
    SetMemberSubject,
    Subject,
    SubjectSet,
    SubjectWorkflowStatus,
    Workflow,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.problems import ApiError

BATCH = 1000


def priority_of(metadata: Mapping[str, Any]) -> float | None:
    """Return the number under ``#priority``, None when there is none."""
    try:
        value = float(metadata.get("#priority", "nan"))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut a list of ids: databases limit how many values one statement may hold."""
    for start in range(0, len(numbers), BATCH):
        yield numbers[start : start + BATCH]


def _recount(session: Session, subject_set_id: int, now: datetime) -> None:
    subject_set = session.get_one(SubjectSet, subject_set_id)
    subject_set.set_member_subjects_count = (
        session.scalar(
            select(func.count()).where(SetMemberSubject.subject_set_id == subject_set_id)
        )
        or 0
    )
    subject_set.touch(now)


def ensure_statuses(
    session: Session, workflow_ids: Sequence[int], subject_ids: Sequence[int], now: datetime
) -> None:
    """Give every (workflow, subject) a status row: Panoptes makes them when subjects are linked."""
    for workflow_id, part in product(workflow_ids, batches(subject_ids)):
        known = set(
            session.scalars(
                select(SubjectWorkflowStatus.subject_id).where(
                    SubjectWorkflowStatus.workflow_id == workflow_id,
                    SubjectWorkflowStatus.subject_id.in_(part),
                )
            )
        )
        rows = [
            {
                "workflow_id": workflow_id,
                "subject_id": subject_id,
                "classifications_count": 0,
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            }
            for subject_id in part
            if subject_id not in known
        ]
        insert_missing(session, SubjectWorkflowStatus, rows)


def _new_members(
    session: Session, subject_set_id: int, subject_ids: Sequence[int], now: datetime
) -> list[dict[str, Any]]:
    """Return the rows of subjects that are not in the set yet; 422 for an unknown subject."""
    metadata: dict[int, dict[str, Any]] = dict(
        session.execute(
            select(Subject.id, Subject.metadata_).where(Subject.id.in_(subject_ids), Subject.active)
        ).all()
    )
    unknown = [number for number in subject_ids if number not in metadata]
    if unknown:
        raise ApiError(422, f"Couldn't find all subjects for 'ids': ({unknown[0]}) not found")
    members = set(
        session.scalars(
            select(SetMemberSubject.subject_id).where(
                SetMemberSubject.subject_set_id == subject_set_id,
                SetMemberSubject.subject_id.in_(subject_ids),
            )
        )
    )
    return [
        {
            "subject_set_id": subject_set_id,
            "subject_id": number,
            "priority": priority_of(metadata[number]),
            "random": random.random(),
            "revision": 1,
            "created_at": now,
            "updated_at": now,
        }
        for number in subject_ids
        if number not in members
    ]


def add_subjects(
    session: Session, subject_set_id: int, subject_ids: Sequence[int], now: datetime | None = None
) -> int:
    """Put subjects into a set; those already in it stay. Returns how many were added.

    Raises
    ------
    ApiError
        404 for an unknown set, 422 for an unknown or deleted subject.
    """
    now = now or utc_now()
    if session.get(SubjectSet, subject_set_id) is None:
        raise ApiError(404, f"Could not find subject_set with id='{subject_set_id}'")
    added: list[int] = []
    for part in batches(list(dict.fromkeys(subject_ids))):
        rows = _new_members(session, subject_set_id, part, now)
        insert_missing(session, SetMemberSubject, rows)
        added += [row["subject_id"] for row in rows]
    if added:
        workflow_ids = session.scalars(
            select(WorkflowSubjectSet.workflow_id).where(
                WorkflowSubjectSet.subject_set_id == subject_set_id
            )
        ).all()
        ensure_statuses(session, workflow_ids, added, now)
        reopen(session, workflow_ids)
        _recount(session, subject_set_id, now)
    return len(added)


def remove_subjects(
    session: Session, subject_set_id: int, subject_ids: Sequence[int], now: datetime
) -> None:
    """Take subjects out of a set; the subjects and their classifications stay."""
    for part in batches(subject_ids):
        session.execute(
            delete(SetMemberSubject).where(
                SetMemberSubject.subject_set_id == subject_set_id,
                SetMemberSubject.subject_id.in_(part),
            )
        )
    _recount(session, subject_set_id, now)


def reopen(session: Session, workflow_ids: Sequence[int]) -> None:
    """Mark workflows unfinished: they have something to classify again."""
    for workflow in session.scalars(select(Workflow).where(Workflow.id.in_(workflow_ids))):
        workflow.finished_at = None


def members_of_workflow(workflow_id: int) -> Select[int]:
    """Return the query of the subject ids in all sets of a workflow, each once."""
    return (
        select(SetMemberSubject.subject_id)
        .join(
            WorkflowSubjectSet,
            WorkflowSubjectSet.subject_set_id == SetMemberSubject.subject_set_id,
        )
        .where(WorkflowSubjectSet.workflow_id == workflow_id)
        .distinct()
    )
