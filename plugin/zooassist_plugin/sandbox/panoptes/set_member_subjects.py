"""Where is a subject in a set? /api/set_member_subjects: membership with its priority."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, select

from zooassist_plugin.sandbox.panoptes.access import in_editable_project, in_readable_project
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import stamp
from zooassist_plugin.sandbox.panoptes.membership import remove_subjects
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.subject_sets import SUBJECT_SETS, link_subjects
from zooassist_plugin.sandbox.panoptes.tables import (
    SetMemberSubject,
    SubjectSet,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.problems import ApiError

ProjectClause = Callable[[Call, ColumnElement[int]], ColumnElement[bool]]


def _represent(_call: Call, rows: Sequence[SetMemberSubject]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "priority": None if row.priority is None else str(row.priority),
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/set_member_subjects/{row.id}",
            "links": {
                "subject_set": str(row.subject_set_id),
                "subject": str(row.subject_id),
                "retired_workflows": [],
            },
        }
        for row in rows
    ]


def _in_sets(call: Call, allowed: ProjectClause) -> ColumnElement[bool]:
    sets = select(SubjectSet.id).where(allowed(call, SubjectSet.project_id.expression))
    return SetMemberSubject.subject_set_id.in_(sets)


def _priority(body: Body) -> float | None:
    value = body.get("priority")
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ApiError(422, f"priority: expected a number, got {value!r}") from None


def _create(call: Call, body: Body) -> SetMemberSubject:
    subject_set = SUBJECT_SETS.find_editable(call, linked_id(body, "subject_set"))
    subject_id = linked_id(body, "subject")
    link_subjects(call, subject_set, [subject_id])
    row = call.session.scalars(
        select(SetMemberSubject).where(
            SetMemberSubject.subject_set_id == subject_set.id,
            SetMemberSubject.subject_id == subject_id,
        )
    ).one()
    if body.get("priority") is not None:
        row.priority = _priority(body)
    return row


def _update(_call: Call, row: SetMemberSubject, body: Body) -> None:
    if "priority" in body:
        row.priority = _priority(body)


def _delete(call: Call, row: SetMemberSubject) -> None:
    remove_subjects(call.session, row.subject_set_id, [row.subject_id], call.now)


def _in_workflow(_call: Call, text: str) -> ColumnElement[bool]:
    sets = select(WorkflowSubjectSet.subject_set_id).where(
        WorkflowSubjectSet.workflow_id.in_(as_ids(text))
    )
    return SetMemberSubject.subject_set_id.in_(sets)


SET_MEMBER_SUBJECTS = Resource(
    name="set_member_subjects",
    singular="set_member_subject",
    table=SetMemberSubject,
    visible=lambda call: _in_sets(call, in_readable_project),
    editable=lambda call: _in_sets(call, in_editable_project),
    represent=_represent,
    link_types={"subject_set": "subject_sets", "subject": "subjects"},
    filters={
        "subject_set_id": lambda _call, text: SetMemberSubject.subject_set_id.in_(as_ids(text)),
        "subject_id": lambda _call, text: SetMemberSubject.subject_id.in_(as_ids(text)),
        "workflow_id": _in_workflow,
    },
    sorts={"id": SetMemberSubject.id, "priority": SetMemberSubject.priority},
    create=_create,
    update=_update,
    delete=_delete,
)
