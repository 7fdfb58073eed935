"""Which reducers does a workflow have? ``/workflows/:id/reducers``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import select

from zooassist_plugin.sandbox.caesar.access import Call, open_call
from zooassist_plugin.sandbox.caesar.answers import (
    ID,
    body_object,
    chosen,
    new_blueprint,
    no_content,
    required_part,
    row_json,
)
from zooassist_plugin.sandbox.caesar.reducer_settings import (
    MODES,
    TOPICS,
    reducer_config,
    reducer_filters,
    reducer_grouping,
    reducer_type,
)
from zooassist_plugin.sandbox.caesar.tables import Reducer
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError


def _check_key(call: Call, workflow_id: int, part: Mapping[str, Any], own_id: int | None) -> str:
    key = part.get("key")
    if not isinstance(key, str) or not key:
        raise ApiError(422, "Key can't be blank")
    taken = call.session.scalar(
        select(Reducer.id).where(Reducer.workflow_id == workflow_id, Reducer.key == key)
    )
    if taken is not None and taken != own_id:
        raise ApiError(422, "Key has already been taken")
    return key


def _find(call: Call, workflow_id: int, reducer_id: int) -> Reducer:
    call.workflow(workflow_id)
    found = call.session.get(Reducer, reducer_id)
    if found is None or found.workflow_id != workflow_id:
        raise ApiError(404, f"Couldn't find Reducer with 'id'={reducer_id}")
    return found


def _create(call: Call, workflow_id: int, part: Mapping[str, Any]) -> Reducer:
    name = reducer_type(part)
    reducer = Reducer(
        workflow_id=workflow_id,
        key=_check_key(call, workflow_id, part, None),
        type=name,
        topic=chosen(part.get("topic") or TOPICS[0], TOPICS, "topic"),
        reduction_mode=chosen(part.get("reduction_mode") or MODES[0], MODES, "reduction_mode"),
        filters=reducer_filters(part.get("filters")),
        grouping=reducer_grouping(part.get("grouping")),
        config=reducer_config(name, part),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(reducer)
    call.session.flush()
    return reducer


def _update(call: Call, reducer: Reducer, part: Mapping[str, Any]) -> None:
    if "key" in part:
        reducer.key = _check_key(call, reducer.workflow_id, part, reducer.id)
    if "topic" in part:
        reducer.topic = chosen(part["topic"], TOPICS, "topic")
    if "reduction_mode" in part:
        reducer.reduction_mode = chosen(part["reduction_mode"], MODES, "reduction_mode")
    if "filters" in part:
        reducer.filters = reducer_filters(part["filters"])
    if "grouping" in part:
        reducer.grouping = reducer_grouping(part["grouping"])
    reducer.config = reducer_config(reducer.type, {**reducer.config, **part})
    reducer.updated_at = call.now


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the routes."""
    routes = new_blueprint("reducers")

    @routes.get(f"/workflows/<{ID}:workflow_id>/reducers")
    def index(workflow_id: int) -> Response:
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            found = call.session.scalars(
                select(Reducer).where(Reducer.workflow_id == workflow_id).order_by(Reducer.id)
            )
            return jsonify([row_json(reducer) for reducer in found])

    @routes.post(f"/workflows/<{ID}:workflow_id>/reducers")
    def create(workflow_id: int) -> Response:
        part = required_part(body_object(), "reducer")
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            return jsonify(row_json(_create(call, workflow_id, part)))

    @routes.get(f"/workflows/<{ID}:workflow_id>/reducers/<{ID}:reducer_id>")
    def show(workflow_id: int, reducer_id: int) -> Response:
        with open_call(sandbox) as call:
            return jsonify(row_json(_find(call, workflow_id, reducer_id)))

    @routes.put(f"/workflows/<{ID}:workflow_id>/reducers/<{ID}:reducer_id>")
    def update(workflow_id: int, reducer_id: int) -> Response:
        part = required_part(body_object(), "reducer")
        with open_call(sandbox) as call:
            _update(call, _find(call, workflow_id, reducer_id), part)
            return no_content()

    @routes.delete(f"/workflows/<{ID}:workflow_id>/reducers/<{ID}:reducer_id>")
    def delete(workflow_id: int, reducer_id: int) -> Response:
        with open_call(sandbox) as call:
            call.session.delete(_find(call, workflow_id, reducer_id))
            return no_content()

    return routes
