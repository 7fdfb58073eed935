"""Which images does a request carry? Raw bytes, an upload form, or subjects with locations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import orjson
from flask import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from zooassist_plugin.model_card import first_problem
from zooassist_serving.dataplane import Item
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.http.problems import Problem

MAX_SUBJECTS = 1000
MAX_JSON_BYTES = 4 * 2**20


def _read_id(value: object) -> object:
    """Panoptes writes ids as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class SubjectBody(BaseModel):
    """A subject as Panoptes describes it; `metadata` is accepted and not used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[int, BeforeValidator(_read_id), Field(ge=1, strict=True, le=2**53)]
    locations: tuple[dict[str, str], ...] = Field(min_length=1, max_length=100)
    metadata: dict[str, object] = Field(default_factory=dict)


class SubjectsBody(BaseModel):
    """The JSON body of a prediction request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: tuple[SubjectBody, ...] = Field(min_length=1, max_length=MAX_SUBJECTS)


def items_of(request: Request, fetcher: MediaFetcher) -> list[Item]:
    """Read a request's images.

    Raises
    ------
    Problem
        415 for another content type, 413 for too much, 422 for a body without an image.
    """
    kind = request.mimetype
    if kind == "multipart/form-data":
        return _uploaded(request)
    if kind == "application/json":
        return _subjects(request, fetcher)
    if kind.startswith("image/") or kind in ("application/octet-stream", ""):
        data = request.get_data(cache=False)
        if not data:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "expected image bytes, got an empty body"
            )
        # A body that comes in chunks announces no length; it is cut at the limit.
        if request.content_length is None and len(data) == request.max_content_length:
            raise RequestEntityTooLarge
        return [Item("body", data)]
    raise Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"expected an image, multipart/form-data or application/json, got {kind[:100]!r}",
        {"Accept-Post": "image/*, multipart/form-data, application/json"},
    )


def _uploaded(request: Request) -> list[Item]:
    files = [file for _, file in request.files.items(multi=True)]
    if not files:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "expected files in the form, got none; see curl -F"
        )
    return [Item(file.filename or f"file {i}", file.read()) for i, file in enumerate(files)]


def _subjects(request: Request, fetcher: MediaFetcher) -> list[Item]:
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"expected at most {MAX_JSON_BYTES:,} bytes of JSON; send fewer subjects at a time",
        )
    try:
        body = SubjectsBody.model_validate(orjson.loads(request.get_data(cache=False)))
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"expected JSON, got: {error}") from error
    except ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, first_problem(error)) from error
    items = []
    for subject in body.subjects:
        for frame, location in enumerate(subject.locations):
            if len(location) != 1:
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"subject {subject.id}, location {frame}: expected one "
                    f"{{MIME type: URL}}, got {len(location)} entries",
                )
            (url,) = location.values()
            items.append(Item(url, fetcher.fetch_later(url), subject.id, frame))
    return items
