"""How do many subjects come in at once? /api/subject_set_imports: a manifest CSV at a URL."""

from __future__ import annotations

import csv
import mimetypes
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.jobs import Task
from zooassist_plugin.sandbox.panoptes.access import in_editable_project
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import stamp
from zooassist_plugin.sandbox.panoptes.media import EXTENSIONS
from zooassist_plugin.sandbox.panoptes.membership import add_subjects
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.schemas import OBJECT, TEXT, Schema
from zooassist_plugin.sandbox.panoptes.subject_sets import SUBJECT_SETS
from zooassist_plugin.sandbox.panoptes.subjects import lower_priority_key
from zooassist_plugin.sandbox.panoptes.tables import Subject, SubjectSet, SubjectSetImport
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import NUL

IMPORT_JOB = "panoptes.subject_set_import"
MOST_ROWS = 10_000
BATCH = 500
TIMEOUT = 30.0
IMPORT = Schema(
    "subject_set_imports", {"source_url": TEXT, "links": OBJECT}, required=("source_url", "links")
)


def _represent(_call: Call, rows: Sequence[SubjectSetImport]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "source_url": row.source_url,
            "manifest_count": row.manifest_count,
            "imported_count": row.imported_count,
            "failed_count": row.failed_count,
            "failed_uuids": row.failed_uuids,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/subject_set_imports/{row.id}",
            "links": {"subject_set": str(row.subject_set_id), "user": str(row.user_id)},
        }
        for row in rows
    ]


def _create(call: Call, body: Body) -> SubjectSetImport:
    IMPORT.check(body)
    subject_set = SUBJECT_SETS.find_editable(call, linked_id(body, "subject_set"))
    if urlsplit(body["source_url"]).scheme not in ("http", "https"):
        raise ApiError(422, f"source_url: expected an http(s) URL, got {body['source_url']!r}")
    row = SubjectSetImport(
        subject_set_id=subject_set.id,
        user_id=call.user.user_id,
        source_url=body["source_url"],
        failed_uuids=[],
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    call.session.flush()
    call.sandbox.jobs.enqueue(call.session, IMPORT_JOB, {"import_id": row.id})
    return row


def _visible(call: Call) -> ColumnElement[bool]:
    sets = select(SubjectSet.id).where(in_editable_project(call, SubjectSet.project_id.expression))
    return SubjectSetImport.subject_set_id.in_(sets)


SUBJECT_SET_IMPORTS = Resource(
    name="subject_set_imports",
    singular="subject_set_import",
    table=SubjectSetImport,
    visible=_visible,
    represent=_represent,
    link_types={"subject_set": "subject_sets", "user": "users"},
    filters={
        "subject_set_id": lambda _call, text: SubjectSetImport.subject_set_id.in_(as_ids(text))
    },
    sorts={"id": SubjectSetImport.id},
    create=_create,
)


def _read_manifest(url: str) -> list[dict[str, str]]:
    """Fetch and parse a manifest; a list that is too long or not a manifest is an error."""
    answer = requests.get(url, timeout=TIMEOUT)
    answer.raise_for_status()
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))
    if len(rows) > MOST_ROWS:
        raise ValueError(f"{url}: {len(rows)} rows; expected at most {MOST_ROWS}")
    if rows and not any(name.startswith("location:") for name in rows[0]):
        raise ValueError(f"{url}: expected columns external_id, location:1, metadata:<key>")
    return rows


def _location(url: str) -> dict[str, str]:
    mime = mimetypes.guess_type(urlsplit(url).path)[0] or ""
    if mime not in EXTENSIONS or urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url}: expected an http(s) URL of a known media type")
    return {"mime": mime, "url": url}


def _subject(row: dict[str, str], subject_set: SubjectSet, job: SubjectSetImport) -> Subject:
    columns = sorted(
        (name for name in row if name and name.startswith("location:") and row[name]),
        key=lambda name: name.partition(":")[2].zfill(9),
    )
    if not columns:
        raise ValueError("no location")
    if any(NUL in value for value in row.values() if isinstance(value, str)):
        raise ValueError("a cell holds the character NUL")
    metadata = {
        name.partition(":")[2]: value
        for name, value in row.items()
        if name and name.startswith("metadata:")
    }
    return Subject(
        project_id=subject_set.project_id,
        uploader_id=job.user_id,
        locations=[_location(row[name]) for name in columns],
        metadata_=lower_priority_key(metadata),
        external_id=row.get("external_id"),
        created_at=job.updated_at,
        updated_at=job.updated_at,
    )


def _import_batch(session: Session, import_id: int, rows: list[dict[str, str]]) -> None:
    job = session.get_one(SubjectSetImport, import_id)
    subject_set = session.get_one(SubjectSet, job.subject_set_id)
    made, failed = [], list(job.failed_uuids)
    for row in rows:
        try:
            made.append(_subject(row, subject_set, job))
        except ValueError:
            failed.append(row.get("external_id") or "")
    session.add_all(made)
    session.flush()
    add_subjects(session, subject_set.id, [subject.id for subject in made], job.updated_at)
    job.imported_count += len(made)
    job.failed_count, job.failed_uuids = len(failed), failed


def import_task(sandbox: Sandbox) -> Task:
    """Return the job behind POST subject_set_imports; run again, it goes on where it stopped."""

    def run(payload: dict[str, Any]) -> None:
        number = payload["import_id"]
        with sandbox.store.session() as session:
            job = session.get_one(SubjectSetImport, number)
        rows = _read_manifest(job.source_url)
        with sandbox.store.session() as session:
            session.get_one(SubjectSetImport, number).manifest_count = len(rows)
        for start in range(job.imported_count + job.failed_count, len(rows), BATCH):
            with sandbox.store.session() as session:
                _import_batch(session, number, rows[start : start + BATCH])

    return run
