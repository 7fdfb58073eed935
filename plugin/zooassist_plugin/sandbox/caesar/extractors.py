"""Which extractors does a workflow have? ``/workflows/:id/extractors``."""

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
    created,
    new_blueprint,
    no_content,
    required_part,
    row_json,
)
from zooassist_plugin.sandbox.caesar.json_path import parse_path
from zooassist_plugin.sandbox.caesar.tables import Extractor
from zooassist_plugin.sandbox.caesar.urls import require_callable_url
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError

# Type -> its configuration fields and their defaults; every other key of a request is dropped.
FIELDS: dict[str, dict[str, Any]] = {
    "blank": {"task_key": "T0"},
    "external": {"url": None},
    "pluck_field": {"path": None, "name": None, "if_missing": "error"},
    "question": {"task_key": "T0", "if_missing": "error"},
    "shape": {"task_key": "T0", "shape": None, "if_missing": "ignore"},
    "survey": {"task_key": "T0", "if_missing": "error", "nothing_here_choice": None},
    "who": {},
}
IF_MISSING = ("error", "ignore", "reject")
# The drawing tools that both classifiers have and that aggregation-for-caesar extracts as shapes.
SHAPES = ("circle", "ellipse", "line", "point", "rectangle", "rotateRectangle")


def _config(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    nested = part.get("config")
    given = {**(nested if isinstance(nested, dict) else {}), **part}
    fields = FIELDS[name]
    config = {key: given.get(key) or default for key, default in fields.items()}
    if "url" in fields and config["url"]:
        config["url"] = require_callable_url(config["url"])
    if "if_missing" in fields:
        words = (*IF_MISSING, "nothing_here") if name == "survey" else IF_MISSING
        chosen(config["if_missing"], words, "if_missing")
    if "shape" in fields:
        chosen(config["shape"], SHAPES, "shape")
    if name == "pluck_field":
        if not config["name"]:
            raise ApiError(422, "name must say under which key the value is kept; it is missing")
        try:
            parse_path(str(config["path"] or ""))
        except ValueError as error:
            raise ApiError(422, f"path: {error}") from None
    return config


def _key(call: Call, workflow_id: int, part: Mapping[str, Any], own_id: int | None) -> str:
    key = part.get("key")
    if not isinstance(key, str) or not key:
        raise ApiError(422, "Key can't be blank")
    taken = call.session.scalar(
        select(Extractor.id).where(Extractor.workflow_id == workflow_id, Extractor.key == key)
    )
    if taken is not None and taken != own_id:
        raise ApiError(422, "Key has already been taken")
    return key


def _minimum_version(part: Mapping[str, Any]) -> str | None:
    value = part.get("minimum_workflow_version")
    if value in (None, ""):
        return None
    if not all(number.isdigit() for number in str(value).split(".")):
        raise ApiError(422, f"minimum_workflow_version must be like 7.3; got {value!r}")
    return str(value)


def _find(call: Call, workflow_id: int, extractor_id: int) -> Extractor:
    call.workflow(workflow_id)
    found = call.session.get(Extractor, extractor_id)
    if found is None or found.workflow_id != workflow_id:
        raise ApiError(404, f"Couldn't find Extractor with 'id'={extractor_id}")
    return found


def _create(call: Call, workflow_id: int, part: Mapping[str, Any]) -> Extractor:
    name = str(part.get("type", ""))
    if name not in FIELDS:
        raise ApiError(422, f"Unknown type {name}")
    extractor = Extractor(
        workflow_id=workflow_id,
        key=_key(call, workflow_id, part, None),
        type=name,
        config=_config(name, part),
        minimum_workflow_version=_minimum_version(part),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(extractor)
    call.session.flush()
    return extractor


def _update(call: Call, extractor: Extractor, part: Mapping[str, Any]) -> None:
    if "key" in part:
        extractor.key = _key(call, extractor.workflow_id, part, extractor.id)
    if "minimum_workflow_version" in part:
        extractor.minimum_workflow_version = _minimum_version(part)
    extractor.config = _config(extractor.type, {**extractor.config, **part})
    extractor.updated_at = call.now


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the routes."""
    routes = new_blueprint("extractors")

    @routes.get(f"/workflows/<{ID}:workflow_id>/extractors")
    def index(workflow_id: int) -> Response:
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            found = call.session.scalars(
                select(Extractor).where(Extractor.workflow_id == workflow_id).order_by(Extractor.id)
            )
            return jsonify([row_json(extractor) for extractor in found])

    @routes.post(f"/workflows/<{ID}:workflow_id>/extractors")
    def create(workflow_id: int) -> Response:
        part = required_part(body_object(), "extractor")
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            return created(_create(call, workflow_id, part))

    @routes.get(f"/workflows/<{ID}:workflow_id>/extractors/<{ID}:extractor_id>")
    def show(workflow_id: int, extractor_id: int) -> Response:
        with open_call(sandbox) as call:
            return jsonify(row_json(_find(call, workflow_id, extractor_id)))

    @routes.put(f"/workflows/<{ID}:workflow_id>/extractors/<{ID}:extractor_id>")
    def update(workflow_id: int, extractor_id: int) -> Response:
        part = required_part(body_object(), "extractor")
        with open_call(sandbox) as call:
            _update(call, _find(call, workflow_id, extractor_id), part)
            return no_content()

    @routes.delete(f"/workflows/<{ID}:workflow_id>/extractors/<{ID}:extractor_id>")
    def delete(workflow_id: int, extractor_id: int) -> Response:
        with open_call(sandbox) as call:
            call.session.delete(_find(call, workflow_id, extractor_id))
            return no_content()

    return routes
