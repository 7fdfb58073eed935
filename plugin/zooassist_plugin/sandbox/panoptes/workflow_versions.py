"""How was a workflow defined when it was classified? Versions ``major.minor`` and their history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.access import in_readable_project
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_id, as_ids, enforce_conventions
from zooassist_plugin.sandbox.panoptes.envelope import answer, page_meta, paging, stamp
from zooassist_plugin.sandbox.panoptes.tables import Workflow, WorkflowVersion
from zooassist_plugin.sandbox.panoptes.workflow_strings import extract_strings
from zooassist_plugin.sandbox.problems import ApiError

STRUCTURE = ("first_task", "grouped", "pairwise", "prioritized", "steps")


def structure_of(workflow: Workflow) -> dict[str, Any]:
    """Return what bumps the major version and is locked on live projects."""
    skeleton, _ = extract_strings(workflow.tasks)
    return {name: getattr(workflow, name) for name in STRUCTURE} | {"tasks": skeleton}


def record_version(session: Session, workflow: Workflow, now: datetime) -> None:
    """Keep the present definition under its present number."""
    skeleton, strings = extract_strings(workflow.tasks)
    session.add(
        WorkflowVersion(
            workflow_id=workflow.id,
            major_number=workflow.major_version,
            minor_number=workflow.minor_version,
            grouped=workflow.grouped,
            pairwise=workflow.pairwise,
            prioritized=workflow.prioritized,
            first_task=workflow.first_task,
            tasks=skeleton,
            strings=strings,
            created_at=now,
            updated_at=now,
        )
    )


def bump_version(
    session: Session,
    workflow: Workflow,
    before: tuple[dict[str, Any], dict[str, str]],
    now: datetime,
) -> None:
    """Give a changed workflow its next number: major for structure, minor for texts.

    Parameters
    ----------
    before : tuple
        `structure_of` and the strings, both taken before the change.
    """
    structure, strings = before
    structure_changed = structure_of(workflow) != structure
    strings_changed = extract_strings(workflow.tasks)[1] != strings
    if structure_changed:
        workflow.major_version += 1
    if strings_changed:
        workflow.minor_version += 1
    if structure_changed or strings_changed:
        record_version(session, workflow, now)


def _represent(rows: Sequence[WorkflowVersion]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "major_number": row.major_number,
            "minor_number": row.minor_number,
            "grouped": row.grouped,
            "pairwise": row.pairwise,
            "prioritized": row.prioritized,
            "first_task": row.first_task,
            "tasks": row.tasks,
            "strings": row.strings,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/workflow_versions/{row.id}",
            "links": {"workflow": str(row.workflow_id), "item": _item(row)},
        }
        for row in rows
    ]


def _item(row: WorkflowVersion) -> Body:
    """Return the link that panoptes-client follows from a version to its workflow."""
    return {
        "id": str(row.workflow_id),
        "type": "workflows",
        "href": f"/workflows/{row.workflow_id}",
    }


def _visible(call: Call) -> ColumnElement[bool]:
    readable = in_readable_project(call, Workflow.project_id.expression)
    return WorkflowVersion.workflow_id.in_(select(Workflow.id).where(Workflow.activated, readable))


def _page(call: Call, name: str, clauses: list[Any]) -> Response:
    page, page_size = paging(100)
    matching = select(WorkflowVersion).where(_visible(call), *clauses)
    rows = call.session.scalars(matching.order_by(WorkflowVersion.id)).all()
    shown = rows[(page - 1) * page_size : page * page_size]
    meta = page_meta(page, page_size, len(rows), len(shown))
    return answer(name, _represent(shown), links={"workflow": "workflows"}, meta=meta)


def workflow_versions_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /api/workflow_versions and the older /api/workflows/:id/versions."""
    blueprint = Blueprint("workflow_versions", __name__, url_prefix="/api")

    @blueprint.get("/workflow_versions")
    def list_versions() -> Response:
        clauses = []
        if request.args.get("workflow_id"):
            numbers = as_ids(request.args["workflow_id"])
            clauses.append(WorkflowVersion.workflow_id.in_(numbers))
        if request.args.get("id"):
            clauses.append(WorkflowVersion.id.in_(as_ids(request.args["id"])))
        with open_call(sandbox) as call:
            return _page(call, "workflow_versions", clauses)

    @blueprint.get("/workflow_versions/<int:version_id>")
    def show_version(version_id: int) -> Response:
        with open_call(sandbox) as call:
            response = _page(call, "workflow_versions", [WorkflowVersion.id == as_id(version_id)])
            if not response.get_json()["workflow_versions"]:
                raise ApiError(404, f"Could not find workflow_version with id='{version_id}'")
            return response

    @blueprint.get("/workflows/<int:workflow_id>/versions")
    def versions_of(workflow_id: int) -> Response:
        with open_call(sandbox) as call:
            return _page(call, "versions", [WorkflowVersion.workflow_id == as_id(workflow_id)])

    @blueprint.get("/workflows/<int:workflow_id>/versions/<int:version_id>")
    def version_of(workflow_id: int, version_id: int) -> Response:
        with open_call(sandbox) as call:
            clauses = [
                WorkflowVersion.workflow_id == as_id(workflow_id),
                WorkflowVersion.id == as_id(version_id),
            ]
            return _page(call, "versions", clauses)

    return enforce_conventions(blueprint)
