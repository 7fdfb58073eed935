"""What does the server write down? One JSON object a line, each with the request's id."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Final, TextIO

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
    """Send everything that is logged in this process to a stream as lines of JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    return handler


def log_request(method: str, path: str, status: int, seconds: float) -> None:
    """Write down an answered request."""
    logger = logging.getLogger(REQUESTS)
    level = logging.ERROR if status >= 500 else logging.INFO
    if logger.isEnabledFor(level):
        fields = {
            "method": method,
            "path": path[:500],
            "status": status,
            "ms": round(seconds * 1000, 3),
        }
        logger.log(level, "answered", extra={"fields": fields})
