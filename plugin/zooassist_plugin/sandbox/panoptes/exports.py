"""How are exports made and fetched? ``creating``, then ``ready`` or ``failed``; one a day.

Links are signed and short-lived.
"""

from __future__ import annotations

import csv
import gzip
import io
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request, send_file
from sqlalchemy import select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.addresses import base_url
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.jobs import Afterword, Task
from zooassist_plugin.sandbox.panoptes.attached import represent_medium
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    enforce_conventions,
    read_envelope,
)
from zooassist_plugin.sandbox.panoptes.envelope import answer, etag_of, page_meta
from zooassist_plugin.sandbox.panoptes.export_rows import EXPORTS
from zooassist_plugin.sandbox.panoptes.resource import Registry, Resource
from zooassist_plugin.sandbox.panoptes.tables import Medium
from zooassist_plugin.sandbox.problems import ApiError

EXPORT_JOB = "panoptes.export"
# Twice more, after a quarter of a minute and five: what fails then fails for good.
EXPORT_TRIES = 3
# Azure's default for Panoptes' private links: five minutes.
LINK_LIFETIME = 300
# Whoever may edit the project may read its exports; other people learn nothing.


def _file(sandbox: Sandbox, name: str) -> Path:
    return sandbox.config.state / "exports" / name


def _source(sandbox: Sandbox, row: Medium) -> str:
    path = f"exports/{row.path}"
    expires = sandbox.config.clock() + timedelta(seconds=LINK_LIFETIME)
    return f"{base_url(sandbox.config)}/{path}?{sandbox.keys.signed_query('GET', path, expires)}"


def _find(call: Call, resource: str, owner_id: int, kind: str) -> Medium | None:
    return call.session.scalars(
        select(Medium)
        .where(
            Medium.linked_type == resource,
            Medium.linked_id == owner_id,
            Medium.medium_type == kind,
        )
        .with_for_update()
    ).first()


def _item(call: Call, row: Medium) -> Body:
    href = f"/{row.linked_type}/{row.linked_id}/{row.medium_type}"
    return represent_medium(row, _source(call.sandbox, row), href)


def _request_export(call: Call, resource: str, owner_id: int, kind: str) -> Medium:
    """Set the row to ``creating`` and queue its job, unless one ran within the interval.

    Over the limit Panoptes cancels the job after it has reset the row, which then says
    ``creating`` until somebody asks again a day later: kept, since clients must survive it.
    """
    body = read_envelope("media")[0]
    if body.get("content_type") != "text/csv":
        raise ApiError(
            422, f"media.content_type: expected text/csv, got {body.get('content_type')}"
        )
    row = _find(call, resource, owner_id, kind)
    if row is None:
        row = Medium(
            linked_type=resource,
            linked_id=owner_id,
            medium_type=kind,
            content_type="text/csv",
            path=f"{secrets.token_hex(16)}.csv",
            private=True,
            created_at=call.now,
            updated_at=call.now,
        )
        call.session.add(row)
    interval = timedelta(seconds=call.sandbox.config.export_interval)
    limited = row.job_started_at is not None and call.now < row.job_started_at + interval
    row.metadata_ = {"state": "creating", "recipients": [call.user.user_id]}
    row.touch(call.now)
    call.session.flush()
    if not limited or call.user.admin:
        row.job_started_at = call.now
        delay = call.sandbox.config.export_delay
        call.sandbox.jobs.enqueue(call.session, EXPORT_JOB, {"medium_id": row.id}, delay)
    return row


def _write(sandbox: Sandbox, row: Medium) -> int:
    """Write the gzip file of an export and publish it by rename; returns its number of rows."""
    columns, make_rows = EXPORTS[row.linked_type, row.medium_type]
    target = _file(sandbox, row.path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
    count = 0
    try:
        with (
            gzip.GzipFile(partial, "wb", mtime=0) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
        ):
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(columns)
            for cells in make_rows(sandbox, row.linked_id):
                writer.writerow(cells)
                count += 1
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _note(row: Medium, state: str, sandbox: Sandbox) -> None:
    row.metadata_ = row.metadata_ | {"state": state}
    row.touch(sandbox.config.clock())


def export_task(sandbox: Sandbox) -> Task:
    """Return the job that writes one export; run twice, it writes the same file again."""

    def run(payload: dict[str, Any]) -> None:
        with sandbox.store.session() as session:
            row = session.get(Medium, payload["medium_id"])
        if row is None:
            return  # its project was deleted meanwhile
        _write(sandbox, row)
        with sandbox.store.session() as session:
            _note(session.get_one(Medium, payload["medium_id"]), "ready", sandbox)

    return run


def failed_export(sandbox: Sandbox) -> Afterword:
    """Return what marks an export as failed; it may be asked for again at once."""

    def fail(session: Session, payload: dict[str, Any]) -> None:
        row = session.get(Medium, payload["medium_id"])
        if row is not None:
            _note(row, "failed", sandbox)
            row.job_started_at = None

    return fail


def _owners(registry: Registry, resource: str, kind: str) -> Resource[Any]:
    if (resource, kind) not in EXPORTS:
        raise ApiError(404, f"Not found: /{resource}/:id/{kind}")
    return registry[resource]


def exports_blueprint(sandbox: Sandbox, registry: Registry) -> Blueprint:
    """Return /api/<resource>/:id/<kind>_export."""
    blueprint = Blueprint("exports", __name__, url_prefix="/api/<resource>/<int:owner_id>")
    route = "/<any(classifications_export, subjects_export, workflows_export):kind>"

    @blueprint.get(route)
    def describe(resource: str, owner_id: int, kind: str) -> Response:
        owners = _owners(registry, resource, kind)
        with open_call(sandbox) as call:
            owner = owners.find_editable(call, as_id(owner_id))
            row = _find(call, resource, owner.id, kind)
            if row is None:
                raise ApiError(404, f"No {kind} exists for {owners.singular} #{owner_id}")
            meta = page_meta(1, 20, 1, 1)
            return answer("media", [_item(call, row)], meta=meta, etag=etag_of(row))

    @blueprint.post(route)
    def generate(resource: str, owner_id: int, kind: str) -> Response:
        owners = _owners(registry, resource, kind)
        with open_call(sandbox) as call:
            owner = owners.find_editable(call, as_id(owner_id))
            row = _request_export(call, resource, owner.id, kind)
            return answer("media", [_item(call, row)], etag=etag_of(row), status=201)

    return enforce_conventions(blueprint)


def export_files_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /exports/<name>: the signed, short-lived links."""
    blueprint = Blueprint("export_files", __name__, url_prefix="/exports")

    @blueprint.get("/<name>")
    def download(name: str) -> Response:
        expires = request.args.get("expires", "")
        signature = request.args.get("signature", "")
        now = sandbox.config.clock()
        if not sandbox.keys.verify("GET", f"exports/{name}", expires, signature, now):
            raise ApiError(403, "The link is not ours or has expired; ask for the export again")
        path = _file(sandbox, name)
        if not path.is_file():
            raise ApiError(404, "The export is not ready yet")
        response = send_file(path, mimetype="text/csv", conditional=False, etag=False)
        # The file store sends what the upload said, which names no charset. Clients that let
        # requests guess (panoptes-client's csv_reader) then read ISO-8859-1: better seen here.
        response.headers["Content-Type"] = "text/csv"
        response.headers["Content-Encoding"] = "gzip"
        return response

    return blueprint
