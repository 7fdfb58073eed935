"""``POST /caesar/<secret>/extractors/<name>`` and ``/reducers/<name>``: as Caesar calls them."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from zooassist_plugin.errors import BadInput, ItemFailed, Refused
from zooassist_plugin.http_session import PlatformRefused
from zooassist_serving.batcher import Overloaded, TooLate
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.caesar.calls import (
    MAX_BYTES,
    read_classification,
    read_reducer_call,
)
from zooassist_serving.http.caesar.extracting import (
    OF_PROPOSALS,
    extract_of_model,
    extract_of_proposal,
)
from zooassist_serving.http.caesar.reducing import ProposingReducer
from zooassist_serving.http.caesar.replies import extract_reply, no_data, reduction_reply
from zooassist_serving.http.problems import Problem
from zooassist_serving.served_model import ServedModel

logger = logging.getLogger(__name__)

SHORTEST_SECRET = 24
_SECRET = re.compile(r"[A-Za-z0-9._~-]+")
Data = Mapping[str, Any]


@dataclass(frozen=True)
class CaesarDoor:
    """What the doors are open for.

    Attributes
    ----------
    secret : str
        Part of the address, since Caesar sends no header of ours; left out of `repr`.
    workflows : frozenset of int
        Which workflows may be asked about.
    """

    secret: str = field(repr=False)
    workflows: frozenset[int]
    reducer: ProposingReducer

    def __post_init__(self) -> None:
        check_secret(self.secret)


def check_secret(secret: str) -> None:
    """Refuse a secret that could be guessed, or that an address cannot hold.

    Raises
    ------
    BadInput
    """
    if len(secret) < SHORTEST_SECRET or not _SECRET.fullmatch(secret):
        raise BadInput(
            f"Caesar's secret: expected at least {SHORTEST_SECRET} letters, digits, '-', '_', '.' "
            "or '~' that nobody can guess; leave it out for a new one"
        )


def caesar_routes(door: CaesarDoor, plane: DataPlane) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("caesar", __name__)
    platform = door.reducer.platform

    @routes.post("/caesar/<secret>/reducers/<name>")
    def reduce(secret: str, name: str) -> Response:
        _check(secret, door)
        model = _model(plane, name)
        call = read_reducer_call(_body())
        _check_workflow(call.workflow_id, door)
        return _answered(
            lambda: door.reducer.payload(model, call), reduction_reply, f"subject {call.subject_id}"
        )

    @routes.post("/caesar/<secret>/extractors/<name>")
    def extract(secret: str, name: str) -> Response:
        _check(secret, door)
        model = None if name in OF_PROPOSALS else _model(plane, name)
        sent = read_classification(_body())
        _check_workflow(sent.workflow_id, door)
        about = f"classification {sent.id}"
        if model is None:
            return _answered(
                lambda: extract_of_proposal(name, sent, platform), extract_reply, about
            )
        return _answered(
            lambda: extract_of_model(model, sent, platform, door.reducer.fetch),
            extract_reply,
            about,
        )

    return routes


def _check(secret: str, door: CaesarDoor) -> None:
    """Answer a wrong secret as any address at which there is nothing."""
    if not hmac.compare_digest(secret.encode(), door.secret.encode()):
        raise NotFound


def _model(plane: DataPlane, name: str) -> ServedModel:
    try:
        return plane.at(name)
    except BadInput as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error


def _check_workflow(workflow_id: int, door: CaesarDoor) -> None:
    if workflow_id not in door.workflows:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"workflow {workflow_id}: this server answers Caesar about other workflows only; start "
            "it with --caesar-workflow",
        )


def _body() -> bytes:
    request.max_content_length = MAX_BYTES
    return request.get_data(cache=False)


def _answered(
    ask: Callable[[], Data | None], reply: Callable[[Data], Response], about: str
) -> Response:
    """Turn what was found, or what went wrong, into what Caesar should do next.

    Three errors in a row make Caesar stop calling for a minute, for all subjects: so an item that
    fails by itself has no data, and only what may pass by itself is an error.
    """
    try:
        found = ask()
    except ItemFailed as error:
        logger.warning("Caesar's %s: no data: %s", about, error)
        return no_data()
    except PlatformRefused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{about}: {error}") from error
        raise _later(about, error) from error
    except (Refused, Overloaded, TooLate) as error:
        raise _later(about, error) from error
    except BadInput as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    return no_data() if found is None else reply(found)


def _later(about: str, error: Exception) -> Problem:
    logger.error("Caesar's %s: not answered now: %s", about, error)
    detail = f"{about}: cannot be answered at the moment; ask again"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "15"})
