"""Which images does a request carry? Raw bytes, an upload form, or subjects with locations."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import IO, Annotated, Any, TypeVar

import orjson
from flask import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from zooassist_plugin.model_card import first_problem
from zooassist_serving.dataplane import Item
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.http.problems import Problem

Body = TypeVar("Body", bound=BaseModel)

MAX_SUBJECTS = 1000
MAX_JSON_BYTES = 4 * 2**20
IMAGES = "image/*"
FORM = "multipart/form-data"
JSON = "application/json"


def _read_id(value: object) -> object:
    """Panoptes writes ids as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


SubjectId = Annotated[
    int,
    BeforeValidator(_read_id, json_schema_input_type=int | str),
    Field(ge=1, strict=True, le=2**53),
]


class SubjectBody(BaseModel):
    """A subject as Panoptes describes it; `metadata` is accepted and not used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: SubjectId
    locations: tuple[dict[str, str], ...] = Field(min_length=1, max_length=100)
    metadata: dict[str, object] = Field(default_factory=dict)


class SubjectsBody(BaseModel):
    """The JSON body of a prediction request."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "subjects": [
                        {
                            "id": "5678",
                            "locations": [
                                {"image/jpeg": "https://panoptes-uploads.zooniverse.org/a.jpeg"}
                            ],
                        }
                    ]
                }
            ]
        },
    )

    subjects: tuple[SubjectBody, ...] = Field(min_length=1, max_length=MAX_SUBJECTS)


def items_of(request: Request, fetcher: MediaFetcher) -> list[Item]:
    """Read a request's images.

    Raises
    ------
    Problem
        415 for another content type, 413 for too much, 422 for a body without an image, 400 for
        one that ends early.
    """
    kind = request.mimetype
    if kind == FORM:
        return _uploaded(request)
    if kind == JSON:
        return items_of_subjects(json_of(request, SubjectsBody).subjects, fetcher)
    if kind.startswith("image/") or kind in ("application/octet-stream", ""):
        data = whole_body(request)
        if not data:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "expected image bytes, got an empty body"
            )
        return [Item("body", data)]
    raise Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"expected an image, {FORM} or {JSON}, got {kind[:100]!r}",
        {"Accept-Post": f"{IMAGES}, {FORM}, {JSON}"},
    )


def whole_body(request: Request) -> bytes:
    """Read a body that is all there.

    Raises
    ------
    Problem
        400 when it ends before the announced length, 413 when it is longer than allowed.
    """
    most = request.max_content_length or 2**62
    given = request.environ.get("CONTENT_LENGTH") or ""
    if given.isascii() and given.isdecimal():
        length = int(given)
        if length > most:
            raise RequestEntityTooLarge
        return _exactly(request.environ["wsgi.input"], length)
    try:
        data = request.get_data(cache=False)
    except (ClientDisconnected, OSError) as error:
        raise _ended_early(None) from error
    # A body that comes in chunks announces no length; it is cut at the limit.
    if len(data) >= most:
        raise RequestEntityTooLarge
    return data


def _exactly(stream: IO[bytes], length: int) -> bytes:
    """Read a body of known length, past the layers that werkzeug would put around it."""
    parts: list[bytes] = []
    missing = length
    while missing > 0:
        try:
            part = stream.read(missing)
        except OSError as error:
            raise _ended_early(length) from error
        if not part:
            raise _ended_early(length)
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _ended_early(length: int | None) -> Problem:
    return Problem(
        HTTPStatus.BAD_REQUEST,
        f"expected a body of {length or 'some'} bytes, got fewer; send it again, whole",
    )


def json_of(request: Request, model: type[Body]) -> Body:
    """Read a JSON body as a record.

    Raises
    ------
    Problem
        415 for another type, 413 for too much, 400 when it is no JSON, 422 when it is not what is
        expected: an unknown field, too.
    """
    if request.mimetype != JSON:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"expected {JSON}, got {request.mimetype[:100]!r}",
            {"Accept-Post": JSON},
        )
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise _too_much_json()
    data = whole_body(request)
    if len(data) > MAX_JSON_BYTES:
        raise _too_much_json()
    try:
        content: Any = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"expected JSON, got: {error}") from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, first_problem(error)) from error


def _too_much_json() -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"expected at most {MAX_JSON_BYTES:,} bytes of JSON; send fewer subjects at a time",
    )


def _uploaded(request: Request) -> list[Item]:
    try:
        files = [file for _, file in request.files.items(multi=True)]
    except (ClientDisconnected, OSError) as error:
        raise _ended_early(request.content_length) from error
    if not files:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "expected files in the form, got none; see curl -F"
        )
    return [Item(file.filename or f"file {i}", file.read()) for i, file in enumerate(files)]


def items_of_subjects(subjects: Sequence[SubjectBody], fetcher: MediaFetcher) -> list[Item]:
    """Return an item per location, which is fetched when its turn comes.

    Raises
    ------
    Problem
        422 for a location that is none, 403 for one that the server may not fetch.
    """
    items = []
    for subject in subjects:
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
