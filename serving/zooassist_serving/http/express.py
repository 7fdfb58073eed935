"""The plainest of requests, one image for one model, answered without Flask around it.

Flask costs a tenth of a millisecond a request, and so does refusing through it: too much for a
model that takes half of one, and for a server that gets three times what it can do. So this answers
what is plain, in exactly the bytes that Flask's route would send (a test compares them), and leaves
all else to it: another content type, a query, a deadline, a wrong token, a body that ends early.
"""

from __future__ import annotations

import hmac
import io
import math
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from zooassist_plugin.errors import ZooassistError
from zooassist_serving.batcher import Overloaded
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.http.metrics import Metrics
from zooassist_serving.http.problems import PROBLEM, problem_document
from zooassist_serving.http.writing import JSON, envelope, packed
from zooassist_serving.predictions import json_of
from zooassist_serving.served_model import ServedModel

ROUTE: Final = "/v1/models/<name>/predict"
BODY: Final = "body"
"""What the image is called in the answer."""
_PATH: Final = re.compile(r"/v1/models/([^/]+)/predict")
_PLAIN_ACCEPT: Final = ("", "*/*", JSON)


@dataclass(frozen=True)
class Ready:
    """An answer, ready to be sent."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    content: bytes

    @property
    def line(self) -> str:
        """The status line."""
        return f"{self.status.value} {self.status.phrase}"

    def all_headers(self) -> list[tuple[str, str]]:
        """Return the headers, with the length."""
        return [*self.headers, ("Content-Length", str(len(self.content)))]


class Express:
    """Looks at a request before Flask does.

    Parameters
    ----------
    token : str or None
        As of `require_token`; a request with another one is left to Flask to refuse.
    """

    def __init__(
        self, plane: DataPlane, metrics: Metrics, token: str | None, max_body: int
    ) -> None:
        self._plane, self._metrics, self._max_body = plane, metrics, max_body
        self._expected = None if token is None else f"Bearer {token}".encode()

    def answer(self, environ: dict[str, Any]) -> Ready | None:
        """Return the answer to a plain request, or 429 to any that comes too many."""
        if environ["REQUEST_METHOD"] != "POST":
            return None
        found = _PATH.fullmatch(environ["PATH_INFO"])
        if found is None or found[1] not in self._plane.names:
            return None
        try:
            model = self._plane.at(found[1])
            model.check_room()
        except Overloaded as error:
            self._metrics.refused.labels(found[1]).inc()
            return _refusal(error)
        except ZooassistError:
            return None  # removed meanwhile, say; Flask's route finds the words
        length = self._plain_length(environ)
        if length is None or model.card.kind not in ("votes", "values"):
            return None
        return self._predict(environ, model, length)

    def _plain_length(self, environ: dict[str, Any]) -> int | None:
        """Return the body's length when nothing about a request is out of the ordinary."""
        get = environ.get
        kind = get("CONTENT_TYPE", "")
        if not (kind.startswith("image/") or kind == "application/octet-stream"):
            return None
        if get("QUERY_STRING") or "HTTP_X_REQUEST_TIMEOUT" in environ:
            return None
        if get("HTTP_ACCEPT", "") not in _PLAIN_ACCEPT or ";" in get("HTTP_ACCEPT_ENCODING", ""):
            return None
        if self._expected is not None and not hmac.compare_digest(
            get("HTTP_AUTHORIZATION", "").encode(), self._expected
        ):
            return None
        length = get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdecimal()):
            return None
        return int(length) if 0 < int(length) <= self._max_body else None

    def _predict(self, environ: dict[str, Any], model: ServedModel, length: int) -> Ready | None:
        data = environ["wsgi.input"].read(length)
        # Flask's route reads the same bytes, if it comes to that, and what may still follow them.
        if len(data) < length:
            environ["wsgi.input"] = _Again(data, environ["wsgi.input"])
            return None
        try:
            prediction = model.predict_one(Item(BODY, data))
        except Overloaded as error:
            return _refusal(error)
        except ZooassistError:
            environ["wsgi.input"] = io.BytesIO(data)
            return None
        if prediction.error is not None:
            content = problem_document(HTTPStatus.UNPROCESSABLE_ENTITY, prediction.error)
            return Ready(HTTPStatus.UNPROCESSABLE_ENTITY, (("Content-Type", PROBLEM),), content)
        card = model.card
        content = envelope(card.name, card.version, [json_of(prediction, card.answers)])
        headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON),)
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            small = packed(content)
            if small is not None:
                content = small
                headers = (*headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        return Ready(HTTPStatus.OK, headers, content)


class _Again:
    """What was read of a body already, then the rest of it."""

    def __init__(self, read: bytes, rest: Any) -> None:  # noqa: ANN401
        self._read, self._rest = read, rest

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        if self._read:
            part = self._read if size < 0 else self._read[:size]
            self._read = self._read[len(part) :]
            return part
        rest: bytes = self._rest.read(size)
        return rest


def _refusal(error: Overloaded) -> Ready:
    content = problem_document(HTTPStatus.TOO_MANY_REQUESTS, str(error))
    headers = (("Content-Type", PROBLEM), ("Retry-After", retry_after(error.retry_after)))
    return Ready(HTTPStatus.TOO_MANY_REQUESTS, headers, content)


def retry_after(seconds: float) -> str:
    """Write the header, which knows whole seconds only."""
    return str(max(1, math.ceil(seconds)))
