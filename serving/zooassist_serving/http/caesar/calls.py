"""What does Caesar send? Its two calls, read with limits.

Source: zooniverse/caesar, app/models/extractors/external_extractor.rb and
app/models/reducers/external_reducer.rb, with lib/http_operation.rb. Caesar adds keys from time to
time, so that unknown ones are passed over; those that are used are checked.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from zooassist_plugin.model_card import first_problem
from zooassist_serving.http.problems import Problem

MAX_BYTES = 8 * 2**20
"""A classification over 1 MB never reaches Caesar; of a subject's extracts there may be many."""
MAX_EXTRACTS = 20_000


def _read_id(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Id = Annotated[int, BeforeValidator(_read_id), Field(ge=1, le=2**53, strict=True)]


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SentExtract(_Sent):
    """An extract in the body of a reducer's call."""

    id: Id
    workflow_id: Id
    subject_id: Id
    extractor_key: str = Field(max_length=200)


class SentExtracts(_Sent):
    """The body of a reducer's call in running mode; in default mode it is the list alone."""

    extracts: tuple[SentExtract, ...] = Field(min_length=1, max_length=MAX_EXTRACTS)
    store: dict[str, Any] | None = None


class SentClassification(_Sent):
    """The body of an extractor's call; `annotations` are regrouped by task key."""

    id: Id
    workflow_id: Id
    subject_id: Id
    workflow_version: str = Field(default="", max_length=40)
    annotations: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)


class ReducerCall(_Sent):
    """What a reducer is asked: about one subject, because of some extracts.

    Attributes
    ----------
    extract_ids : mapping
        Extractor key -> ids of the extracts that Caesar is said to hold.
    """

    workflow_id: int
    subject_id: int
    extract_ids: dict[str, frozenset[int]]
    is_running: bool = False


def read_reducer_call(content: bytes) -> ReducerCall:
    """Read the body of a reducer's call, of either mode.

    Raises
    ------
    Problem
        400 for what is no JSON, 422 for what is none of Caesar's calls.
    """
    body = _json(content)
    is_running = isinstance(body, dict)
    try:
        sent = SentExtracts.model_validate(body if is_running else {"extracts": body})
    except ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, first_problem(error)) from error
    about = {(extract.workflow_id, extract.subject_id) for extract in sent.extracts}
    if len(about) != 1:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"expected extracts of one subject of one workflow, got {len(about)}; let the reducer "
            'reduce by subject ("topic": "reduce_by_subject")',
        )
    ((workflow_id, subject_id),) = about
    by_key: dict[str, set[int]] = {}
    for extract in sent.extracts:
        by_key.setdefault(extract.extractor_key, set()).add(extract.id)
    return ReducerCall(
        workflow_id=workflow_id,
        subject_id=subject_id,
        extract_ids={key: frozenset(ids) for key, ids in by_key.items()},
        is_running=is_running,
    )


def read_classification(content: bytes) -> SentClassification:
    """Read the body of an extractor's call.

    Raises
    ------
    Problem
        400 for what is no JSON, 422 for what is none of Caesar's calls.
    """
    try:
        return SentClassification.model_validate(_json(content))
    except ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, first_problem(error)) from error


def _json(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"expected JSON, got: {error}") from error
