"""What is a subject set? /api/subject_sets, and the links to its subjects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, func, select

from zooassist_plugin.sandbox.panoptes.access import (
    in_editable_project,
    in_readable_project,
    require_editor,
    unreadable_subjects,
)
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import ids, stamp
from zooassist_plugin.sandbox.panoptes.membership import add_subjects, remove_subjects
from zooassist_plugin.sandbox.panoptes.resource import LinkDoor, Resource
from zooassist_plugin.sandbox.panoptes.schemas import SUBJECT_SET
from zooassist_plugin.sandbox.panoptes.tables import (
    SetMemberSubject,
    SubjectSet,
    SubjectWorkflowStatus,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS
from zooassist_plugin.sandbox.problems import ApiError


def _retired(call: Call, set_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """Count the retired subjects of each set, by set and workflow."""
    rows = call.session.execute(
        select(SetMemberSubject.subject_set_id, SubjectWorkflowStatus.workflow_id, func.count())
        .join(
            SubjectWorkflowStatus,
            SubjectWorkflowStatus.subject_id == SetMemberSubject.subject_id,
        )
        .where(
            SetMemberSubject.subject_set_id.in_(set_ids),
            SubjectWorkflowStatus.retired_at.is_not(None),
        )
        .group_by(SetMemberSubject.subject_set_id, SubjectWorkflowStatus.workflow_id)
    )
    return {(set_id, workflow_id): count for set_id, workflow_id, count in rows}


def _represent(call: Call, rows: Sequence[SubjectSet]) -> list[Body]:
    workflows: dict[int, list[int]] = defaultdict(list)
    for set_id, workflow_id in call.session.execute(
        select(WorkflowSubjectSet.subject_set_id, WorkflowSubjectSet.workflow_id)
        .where(WorkflowSubjectSet.subject_set_id.in_([row.id for row in rows]))
        .order_by(WorkflowSubjectSet.workflow_id)
    ):
        workflows[set_id].append(workflow_id)
    retired = _retired(call, list(workflows))
    return [
        {
            "id": str(row.id),
            "display_name": row.display_name,
            "metadata": row.metadata_,
            "expert_set": row.expert_set,
            "set_member_subjects_count": row.set_member_subjects_count,
            "completeness": {
                str(number): retired.get((row.id, number), 0) / row.set_member_subjects_count
                for number in workflows[row.id]
                if row.set_member_subjects_count
            },
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/subject_sets/{row.id}",
            "links": {"project": str(row.project_id), "workflows": ids(workflows[row.id])}
            | {
                kind: {"href": f"/subject_sets/{row.id}/{kind}", "type": kind}
                for kind in ("attached_images", "classifications_export")
            },
        }
        for row in rows
    ]


def link_subjects(call: Call, row: SubjectSet, subject_ids: list[int]) -> None:
    """Put subjects into a set; 422 for one that the caller cannot read."""
    hidden = unreadable_subjects(call, subject_ids)
    if hidden:
        raise ApiError(422, f"Couldn't find all subjects for 'ids': ({hidden[0]}) not found")
    add_subjects(call.session, row.id, subject_ids, call.now)


def _unlink_subjects(call: Call, row: SubjectSet, subject_ids: list[int]) -> None:
    remove_subjects(call.session, row.id, subject_ids, call.now)


def _create(call: Call, body: Body) -> SubjectSet:
    SUBJECT_SET.check(body)
    project = require_editor(call, linked_id(body, "project"))
    row = SubjectSet(
        project_id=project.id,
        display_name=body["display_name"],
        metadata_=body.get("metadata", {}),
        expert_set=body.get("expert_set", False),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    call.session.flush()
    if body["links"].get("subjects"):
        link_subjects(call, row, as_ids(body["links"]["subjects"], "links.subjects"))
    for number in as_ids(body["links"].get("workflows", []), "links.workflows"):
        workflow = WORKFLOWS.find_editable(call, number)
        WORKFLOWS.links["subject_sets"].add(call, workflow, [row.id])
    return row


def _update(call: Call, row: SubjectSet, body: Body) -> None:
    SUBJECT_SET.check(body, creating=False)
    row.display_name = body.get("display_name", row.display_name)
    row.metadata_ = body.get("metadata", row.metadata_)
    row.expert_set = body.get("expert_set", row.expert_set)
    links = body.get("links", {})
    if "subjects" in links:
        wanted = as_ids(links["subjects"] or [], "links.subjects")
        present = call.session.scalars(
            select(SetMemberSubject.subject_id).where(SetMemberSubject.subject_set_id == row.id)
        ).all()
        _unlink_subjects(call, row, [number for number in present if number not in set(wanted)])
        link_subjects(call, row, wanted)


def _delete(call: Call, row: SubjectSet) -> None:
    for table in (SetMemberSubject, WorkflowSubjectSet):
        call.session.execute(delete(table).where(table.subject_set_id == row.id))
    call.session.delete(row)


SUBJECT_SETS = Resource(
    name="subject_sets",
    singular="subject_set",
    table=SubjectSet,
    visible=lambda call: in_readable_project(call, SubjectSet.project_id.expression),
    editable=lambda call: in_editable_project(call, SubjectSet.project_id.expression),
    represent=_represent,
    link_types={"project": "projects", "workflows": "workflows"},
    filters={
        "project_id": lambda _call, text: SubjectSet.project_id.in_(as_ids(text)),
        "display_name": lambda _call, text: SubjectSet.display_name == text,
        "workflow_id": lambda _call, text: SubjectSet.id.in_(
            select(WorkflowSubjectSet.subject_set_id).where(
                WorkflowSubjectSet.workflow_id.in_(as_ids(text))
            )
        ),
        "subject_id": lambda _call, text: SubjectSet.id.in_(
            select(SetMemberSubject.subject_set_id).where(
                SetMemberSubject.subject_id.in_(as_ids(text))
            )
        ),
    },
    sorts={"id": SubjectSet.id, "display_name": SubjectSet.display_name},
    create=_create,
    update=_update,
    delete=_delete,
    links={"subjects": LinkDoor(link_subjects, _unlink_subjects)},
)
