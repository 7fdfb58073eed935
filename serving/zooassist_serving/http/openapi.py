"""What can be asked of this server, and what does it answer? OpenAPI 3.1, made from models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from zooassist_plugin import __version__
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.http.answers import (
    JobBody,
    JobList,
    JobResults,
    Live,
    ModelList,
    PredictionsBody,
    ProblemBody,
    ProposalsBody,
    Ready,
)
from zooassist_serving.http.bodies import SubjectsBody
from zooassist_serving.http.job_routes import PAGE, JobRequest
from zooassist_serving.http.proposing import ProposalsRequest

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
NDJSON: Final = "application/x-ndjson"
BINARY: Final[Mapping[str, Any]] = MappingProxyType({"type": "string", "format": "binary"})
TEXT: Final[Mapping[str, Any]] = MappingProxyType({"type": "string"})

Content = type[BaseModel] | Mapping[str, Any]
_NONE: Final[Mapping[str, Content]] = MappingProxyType({})

# Status -> what it means here. Each refusal is a problem document.
REFUSALS: Final[dict[int, str]] = {
    400: "The body ends early, or is no JSON.",
    401: "The token is missing or wrong.",
    403: "The server does not fetch from there.",
    404: "There is nothing of that name.",
    405: "Another method is expected.",
    406: "It cannot be answered in that form.",
    413: "The body is too large.",
    415: "Another content type is expected.",
    422: "The content is not what is expected.",
    429: "Too many wait; `Retry-After` says when to come again.",
    501: "The server was started without a database for jobs.",
    503: "Not ready, or the deadline passed; `Retry-After` says when to come again.",
}


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Attributes
    ----------
    body, answer : mapping
        Content type -> model or schema.
    refusals : tuple of int
        Keys of `REFUSALS` that it may answer with, beside 401 and 405.
    """

    path: str
    method: str
    name: str
    summary: str
    answer: Mapping[str, Content]
    status: int = 200
    body: Mapping[str, Content] = field(default_factory=lambda: _NONE)
    parameters: tuple[Mapping[str, Any], ...] = ()
    refusals: tuple[int, ...] = ()
    open: bool = False


