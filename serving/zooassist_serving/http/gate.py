"""Who comes in at all, and what is written down of each who did? The WSGI layer around Flask.

While the server drains, every answer asks the client to close its connection and to go elsewhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

from zooassist_serving.http.caesar.secret import without_secret
from zooassist_serving.http.express import ROUTE as EXPRESS_ROUTE
from zooassist_serving.http.express import Express
from zooassist_serving.http.metrics import Metrics
from zooassist_serving.http.request_log import HEADER, RequestLog, begin, request_id
from zooassist_serving.http.writing import STREAMED

StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

# What Flask leaves in the environment for this layer: the pattern of the path, since as labels of a
# metric paths themselves would be endless.
ROUTE: Final = "zooassist.route"


class Drain:
    """Whether the server is on its way out; set once."""

    def __init__(self) -> None:
        self._set = threading.Event()
        self._told: list[Callable[[], None]] = []

    def tell(self, listener: Callable[[], None]) -> None:
        """Call somebody when it begins; in a signal handler, so nothing that waits."""
        self._told.append(listener)

    def begin(self, *_: object) -> None:
        """Ask clients to leave; a signal handler, too."""
        self._set.set()
        for listener in self._told:
            listener()

    @property
    def begun(self) -> bool:
        """Whether it has been asked for."""
        return self._set.is_set()


class Gate:
    """Wraps an application.

    Parameters
    ----------
    app : WSGI application
        Flask's `wsgi_app`.
    """

    def __init__(
        self, app: Wsgi, express: Express, metrics: Metrics, drain: Drain, log: RequestLog
    ) -> None:
        self._app, self._express = app, express
        self._metrics, self._drain, self._log = metrics, drain, log

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        begun = time.perf_counter()
        identity = request_id(environ.get("HTTP_X_REQUEST_ID"))
        begin(identity)
        self._metrics.in_hand.inc()
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value

        def start(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:  # noqa: ANN401
            nonlocal status
            status = int(line[:3])
            headers.append((HEADER, identity))
            if self._drain.begun:
                headers.append(("Connection", "close"))
            return start_response(line, headers, *rest)

        def end() -> None:
            seconds = time.perf_counter() - begun
            self._metrics.in_hand.dec()
            method = environ["REQUEST_METHOD"]
            self._metrics.answered(method, environ.get(ROUTE, "none"), status, seconds)
            path = without_secret(environ["PATH_INFO"])
            self._log.answered(method, path, status, seconds)
            begin(None)

        try:
            ready = self._express.answer(environ)
            if ready is not None:
                environ[ROUTE] = EXPRESS_ROUTE
                start(ready.line, ready.all_headers())
                end()
                return [ready.content]
            body = self._app(environ, start)
        except BaseException:
            end()
            raise
        if environ.get(STREAMED):
            return _Watched(body, end)
        # A list goes out in one piece, with its length known.
        try:
            whole = b"".join(body)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
            end()
        return [whole]


class _Watched:
    """A streamed body; tells when it was sent, or the client has left."""

    def __init__(self, body: Iterable[bytes], end: Callable[[], None]) -> None:
        self._body, self._end = body, end
        self._chunks = iter(body)

    def __iter__(self) -> _Watched:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """End: the source is closed, so that what nobody reads is not computed."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._end()
