"""Which rows does an export hold? Classifications, subjects, workflow versions, column by column.

Rows come in batches with a short transaction each, so a long export never locks the sandbox.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.cell_json import cell_json
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.envelope import stamp
from zooassist_plugin.sandbox.panoptes.export_annotations import Definition, format_annotation
from zooassist_plugin.sandbox.panoptes.subjects import locations_of
from zooassist_plugin.sandbox.panoptes.tables import (
    Classification,
    SetMemberSubject,
    Subject,
    SubjectWorkflowStatus,
    User,
    Workflow,
    WorkflowSubjectSet,
    WorkflowVersion,
)
from zooassist_plugin.sandbox.panoptes.workflows import retirement_of

BATCH = 500
Cells = list[Any]

CLASSIFICATION_COLUMNS = (
    "classification_id", "user_name", "user_id", "user_ip", "workflow_id", "workflow_name",
    "workflow_version", "created_at", "gold_standard", "expert", "metadata", "annotations",
    "subject_data", "subject_ids",
)  # fmt: skip
SUBJECT_COLUMNS = (
    "subject_id", "project_id", "workflow_id", "subject_set_id", "metadata", "locations",
    "classifications_count", "retired_at", "retirement_reason", "created_at", "updated_at",
)  # fmt: skip
WORKFLOW_COLUMNS = (
    "workflow_id", "display_name", "version", "active", "classifications_count", "pairwise",
    "grouped", "prioritized", "primary_language", "first_task", "tutorial_subject_id",
    "retired_set_member_subjects_count", "tasks", "retirement", "strings", "minor_version",
)  # fmt: skip


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _flag(value: bool) -> str:
    return "true" if value else "false"


class _Versions:
    """The definitions of one export's workflows, looked up as Panoptes does."""

    def __init__(self) -> None:
        self._by_workflow: dict[int, list[WorkflowVersion]] = {}

    def definition(self, session: Session, workflow_id: int, version: str) -> Definition | None:
        """Return the first stored version that is not older in either number; None for none."""
        if workflow_id not in self._by_workflow:
            self._by_workflow[workflow_id] = list(
                session.scalars(
                    select(WorkflowVersion)
                    .where(WorkflowVersion.workflow_id == workflow_id)
                    .order_by(WorkflowVersion.major_number, WorkflowVersion.minor_number)
                )
            )
        major, _, minor = version.partition(".")
        if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
            return None
        for row in self._by_workflow[workflow_id]:
            if row.major_number >= int(major) and row.minor_number >= int(minor):
                return Definition(row.tasks, row.strings)
        return None


def _status_json(row: SubjectWorkflowStatus) -> dict[str, Any]:
    return {
        "id": row.id,
        "workflow_id": row.workflow_id,
        "classifications_count": row.classifications_count,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "retired_at": stamp(row.retired_at),
        "subject_id": row.subject_id,
        "retirement_reason": row.retirement_reason,
    }


def _subject_data(
    session: Session, rows: Sequence[Classification]
) -> dict[tuple[int, int], dict[str, Any]]:
    """Return ``{"retired": ..., <metadata>}`` by (workflow, subject) for a batch of rows."""
    pairs = {(row.workflow_id, number) for row in rows for number in row.subject_ids}
    numbers = {number for _, number in pairs}
    metadata: dict[int, dict[str, Any]] = dict(
        session.execute(select(Subject.id, Subject.metadata_).where(Subject.id.in_(numbers))).all()
    )
    retired = {
        (row.workflow_id, row.subject_id): _status_json(row)
        for row in session.scalars(
            select(SubjectWorkflowStatus).where(
                SubjectWorkflowStatus.workflow_id.in_({workflow for workflow, _ in pairs}),
                SubjectWorkflowStatus.subject_id.in_(numbers),
                SubjectWorkflowStatus.retired_at.is_not(None),
            )
        )
    }
    # A subject's own metadata key `retired` overwrites the status, as in the real export.
    return {pair: {"retired": retired.get(pair), **metadata.get(pair[1], {})} for pair in pairs}


def classification_rows(sandbox: Sandbox, clause: ColumnElement[bool]) -> Iterator[Cells]:
    """Yield the completed classifications of workflows that are not deleted, by ascending id."""
    salt = secrets.token_bytes(16)  # hashes agree inside one file, never between two
    versions, last = _Versions(), 0
    while True:
        with sandbox.store.session() as session:
            found = session.execute(
                select(Classification, Workflow.display_name, User.login)
                .join(Workflow, Workflow.id == Classification.workflow_id)
                .outerjoin(User, User.id == Classification.user_id)
                .where(
                    clause, Classification.completed, Workflow.activated, Classification.id > last
                )
                .order_by(Classification.id)
                .limit(BATCH)
            ).all()
            data = _subject_data(session, [row for row, _, _ in found])
            cells = []
            for row, workflow_name, login in found:
                definition = versions.definition(session, row.workflow_id, row.workflow_version)
                address = hashlib.sha256(salt + row.user_ip.encode()).hexdigest()[:20]
                annotations = [
                    format_annotation(item, definition, row.metadata_) for item in row.annotations
                ]
                subjects = {
                    str(number): data[row.workflow_id, number] for number in row.subject_ids
                }
                cells.append(
                    [
                        row.id,
                        login or f"not-logged-in-{address}",
                        "" if row.user_id is None else row.user_id,
                        address,
                        row.workflow_id,
                        workflow_name,
                        row.workflow_version,
                        _time(row.created_at),
                        "true" if row.gold_standard else "",
                        "",
                        cell_json(row.metadata_),
                        cell_json(annotations),
                        cell_json(subjects),
                        ";".join(str(number) for number in row.subject_ids),
                    ]
                )
        if not found:
            return
        last = found[-1][0].id
        yield from cells


