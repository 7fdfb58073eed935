"""How does Caesar word its answers? Rows as Rails renders them, errors, strict request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import inspect

from zooassist_plugin.sandbox.caesar.tables import LARGEST_ID, Stamped
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json

# An id in an address; what no id can be is a plain 404.
ID = f"int(max={LARGEST_ID})"
# Columns that exist for our bookkeeping only.
_HIDDEN = frozenset({"secret", "extract_ids", "kind"})


def rails_time(moment: datetime) -> str:
    """Write a moment as Rails does: UTC, three decimals, ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def row_json(row: Stamped) -> dict[str, Any]:
    """Render the columns of one row; identifiers stay integers, as in Caesar."""
    rendered: dict[str, Any] = {"id": row.id}
    for attribute in inspect(type(row)).column_attrs:
        name = str(attribute.columns[0].name)  # a plain str: SQLAlchemy has its own kind
        if name not in _HIDDEN:
            value = getattr(row, attribute.key)
            rendered[name] = rails_time(value) if isinstance(value, datetime) else value
    return rendered


def problem(status: int, message: str) -> Response:
    """Build Caesar's error answer.

    401 and 403 have an empty body, so that panoptes-client returns ``(None, None)`` without
    raising; 404 carries ``{"error"}``, every other refusal ``{"errors": [{"message"}]}``.
    """
    if status in (401, 403):
        return Response(b"", status)
    body = {"error": message} if status == 404 else {"errors": [{"message": message}]}
    answer = jsonify(body)
    answer.status_code = status
    return answer


def new_blueprint(name: str) -> Blueprint:
    """Return a blueprint at the server's root whose refusals look like Caesar's."""
    blueprint = Blueprint(f"caesar_{name}", __name__)

    @blueprint.errorhandler(ApiError)
    def _refused(error: ApiError) -> Response:
        return problem(error.status, error.message)

    return blueprint


def created(row: Stamped) -> Response:
    """Answer 201 with the row, as Rails' ``respond_with`` does after a POST."""
    answer = jsonify(row_json(row))
    answer.status_code = 201
    return answer


def no_content() -> Response:
    """Answer 204, as Rails' ``respond_with`` does after a PUT or DELETE."""
    return Response(b"", 204)


def body_object() -> dict[str, Any]:
    """Return the request's JSON object.

    Raises
    ------
    ApiError
        400 for anything else; ``NaN`` and ``Infinity`` are not JSON.
    """
    try:
        body = parse_json(request.get_data() or b"{}")
    except ValueError as error:
        raise ApiError(400, f"The request body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"Expected a JSON object, got {type(body).__name__}")
    return body


def required_part(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the object below `name`, as in ``{"reducer": {...}}``; 400 when it is missing."""
    part = body.get(name)
    if not isinstance(part, dict) or not part:
        raise ApiError(400, f"param is missing or the value is empty: {name}")
    return part


def as_id(value: object) -> int | None:
    """Read an id that clients send as a number or as digits; None when it cannot be one."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
        return None
    return int(text) if 0 < len(text) <= 10 and 0 < int(text) <= LARGEST_ID else None


def chosen(value: object, allowed: tuple[str, ...], name: str) -> str:
    """Return `value` if it is one of the allowed words, else refuse with 422."""
    if value not in allowed:
        raise ApiError(422, f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    return str(value)
