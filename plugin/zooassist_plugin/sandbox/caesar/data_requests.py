"""How does one get everything as one file? ``/workflows/:id/data_requests``.

The file is written by a background job into the state folder and served at an unguessable URL.
"""

from __future__ import annotations

import csv
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Response, jsonify, send_file
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

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
from zooassist_plugin.sandbox.caesar.tables import (
    DataRequest,
    Extract,
    Stamped,
    SubjectReduction,
    UserReduction,
)
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError

JOB = "caesar.data_request"
_BATCH = 1000


def _extracts(request: DataRequest) -> Select[Any]:
    return select(Extract).where(Extract.workflow_id == request.workflow_id).order_by(Extract.id)


def _subject_reductions(request: DataRequest) -> Select[Any]:
    table = SubjectReduction
    query = select(table).where(table.workflow_id == request.workflow_id).order_by(table.id)
    return query.where(table.subgroup == request.subgroup) if request.subgroup else query


def _user_reductions(request: DataRequest) -> Select[Any]:
    table = UserReduction
    query = select(table).where(table.workflow_id == request.workflow_id).order_by(table.id)
    return query.where(table.subgroup == request.subgroup) if request.subgroup else query


SOURCES: dict[str, Callable[[DataRequest], Select[Any]]] = {
    "extracts": _extracts,
    "subject_reductions": _subject_reductions,
    "user_reductions": _user_reductions,
}


def file_path(sandbox: Sandbox, request: DataRequest) -> Path:
    """Return where the file of one request lies."""
    return sandbox.config.state / "caesar" / f"{request.id}-{request.secret}.csv"


def file_url(sandbox: Sandbox, request: DataRequest) -> str | None:
    """Return the address of a finished file, None before."""
    if request.status != "complete":
        return None
    return f"{sandbox.config.public_url}/caesar_files/{request.id}/{request.secret}.csv"


def _json(sandbox: Sandbox, request: DataRequest) -> dict[str, Any]:
    return {**row_json(request), "url": file_url(sandbox, request)}


def _cell(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    return orjson.dumps(value).decode() if isinstance(value, (dict, list, bool)) else value


def _data_columns(session: Session, query: Select[Any]) -> list[str]:
    names: dict[str, None] = {}
    for row in session.scalars(query.execution_options(yield_per=_BATCH)):
        if isinstance(row.data, dict):
            names.update(dict.fromkeys(row.data))
    return sorted(names)


def _plain(row: Stamped) -> dict[str, Any]:
    return {name: value for name, value in row_json(row).items() if name != "data"}


def _write(session: Session, request: DataRequest, target: Path) -> int:
    """Write the file in two passes, columns then rows, so that memory does not grow with it."""
    query = SOURCES[request.requested_data](request)
    columns = _data_columns(session, query)
    table = query.column_descriptions[0]["entity"]
    fixed = [column.name for column in table.__table__.columns]
    fixed = [name for name in fixed if name not in ("data", "extract_ids")]
    partial = target.with_suffix(".partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*fixed, *(f"data.{column}" for column in columns)])
        for row in session.scalars(query.execution_options(yield_per=_BATCH)):
            plain, data = _plain(row), row.data if isinstance(row.data, dict) else {}
            writer.writerow(
                [_cell(plain[name]) for name in fixed] + [_cell(data.get(key)) for key in columns]
            )
            count += 1
    partial.replace(target)
    return count


def job(sandbox: Sandbox) -> Callable[[dict[str, Any]], None]:
    """Return the background task that writes one file."""

    def run(payload: dict[str, Any]) -> None:
        with sandbox.store.session() as session:
            request = session.get_one(DataRequest, payload["request_id"])
            request.status = "processing"
        with sandbox.store.session() as session:
            request = session.get_one(DataRequest, payload["request_id"])
            request.records_count = _write(session, request, file_path(sandbox, request))
            request.status, request.updated_at = "complete", sandbox.config.clock()

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
