"""How do workflows and subject sets get into another project? As copies, never shared."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import inspect, select

from zooassist_plugin.sandbox.panoptes.access import in_readable_project
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.membership import add_subjects
from zooassist_plugin.sandbox.panoptes.tables import (
    Entity,
    Project,
    SetMemberSubject,
    SubjectSet,
    Workflow,
)
from zooassist_plugin.sandbox.panoptes.workflow_versions import record_version
from zooassist_plugin.sandbox.problems import ApiError

Row = TypeVar("Row", bound=Entity)


def _originals(call: Call, table: type[Row], numbers: list[int], name: str) -> list[Row]:
    column = inspect(table).columns["project_id"]
    rows = call.session.scalars(
        select(table)
        .where(table.id.in_(numbers), in_readable_project(call, column))
        .order_by(table.id)
    ).all()
    if len(rows) != len(numbers):
        missing = sorted(set(numbers) - {row.id for row in rows})
        raise ApiError(404, f"Could not find {name} with id='{missing[0]}'")
    return list(rows)


def _copy(call: Call, row: Row, project: Project, **changed: object) -> Row:
    mapper = inspect(type(row))
    values = {
        attribute.key: getattr(row, attribute.key)
        for attribute in mapper.column_attrs
        if attribute.key not in ("id", "revision")
    }
    values |= {"project_id": project.id, "created_at": call.now, "updated_at": call.now}
    copied = type(row)(**(values | changed))
    call.session.add(copied)
    call.session.flush()
    return copied


def copy_workflows(call: Call, project: Project, workflow_ids: list[int]) -> None:
    """Copy workflows into `project`, without their classifications and subject sets."""
    for row in _originals(call, Workflow, workflow_ids, "workflow"):
        copied = _copy(
            call,
            row,
            project,
            major_version=1,
            minor_version=1,
            classifications_count=0,
            retired_subjects_count=0,
            finished_at=None,
        )
        record_version(call.session, copied, call.now)


def copy_subject_sets(call: Call, project: Project, subject_set_ids: list[int]) -> None:
    """Copy subject sets into `project`; the subjects themselves are shared."""
    for row in _originals(call, SubjectSet, subject_set_ids, "subject_set"):
        copied = _copy(call, row, project, set_member_subjects_count=0)
        members = call.session.scalars(
            select(SetMemberSubject.subject_id).where(SetMemberSubject.subject_set_id == row.id)
        ).all()
        add_subjects(call.session, copied.id, list(members), call.now)
