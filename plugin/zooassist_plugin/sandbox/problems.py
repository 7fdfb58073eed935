"""How does the sandbox say no? JSON-API errors with Panoptes' status codes."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, request
from sqlalchemy.exc import IntegrityError
from werkzeug.exceptions import HTTPException

log = logging.getLogger(__name__)


class ApiError(Exception):
    """A refusal: becomes ``{"errors": [{"message": ...}]}``, or an empty body for an empty message.

    Parameters
    ----------
    status : int
        HTTP status as Panoptes answers it (400, 401, 403, 404, 409, 412, 415, 422, 428, 501).
    message : str
        What was expected and what came.
    """

    def __init__(self, status: int, message: str = "") -> None:
        self.status, self.message = status, message
        super().__init__(f"{status} {message}")


def problem_response(status: int, message: str) -> Response:
    """Build the JSON-API error body."""
    response = jsonify({"errors": [{"message": message}]}) if message else Response(b"")
    response.status_code = status
    return response


def register_problem_handlers(app: Flask) -> None:
    """Answer every failure of `app` as a JSON-API error; unexpected ones are logged."""

    @app.before_request
    def _no_nul() -> None:
        # No database column or file name can hold it; bodies are checked where they are parsed.
        if "\x00" in request.path or b"%00" in request.query_string:
            raise ApiError(400, "the address holds the character NUL (%00)")

    @app.errorhandler(ApiError)
    def _refused(error: ApiError) -> Response:
        return problem_response(error.status, error.message)

    @app.errorhandler(IntegrityError)
    def _conflict(error: IntegrityError) -> Response:
        # Two requests raced for one unique row: the second one lost, as in Panoptes.
        log.info("conflict: %s", error)
        return problem_response(409, "Attempted to create a record that exists already")

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        if error.code == 404:
            return problem_response(404, f"Not found: {request.path}")
        return problem_response(error.code or 500, error.description or error.name)

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:  # a door: logged with its traceback
        log.exception("request failed")
        return problem_response(500, f"{type(error).__name__}: {error}")
