"""Which workflows does Caesar process, and how? ``/workflows``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, redirect
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from zooassist_plugin.sandbox.caesar.access import open_call, unknown_workflow
from zooassist_plugin.sandbox.caesar.answers import (
    ID,
    as_id,
    body_object,
    chosen,
    new_blueprint,
    no_content,
    required_part,
    row_json,
)
from zooassist_plugin.sandbox.caesar.tables import CaesarWorkflow
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.tables import Workflow
from zooassist_plugin.sandbox.problems import ApiError

STATUSES = ("active", "paused", "halted")
RULES_APPLIED = ("all_matching_rules", "first_matching_rule", "no_rules")
RERUNS = {"extractors": "caesar.rerun_extractors", "reducers": "caesar.rerun_reducers"}


def _assign(workflow: CaesarWorkflow, part: dict[str, Any]) -> None:
    """Take over the permitted keys; Caesar drops every other one silently."""
    for flag in ("public_extracts", "public_reductions"):
        if flag in part:
            if not isinstance(part[flag], bool):
                raise ApiError(422, f"{flag} must be true or false; got {part[flag]!r}")
            setattr(workflow, flag, part[flag])
    if "status" in part:
        workflow.status = chosen(part["status"], STATUSES, "status")
    if "rules_applied" in part:
        workflow.rules_applied = chosen(part["rules_applied"], RULES_APPLIED, "rules_applied")


def _requested_id(part: dict[str, Any]) -> int:
    """Return the id of the workflow to add; clients send it as a number or as digits."""
    workflow_id = as_id(part.get("id"))
    if workflow_id is None:
        raise ApiError(422, f"id must be a workflow's id; got {part.get('id')!r}")
    return workflow_id


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the routes."""
    routes = new_blueprint("workflows")

    @routes.get("/workflows")
    def index() -> Response:
        with open_call(sandbox) as call:
            user = call.user
            query = select(CaesarWorkflow).order_by(CaesarWorkflow.id)
            if not user.admin:
                query = query.where(CaesarWorkflow.project_id.in_(user.project_ids))
            return jsonify([row_json(workflow) for workflow in call.session.scalars(query)])

    @routes.get(f"/workflows/<{ID}:workflow_id>")
    def show(workflow_id: int) -> Response:
        with open_call(sandbox) as call:
            return jsonify(row_json(call.workflow(workflow_id)))

    @routes.post("/workflows")
    def create() -> AnyResponse:
        part = required_part(body_object(), "workflow")
        workflow_id = _requested_id(part)
        with open_call(sandbox) as call:
            _ = call.user
            source = call.session.get(Workflow, workflow_id)
            if source is None or not source.activated:
                raise unknown_workflow(workflow_id)
            if not call.may_edit(source.project_id):
                raise ApiError(403)
            if call.session.get(CaesarWorkflow, workflow_id) is not None:
                return redirect(f"/workflows/{workflow_id}", 302)
            workflow = CaesarWorkflow(
                id=workflow_id,
                project_id=source.project_id,
                name=source.display_name,
                created_at=call.now,
                updated_at=call.now,
            )
            _assign(workflow, part)
            call.session.add(workflow)
            call.session.flush()
            return jsonify(row_json(workflow))

    @routes.put(f"/workflows/<{ID}:workflow_id>")
    def update(workflow_id: int) -> Response:
        part = required_part(body_object(), "workflow")
        with open_call(sandbox) as call:
            workflow = call.workflow(workflow_id)
            _assign(workflow, part)
            workflow.updated_at = call.now
            if part.get("rerun"):
                again = chosen(part["rerun"], tuple(RERUNS), "rerun")
                payload = {"workflow_id": workflow_id}
                call.sandbox.jobs.enqueue(call.session, RERUNS[again], payload)
            return no_content()

    return routes