def subject_rows(sandbox: Sandbox, project_id: int) -> Iterator[Cells]:
    """Yield one row per subject, set and workflow of a project."""
    last = 0
    while True:
        with sandbox.store.session() as session:
            found = session.scalars(
                select(Subject)
                .where(Subject.project_id == project_id, Subject.active, Subject.id > last)
                .order_by(Subject.id)
                .limit(BATCH)
            ).all()
            cells = list(_subject_cells(sandbox, session, found))
        if not found:
            return
        last = found[-1].id
        yield from cells


def _subject_cells(sandbox: Sandbox, session: Session, rows: Sequence[Subject]) -> Iterator[Cells]:
    numbers = [row.id for row in rows]
    places: dict[int, list[tuple[int | None, int | None]]] = defaultdict(list)
    for subject_id, set_id, workflow_id in session.execute(
        select(
            SetMemberSubject.subject_id,
            SetMemberSubject.subject_set_id,
            WorkflowSubjectSet.workflow_id,
        )
        .outerjoin(
            WorkflowSubjectSet,
            WorkflowSubjectSet.subject_set_id == SetMemberSubject.subject_set_id,
        )
        .where(SetMemberSubject.subject_id.in_(numbers))
        .order_by(SetMemberSubject.subject_set_id, WorkflowSubjectSet.workflow_id)
    ):
        places[subject_id].append((workflow_id, set_id))
    statuses = {
        (row.subject_id, row.workflow_id): row
        for row in session.scalars(
            select(SubjectWorkflowStatus).where(SubjectWorkflowStatus.subject_id.in_(numbers))
        )
    }
    for row in rows:
        locations = {
            str(index): next(iter(location.values()))
            for index, location in enumerate(locations_of(sandbox, row))
        }
        for workflow, subject_set in places[row.id] or [(None, None)]:
            status = statuses.get((row.id, workflow or -1))
            yield [
                row.id,
                row.project_id,
                "" if workflow is None else workflow,
                "" if subject_set is None else subject_set,
                cell_json(row.metadata_),
                cell_json(locations),
                status.classifications_count if status else 0,
                _time(status.retired_at) if status else "",
                (status.retirement_reason or "") if status else "",
                _time(row.created_at),
                _time(row.updated_at),
            ]


def workflow_rows(sandbox: Sandbox, project_id: int) -> Iterator[Cells]:
    """Yield one row per stored version of every workflow of a project."""
    with sandbox.store.session() as session:
        found = session.execute(
            select(Workflow, WorkflowVersion)
            .join(WorkflowVersion, WorkflowVersion.workflow_id == Workflow.id)
            .where(Workflow.project_id == project_id, Workflow.activated)
            .order_by(Workflow.id, WorkflowVersion.id)
        ).all()
    for workflow, version in found:
        yield [
            workflow.id,
            workflow.display_name,
            version.major_number,
            _flag(workflow.active),
            workflow.classifications_count,
            _flag(version.pairwise),
            _flag(version.grouped),
            _flag(version.prioritized),
            workflow.primary_language,
            version.first_task or "",
            workflow.tutorial_subject_id or "",
            workflow.retired_subjects_count,
            cell_json(version.tasks),
            cell_json(retirement_of(workflow)),
            cell_json(version.strings),
            version.minor_number,
        ]


def classifications_of_project(sandbox: Sandbox, owner_id: int) -> Iterator[Cells]:
    """Yield a project's classifications."""
    return classification_rows(sandbox, Classification.project_id == owner_id)


def classifications_of_workflow(sandbox: Sandbox, owner_id: int) -> Iterator[Cells]:
    """Yield a workflow's classifications."""
    return classification_rows(sandbox, Classification.workflow_id == owner_id)


def classifications_of_subject_set(sandbox: Sandbox, owner_id: int) -> Iterator[Cells]:
    """Yield the classifications of subjects that are in the set now, in workflows that show it."""
    with sandbox.store.session() as session:
        members = set(
            session.scalars(
                select(SetMemberSubject.subject_id).where(
                    SetMemberSubject.subject_set_id == owner_id
                )
            )
        )
    workflows = select(WorkflowSubjectSet.workflow_id).where(
        WorkflowSubjectSet.subject_set_id == owner_id
    )
    place = CLASSIFICATION_COLUMNS.index("subject_ids")
    for cells in classification_rows(sandbox, Classification.workflow_id.in_(workflows)):
        if members.intersection(int(number) for number in cells[place].split(";")):
            yield cells


Rows = Callable[[Sandbox, int], Iterator[Cells]]

# (resource, export) -> its columns and rows.
EXPORTS: dict[tuple[str, str], tuple[tuple[str, ...], Rows]] = {
    ("projects", "classifications_export"): (CLASSIFICATION_COLUMNS, classifications_of_project),
    ("projects", "subjects_export"): (SUBJECT_COLUMNS, subject_rows),
    ("projects", "workflows_export"): (WORKFLOW_COLUMNS, workflow_rows),
    ("workflows", "classifications_export"): (CLASSIFICATION_COLUMNS, classifications_of_workflow),
    ("subject_sets", "classifications_export"): (
        CLASSIFICATION_COLUMNS,
        classifications_of_subject_set,
    ),
}