def _in_path(name: str, what: str) -> Mapping[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return {"name": name, "in": "path", "required": True, "description": what, "schema": schema}


def _in_query(name: str, what: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": name, "in": "query", "description": what, "schema": dict(schema)}


MODEL: Final = _in_path("name", "Name of a model, as /v1/models lists it.")
JOB: Final = _in_path("identity", "Id of a job.")
TIMEOUT: Final[Mapping[str, Any]] = {
    "name": "X-Request-Timeout",
    "in": "header",
    "description": "Seconds after which the answer is of no use; it is not computed then.",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
}
KEY: Final[Mapping[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The caller's name for the job: the same again is the same job.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,200}$"},
}
FORM: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"images": {"type": "array", "items": dict(BINARY), "minItems": 1}},
    "required": ["images"],
}

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("/live", "get", "live", "Does the process work?", {JSON: Live}, open=True),
    Operation(
        "/ready",
        "get",
        "ready",
        "Are requests welcome? Not while models are loaded, nor while the server ends.",
        {JSON: Ready},
        refusals=(503,),
        open=True,
    ),
    Operation("/metrics", "get", "metrics", "Numbers for Prometheus.", {"text/plain": TEXT}),
    Operation("/openapi.json", "get", "openapi", "This document.", {JSON: {"type": "object"}}),
    Operation("/v1/models", "get", "models", "Which models are served?", {JSON: ModelList}),
    Operation(
        "/v1/models/{name}",
        "get",
        "model",
        "The card of a model.",
        {JSON: ModelCard},
        parameters=(MODEL,),
        refusals=(404,),
    ),
    Operation(
        "/v1/models/{name}/predict",
        "post",
        "predict",
        "What does a model say of these images? Masks come as COCO run lengths, of one image also "
        "as PNG.",
        {JSON: PredictionsBody, NDJSON: TEXT, "image/png": BINARY},
        body={
            "image/jpeg": BINARY,
            "image/png": BINARY,
            "application/octet-stream": BINARY,
            "multipart/form-data": FORM,
            JSON: SubjectsBody,
        },
        parameters=(
            MODEL,
            TIMEOUT,
            _in_query("embedding", "Answer with the model's features, too.", {"type": "boolean"}),
            _in_query("name", "Name of a volume's file, whose ending says what it is.", TEXT),
        ),
        refusals=(400, 403, 404, 406, 413, 415, 422, 429, 503),
    ),
    Operation(
        "/v1/models/{name}/proposals",
        "post",
        "proposals",
        "What would a workflow's volunteers see of these subjects?",
        {JSON: ProposalsBody, NDJSON: TEXT},
        body={JSON: ProposalsRequest},
        parameters=(MODEL,),
        refusals=(400, 403, 404, 413, 415, 422, 429),
    ),
    Operation(
        "/v1/jobs",
        "post",
        "addJob",
        "Predict many subjects; answered at once.",
        {JSON: JobBody},
        status=202,
        body={JSON: JobRequest},
        parameters=(KEY,),
        refusals=(400, 403, 404, 413, 415, 422, 501, 503),
    ),
    Operation("/v1/jobs", "get", "jobs", "The latest jobs.", {JSON: JobList}, refusals=(501, 503)),
    Operation(
        "/v1/jobs/{identity}",
        "get",
        "job",
        "How far is a job?",
        {JSON: JobBody},
        parameters=(JOB,),
        refusals=(404, 501, 503),
    ),
    Operation(
        "/v1/jobs/{identity}",
        "delete",
        "cancelJob",
        "End a job; what is done stays.",
        {JSON: JobBody},
        parameters=(JOB,),
        refusals=(404, 501, 503),
    ),
    Operation(
        "/v1/jobs/{identity}/results",
        "get",
        "jobResults",
        "Finished rows of a job, in the order of its subjects.",
        {JSON: JobResults, NDJSON: TEXT},
        parameters=(
            JOB,
            _in_query(
                "start",
                "Position of the first.",
                {"type": "integer", "minimum": 0, "maximum": 2**31},
            ),
            _in_query(
                "count", "How many at most.", {"type": "integer", "minimum": 1, "maximum": PAGE}
            ),
        ),
        refusals=(404, 422, 501, 503),
    ),
)


def openapi_document(operations: tuple[Operation, ...] = OPERATIONS) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    operations : tuple of Operation
        In place of `OPERATIONS`, for a server with further doors.
    """
    read: dict[type[BaseModel], str] = {}
    written: dict[type[BaseModel], str] = {ProblemBody: ""}
    for operation in operations:
        read |= {each: "" for each in operation.body.values() if isinstance(each, type)}
        written |= {each: "" for each in operation.answer.values() if isinstance(each, type)}
    template = "#/components/schemas/{model}"
    places, definitions = models_json_schema(
        [
            *((model, "validation") for model in read),
            *((model, "serialization") for model in written),
        ],
        ref_template=template,
    )
    schemas = {model: schema for (model, _), schema in places.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zooassist",
            "version": __version__,
            "description": "A model's proposals for Zooniverse subjects.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    def content(of: Mapping[str, Content]) -> dict[str, Any]:
        return {
            kind: {"schema": schemas[each] if isinstance(each, type) else dict(each)}
            for kind, each in of.items()
        }

    headers = {
        "X-Request-Id": {
            "description": "Id of this request in the log.",
            "schema": {"type": "string"},
        }
    }
    answers: dict[str, Any] = {
        str(operation.status): {
            "description": "The answer.",
            "headers": headers,
            "content": content(operation.answer),
        }
    }
    for status in (*(() if operation.open else (401,)), *operation.refusals):
        answers[str(status)] = {
            "description": REFUSALS[status],
            "headers": headers,
            "content": content({PROBLEM: ProblemBody}),
        }
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": answers,
    }
    if operation.parameters:
        described["parameters"] = [dict(each) for each in operation.parameters]
    if operation.body:
        described["requestBody"] = {"required": True, "content": content(operation.body)}
    if operation.open:
        described["security"] = []
    return described
