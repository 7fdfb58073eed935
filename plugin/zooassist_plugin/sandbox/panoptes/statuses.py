"""How far is a subject in a workflow? /api/subject_workflow_statuses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from zooassist_plugin.sandbox.panoptes.access import in_readable_project
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids
from zooassist_plugin.sandbox.panoptes.envelope import stamp
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.tables import (
    SetMemberSubject,
    SubjectWorkflowStatus,
    Workflow,
)


def _represent(_call: Call, rows: Sequence[SubjectWorkflowStatus]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "classifications_count": row.classifications_count,
            "retired_at": stamp(row.retired_at),
            "retirement_reason": row.retirement_reason,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/subject_workflow_statuses/{row.id}",
            "links": {"subject": str(row.subject_id), "workflow": str(row.workflow_id)},
        }
        for row in rows
    ]


def _visible(call: Call) -> ColumnElement[bool]:
    readable = in_readable_project(call, Workflow.project_id.expression)
    workflows = select(Workflow.id).where(Workflow.activated, readable)
    return SubjectWorkflowStatus.workflow_id.in_(workflows)


def _of_subjects(_call: Call, text: str) -> ColumnElement[bool]:
    return SubjectWorkflowStatus.subject_id.in_(as_ids(text))


STATUSES = Resource(
    name="subject_workflow_statuses",
    singular="subject_workflow_status",
    table=SubjectWorkflowStatus,
    visible=_visible,
    represent=_represent,
    link_types={"subject": "subjects", "workflow": "workflows"},
    filters={
        "workflow_id": lambda _call, text: SubjectWorkflowStatus.workflow_id.in_(as_ids(text)),
        "subject_id": _of_subjects,
        "subject_ids": _of_subjects,
        "subject_set_id": lambda _call, text: SubjectWorkflowStatus.subject_id.in_(
            select(SetMemberSubject.subject_id).where(
                SetMemberSubject.subject_set_id.in_(as_ids(text))
            )
        ),
    },
    sorts={"id": SubjectWorkflowStatus.id},
    counted=False,
)
