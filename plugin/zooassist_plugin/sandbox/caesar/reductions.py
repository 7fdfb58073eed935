"""How are reductions written and read one by one? And extracts read, by subject."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import Select, select

from zooassist_plugin.sandbox.caesar.access import Call, open_call
from zooassist_plugin.sandbox.caesar.answers import (
    ID,
    as_id,
    body_object,
    new_blueprint,
    required_part,
)
from zooassist_plugin.sandbox.caesar.rendering import extract_json, reduction_json
from zooassist_plugin.sandbox.caesar.rule_checks import enqueue_checks
from zooassist_plugin.sandbox.caesar.tables import (
    DEFAULT_SUBGROUP,
    CaesarSubject,
    Extract,
    Reducer,
    SubjectReduction,
)
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError


def _subject(call: Call, part: Mapping[str, Any]) -> CaesarSubject:
    """Return the subject of a reduction: Caesar must have met it before."""
    number = as_id(part.get("subject_id"))
    found = call.session.get(CaesarSubject, number) if number else None
    if found is None:
        raise ApiError(404, f"Couldn't find Subject with 'id'={part.get('subject_id')}")
    return found


def _write(call: Call, workflow_id: int, key: str, part: Mapping[str, Any]) -> SubjectReduction:
    workflow = call.workflow(workflow_id)
    if not isinstance(part.get("data"), dict):
        raise ApiError(422, f"reduction data must be a JSON object; got {part.get('data')!r:.80}")
    known = call.session.scalar(
        select(Reducer.id).where(Reducer.workflow_id == workflow_id, Reducer.key == key)
    )
    if known is None:
        raise ApiError(404, f"Couldn't find Reducer with 'key'={key}")
    subject = _subject(call, part)
    subgroup = str(part.get("subgroup") or DEFAULT_SUBGROUP)
    reduction = call.session.scalar(
        select(SubjectReduction).where(
            SubjectReduction.workflow_id == workflow_id,
            SubjectReduction.subject_id == subject.id,
            SubjectReduction.reducer_key == key,
            SubjectReduction.subgroup == subgroup,
        )
    )
    if reduction is not None and reduction.data == part["data"]:
        return reduction
    if reduction is None:
        reduction = SubjectReduction(
            workflow_id=workflow_id,
            project_id=workflow.project_id,
            subject_id=subject.id,
            reducer_key=key,
            subgroup=subgroup,
            store={},
            extract_ids=[],
            lock_version=-1,
            created_at=call.now,
        )
        call.session.add(reduction)
    reduction.data, reduction.updated_at = part["data"], call.now
    reduction.lock_version += 1
    call.session.flush()
    enqueue_checks(call.sandbox, call.session, workflow_id, "subject", [subject.id])
    return reduction


def _listed(call: Call, workflow_id: int) -> Select[SubjectReduction]:
    call.readable_workflow(workflow_id, "public_reductions")
    table = SubjectReduction
    return select(table).where(table.workflow_id == workflow_id).order_by(table.id)


def _subject_argument() -> int:
    """Return the query's ``subject_id``; one that is no number matches nothing, as in Rails."""
    return as_id(request.args.get("subject_id")) or 0


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the routes."""
    routes = new_blueprint("reductions")

    # The second address is the older one; both are only ever PUT.
    @routes.put(f"/workflows/<{ID}:workflow_id>/subject_reductions/<key>")
    @routes.put(f"/workflows/<{ID}:workflow_id>/reducers/<key>/reductions")
    def write(workflow_id: int, key: str) -> Response:
        part = required_part(body_object(), "reduction")
        with open_call(sandbox) as call:
            return jsonify(reduction_json(_write(call, workflow_id, key, part)))

    @routes.get(f"/workflows/<{ID}:workflow_id>/subjects/<{ID}:subject_id>/reductions")
    def by_subject(workflow_id: int, subject_id: int) -> Response:
        with open_call(sandbox) as call:
            query = _listed(call, workflow_id).where(SubjectReduction.subject_id == subject_id)
            if "reducer_key" in request.args:
                query = query.where(SubjectReduction.reducer_key == request.args["reducer_key"])
            return jsonify([reduction_json(row) for row in call.session.scalars(query)])

    @routes.get(f"/workflows/<{ID}:workflow_id>/subject_reductions/<key>")
    @routes.get(f"/workflows/<{ID}:workflow_id>/reducers/<key>/reductions")
    def by_key(workflow_id: int, key: str) -> Response:
        with open_call(sandbox) as call:
            query = _listed(call, workflow_id).where(
                SubjectReduction.reducer_key == key,
                SubjectReduction.subject_id == _subject_argument(),
            )
            return jsonify([reduction_json(row) for row in call.session.scalars(query)])

    @routes.get(f"/workflows/<{ID}:workflow_id>/extractors/<key>/extracts")
    def extracts(workflow_id: int, key: str) -> Response:
        del key  # Caesar ignores it, and lists the extracts of every extractor
        with open_call(sandbox) as call:
            call.readable_workflow(workflow_id, "public_extracts")
            query = (
                select(Extract)
                .where(
                    Extract.workflow_id == workflow_id, Extract.subject_id == _subject_argument()
                )
                .order_by(Extract.id)
            )
            return jsonify([extract_json(row) for row in call.session.scalars(query)])

    return routes
