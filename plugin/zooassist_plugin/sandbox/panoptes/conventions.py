"""What must every call to /api look like? Versioned Accept, JSON bodies, envelopes, If-Match."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json

MEDIA_TYPE = "application/vnd.api+json; version=1"
# Larger identifiers cannot exist: both databases number rows with 32 or 64 bits.
LARGEST_ID = 2**31 - 1

Body = dict[str, Any]


def _is_versioned(header: str) -> bool:
    """Whether one alternative of a media type header is ``application/vnd.api+json; version=1``."""
    for alternative in header.split(","):
        kind, *parameters = (part.strip().lower() for part in alternative.split(";"))
        if kind == "application/vnd.api+json" and "version=1" in parameters:
            return True
    return False


def _check_headers() -> Response | None:
    if not _is_versioned(request.headers.get("Accept", "")):
        raise ApiError(404, f"Not found: send the header 'Accept: {MEDIA_TYPE}'")
    if request.method in ("POST", "PUT"):
        content_type = request.headers.get("Content-Type", "")
        plain = content_type.partition(";")[0].strip().lower() == "application/json"
        if not plain and not _is_versioned(content_type):
            raise ApiError(
                415, f"Content-Type {content_type!r}: expected application/json or {MEDIA_TYPE}"
            )
    if request.method == "PATCH":
        raise ApiError(501, "PATCH is not implemented; send PUT with If-Match")
    return None


def _label(response: Response) -> Response:
    if response.mimetype == "application/json":
        response.headers["Content-Type"] = f"{MEDIA_TYPE}; charset=utf-8"
    return response


def enforce_conventions(blueprint: Blueprint) -> Blueprint:
    """Make every route of `blueprint` refuse calls that the real API refuses."""
    blueprint.before_request(_check_headers)
    blueprint.after_request(_label)
    return blueprint


def read_json() -> Body:
    """Return the request's JSON object; an empty body is an empty object, anything else 400."""
    raw = request.get_data(cache=True)
    try:
        body = parse_json(raw) if raw.strip() else {}
    except ValueError as error:
        raise ApiError(400, f"There was a problem in the JSON you submitted: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, f"expected a JSON object, got {type(body).__name__}")
    return body


def read_envelope(name: str) -> list[Body]:
    """Return the resources under the envelope key `name` (one object or a list); 422 without."""
    content = read_json().get(name)
    given: list[Any] = content if isinstance(content, list) else [content]
    resources = [item for item in given if isinstance(item, dict)]
    if not resources or len(resources) != len(given):
        raise ApiError(422, f"param is missing or the value is empty: {name}")
    return resources


def as_id(value: object, name: str = "id") -> int:
    """Read an identifier given as integer or decimal string; 422 for anything else."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text.isascii() or not text.strip().isdigit():
        raise ApiError(422, f"{name}: expected an id, got {value!r}")
    number = int(text)
    return number if number <= LARGEST_ID else -1


def as_ids(value: object, name: str = "ids") -> list[int]:
    """Read a list of identifiers, or one, or a comma-separated string; repeats are dropped."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(as_id(item, name) for item in values))


def linked_id(body: Body, name: str) -> int:
    """Return ``links.<name>`` of a body; 422 when it is missing."""
    links = body.get("links")
    if not isinstance(links, dict) or links.get(name) in (None, ""):
        raise ApiError(422, f"links: expected a link to {name!r}, got {links!r}")
    return as_id(links[name], f"links.{name}")


def check_etag(etag: str) -> None:
    """Compare If-Match with the resource's present ETag: 428 when missing, 412 when stale."""
    given = request.headers.get("If-Match")
    if not given:
        raise ApiError(428, "Request requires If-Match header to be present")
    if given.strip() != etag:
        raise ApiError(412, f"If-Match {given} is stale: the resource is now {etag}; reload it")
