"""Which error becomes which status? RFC 9457 problem documents, and here only."""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from zooassist_plugin.errors import Refused, ZooassistError
from zooassist_serving.batcher import Overloaded, TooLate
from zooassist_serving.runtime import Unloadable

logger = logging.getLogger(__name__)

PROBLEM: Final = "application/problem+json"


class Problem(Exception):
    """An answer that says what is wrong with the request.

    Parameters
    ----------
    detail : str
        What was expected, what came, what to do.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, headers: dict[str, str] | None = None
    ) -> None:
        self.status, self.detail, self.headers = status, detail, headers or {}
        super().__init__(detail)


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """Return a problem document (https://www.rfc-editor.org/rfc/rfc9457)."""
    return Response(
        problem_document(status, detail), status=status, headers=headers, content_type=PROBLEM
    )


def problem_document(status: int, detail: str) -> bytes:
    """Return its bytes."""
    phrase = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": phrase, "status": int(status), "detail": detail}
    return (json.dumps(body, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _in_words(status: int, error: HTTPException) -> str:
    """Say what is wrong with a request in terms of this server, not of a browser's user."""
    if status == HTTPStatus.NOT_FOUND:
        return f"there is nothing at {request.path[:200]}; /v1/models lists the models"
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = getattr(error, "valid_methods", None) or ()
        methods = ", ".join(sorted(set(allowed) - {"HEAD", "OPTIONS"}))
        return f"expected {methods or 'another method'} here, got {request.method}"
    return error.description or HTTPStatus(status).phrase


def register_problems(app: Flask) -> None:
    """Make every error of an app a problem document."""

    @app.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return problem_response(error.status, error.detail, error.headers)

    @app.errorhandler(Overloaded)
    def _overloaded(error: Overloaded) -> Response:
        return problem_response(
            HTTPStatus.TOO_MANY_REQUESTS,
            str(error),
            {"Retry-After": str(max(1, math.ceil(error.retry_after)))},
        )

    @app.errorhandler(TooLate)
    def _too_late(error: TooLate) -> Response:
        return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "1"})

    @app.errorhandler(Unloadable)
    def _unloadable(error: Unloadable) -> Response:
        # Its text names a place on this machine.
        logger.error("%s", error)
        return problem_response(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the model cannot be loaded; the server's log says why",
            {"Retry-After": "5"},
        )

    @app.errorhandler(Refused)
    def _refused(error: Refused) -> Response:
        # Somebody we depend on: the address is ours to mend, not the caller's.
        logger.error("%s", error)
        return problem_response(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "something that this server depends on does not answer; try again",
            {"Retry-After": "5"},
        )

    @app.errorhandler(ZooassistError)
    def _ours(error: ZooassistError) -> Response:
        return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    @app.errorhandler(RequestEntityTooLarge)
    def _too_large(error: RequestEntityTooLarge) -> Response:
        return problem_response(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"expected at most {app.config['MAX_CONTENT_LENGTH']:,} bytes; send fewer or smaller "
            "images, or start the server with a larger --max-body",
        )

    @app.errorhandler(HTTPException)
    def _werkzeug(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        # Such as Allow of a 405; the content headers are those of the HTML that we replace.
        kept = {
            name: value
            for name, value in error.get_headers()
            if not name.lower().startswith("content-")
        }
        return problem_response(status, _in_words(status, error), kept)

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        logger.exception("request failed", exc_info=error)
        return problem_response(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "the server failed on this request; its log says how",
        )
