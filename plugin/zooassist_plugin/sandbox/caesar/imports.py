"""How do machine extracts get in by the thousand? ``POST /workflows/:id/extracts/import``.

The answer comes at once and says nothing: a background job fetches the CSV, row by row, stores what
it can read, and has the workflow's reducers run again. Who needs to know reads the reductions back.
"""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, cast

import requests
from flask import Blueprint, Response
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.caesar.access import open_call
from zooassist_plugin.sandbox.caesar.answers import (
    ID,
    as_id,
    body_object,
    new_blueprint,
    no_content,
)
from zooassist_plugin.sandbox.caesar.reducing import RERUN_JOB
from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, CaesarWorkflow, Extract
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json

log = logging.getLogger(__name__)

JOB = "caesar.import_extracts"
TRIES = 3
# Rows per transaction: few enough that memory and the write lock stay small.
_CHUNK = 500


@dataclass(frozen=True)
class _Row:
    subject_id: int
    extractor_key: str
    workflow_version: str
    data: Any

    @property
    def identity(self) -> tuple[int, str, str]:
        return self.subject_id, self.extractor_key, self.workflow_version


def parse_cell(cell: str) -> Any:  # noqa: ANN401 - any JSON value
    """Parse a ``data`` cell strictly; what is not JSON (``NaN``, say) stays a plain string."""
    try:
        return parse_json(cell)
    except ValueError:
        return cell


def read_rows(lines: Iterable[str]) -> Iterator[_Row]:
    """Read the rows of an import CSV; those without subject or key are skipped silently."""
    # A contour may have more characters than the csv module's 131,072 for one cell.
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    for row in csv.DictReader(lines):
        subject_id = as_id((row.get("subject_id") or "").strip())
        key = row.get("extractor_key") or ""
        if not key or subject_id is None:
            continue
        yield _Row(
            subject_id, key, row.get("workflow_version") or "", parse_cell(row.get("data") or "")
        )


def _chunks(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    source = iter(rows)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def _ensure_subjects(session: Session, numbers: Sequence[int], now: datetime) -> None:
    known = set(session.scalars(select(CaesarSubject.id).where(CaesarSubject.id.in_(numbers))))
    new = [
        {"id": number, "metadata_": {}, "created_at": now, "updated_at": now}
        for number in numbers
        if number not in known
    ]
    if new:
        session.execute(insert(CaesarSubject), new)


def _known_extracts(
    session: Session, workflow_id: int, numbers: Sequence[int]
) -> dict[tuple[int, str, str], int]:
    rows = session.execute(
        select(
            Extract.subject_id, Extract.extractor_key, Extract.workflow_version, Extract.id
        ).where(
            Extract.workflow_id == workflow_id,
            Extract.subject_id.in_(numbers),
            Extract.classification_id.is_(None),
        )
    )
    return {(subject, key, version): number for subject, key, version, number in rows}


def store_rows(
    session: Session, workflow: CaesarWorkflow, rows: Sequence[_Row], now: datetime
) -> None:
    """Upsert machine extracts; a known one gets new data and keeps its time."""
    latest: Mapping[tuple[int, str, str], _Row] = {row.identity: row for row in rows}
    numbers = sorted({row.subject_id for row in rows})
    _ensure_subjects(session, numbers, now)
    known = _known_extracts(session, workflow.id, numbers)
    inserts, updates = [], []
    for identity, row in latest.items():
        if identity in known:
            updates.append({"id": known[identity], "data": row.data, "updated_at": now})
            continue
        inserts.append(
            {
                "workflow_id": workflow.id,
                "project_id": workflow.project_id,
                "subject_id": row.subject_id,
                "extractor_key": row.extractor_key,
                "workflow_version": row.workflow_version,
                "machine_data": True,
                "classification_at": now,
                "data": row.data,
                "created_at": now,
                "updated_at": now,
            }
        )
    if inserts:
        session.execute(insert(Extract), inserts)
    if updates:
        session.execute(update(Extract), updates)


class Imports:
    """The import jobs of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def run(self, payload: dict[str, Any]) -> None:
        """Job: fetch one CSV, store its rows, and order the reducers to run again."""
        clock, store = self._sandbox.config.clock, self._sandbox.store
        workflow_id, count = payload["workflow_id"], 0
        with store.session() as session:
            workflow = session.get(CaesarWorkflow, workflow_id)
        if workflow is None:
            return
        timeout = self._sandbox.config.callback_timeout
        with requests.get(payload["file"], stream=True, timeout=timeout) as answer:
            answer.raise_for_status()
            answer.raw.decode_content = True
            answer.raw.auto_close = False  # else it closes itself before its reader sees the end
            # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
            stream = io.TextIOWrapper(cast(Any, answer.raw), encoding="utf-8-sig", newline="")
            # The network is read between transactions, never inside one: the file may well be
            # hosted by this very process.
            for chunk in _chunks(read_rows(stream)):
                with store.session() as session:
                    store_rows(session, workflow, chunk, clock())
                count += len(chunk)
        log.info("workflow %s: %d machine extracts imported", workflow_id, count)
        with store.session() as session:
            self._sandbox.jobs.enqueue(session, RERUN_JOB, {"workflow_id": workflow_id})


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the route."""
    routes = new_blueprint("imports")

    @routes.post(f"/workflows/<{ID}:workflow_id>/extracts/import")
    def import_extracts(workflow_id: int) -> Response:
        body = body_object()
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            if not isinstance(body.get("file"), str) or not body["file"]:
                raise ApiError(404, "CSV must be included")
            job = {"workflow_id": workflow_id, "file": body["file"]}
            sandbox.jobs.enqueue(call.session, JOB, job)
            return no_content()

    return routes
