"""How does one get everything as one file? ``/workflows/:id/data_requests``.

The file is written by a background job into the state folder and served at an unguessable URL.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, send_file
from sqlalchemy import select

from zooassist_plugin.sandbox.addresses import base_url
from zooassist_plugin.sandbox.caesar.access import Call, open_call
from zooassist_plugin.sandbox.caesar.answers import (
    ID,
    body_object,
    chosen,
    created,
    new_blueprint,
    required_part,
    row_json,
)
from zooassist_plugin.sandbox.caesar.data_files import SOURCES, write_file
from zooassist_plugin.sandbox.caesar.tables import DataRequest
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError

JOB = "caesar.data_request"


def file_path(sandbox: Sandbox, request: DataRequest) -> Path:
    """Return where the file of one request lies."""
    return sandbox.config.state / "caesar" / f"{request.id}-{request.secret}.csv"


def file_url(sandbox: Sandbox, request: DataRequest) -> str | None:
    """Return the address of a finished file, None before."""
    if request.status != "complete":
        return None
    return f"{base_url(sandbox.config)}/caesar_files/{request.id}/{request.secret}.csv"


def _json(sandbox: Sandbox, request: DataRequest) -> dict[str, Any]:
    return {**row_json(request), "url": file_url(sandbox, request)}


def job(sandbox: Sandbox) -> Callable[[dict[str, Any]], None]:
    """Return the background task that writes one file."""

    def note(request_id: int, status: str, count: int | None = None) -> DataRequest:
        with sandbox.store.session() as session:
            request = session.get_one(DataRequest, request_id)
            request.status, request.updated_at = status, sandbox.config.clock()
            request.records_count = count
            return request

    def run(payload: dict[str, Any]) -> None:
        request = note(payload["request_id"], "processing")
        try:
            count = write_file(sandbox, request, file_path(sandbox, request))
        except OSError:
            note(request.id, "failed")  # and tried again by the queue
            raise
        note(request.id, "complete", count)

    return run


def _find(call: Call, workflow_id: int, request_id: int) -> DataRequest:
    call.workflow(workflow_id)
    found = call.session.get(DataRequest, request_id)
    if found is None or found.workflow_id != workflow_id:
        raise ApiError(404, f"Couldn't find DataRequest with 'id'={request_id}")
    return found


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the routes."""
    routes = new_blueprint("data_requests")

    @routes.get(f"/workflows/<{ID}:workflow_id>/data_requests")
    def index(workflow_id: int) -> Response:
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            found = call.session.scalars(
                select(DataRequest)
                .where(DataRequest.workflow_id == workflow_id)
                .order_by(DataRequest.id.desc())
            )
            return jsonify([_json(sandbox, request) for request in found])

    @routes.post(f"/workflows/<{ID}:workflow_id>/data_requests")
    def create(workflow_id: int) -> Response:
        part = required_part(body_object(), "data_request")
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            request = DataRequest(
                workflow_id=workflow_id,
                user_id=call.user.user_id,
                requested_data=chosen(part.get("requested_data"), tuple(SOURCES), "requested_data"),
                subgroup=part.get("subgroup"),
                secret=secrets.token_hex(16),
                created_at=call.now,
                updated_at=call.now,
            )
            call.session.add(request)
            call.session.flush()
            sandbox.jobs.enqueue(call.session, JOB, {"request_id": request.id})
            return created(request)

    @routes.get(f"/workflows/<{ID}:workflow_id>/data_requests/<{ID}:request_id>")
    def show(workflow_id: int, request_id: int) -> Response:
        with open_call(sandbox) as call:
            return jsonify(_json(sandbox, _find(call, workflow_id, request_id)))

    @routes.get(f"/caesar_files/<{ID}:request_id>/<secret>.csv")
    def download(request_id: int, secret: str) -> Response:
        with open_call(sandbox) as call:
            request = call.session.get(DataRequest, request_id)
            known = request is not None and secrets.compare_digest(request.secret, secret)
            if request is None or not known or request.status != "complete":
                raise ApiError(404, "There is no such file")
            path = file_path(sandbox, request)
        return send_file(path, mimetype="text/csv", download_name=f"{request.requested_data}.csv")

    return routes
