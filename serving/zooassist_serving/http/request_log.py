"""What does the server write down? One JSON object a line, each with the request's id."""

from __future__ import annotations

import logging
import os
import re
import secrets
import sys
import threading
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, TextIO

import orjson

REQUESTS: Final = "zooassist_serving.requests"
HEADER: Final = "X-Request-Id"
# Ids that callers may choose: nothing that could end a line or a header.
_GIVEN: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_current = threading.local()


def request_id(given: str | None) -> str:
    """Return the caller's id for a request when it is harmless, else a new one."""
    if given is not None and _GIVEN.fullmatch(given):
        return given
    return secrets.token_hex(8)


def begin(identity: str | None) -> None:
    """Say which request this thread works on, None for none."""
    _current.identity = identity


def current() -> str | None:
    """Return the id of the request that this thread works on."""
    return getattr(_current, "identity", None)


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; what is passed as `extra={"fields": …}` joins it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        identity = current()
        if identity is not None:
            line["request_id"] = identity
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_as_json(level: str, stream: TextIO | None = None) -> logging.Handler:
    """Send everything that is logged in this process to a stream as lines of JSON.

    Returns
    -------
    Handler
        The only one of the process from now on.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    return handler


class RequestLog:
    """Writes down answered requests.

    Parameters
    ----------
    stream : binary stream, optional
        To which lines are written at once: a record of `logging` costs five times as much, more
        than the rest of what is done around a request. Without it they are logged.
    failures_only : bool
        Whether requests that did not fail are left out.
    """

    def __init__(self, stream: BinaryIO | None = None, *, failures_only: bool = False) -> None:
        self._stream, self._failures_only = stream, failures_only
        self._process = os.getpid()

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Write down a request."""
        failed = status >= 500
        if self._failures_only and not failed:
            return
        fields = {
            "method": method,
            "path": path[:500],
            "status": status,
            "ms": round(seconds * 1000, 3),
        }
        level = "error" if failed else "info"
        if self._stream is None:
            number = logging.ERROR if failed else logging.INFO
            logging.getLogger(REQUESTS).log(number, "answered", extra={"fields": fields})
            return
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "logger": REQUESTS,
            "message": "answered",
            "process": self._process,
            "request_id": current(),
            **fields,
        }
        # One write per line, so that those of several threads and processes do not mix.
        self._stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self._stream.flush()
