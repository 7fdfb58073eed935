"""How does Caesar call other people's services? POST, strict about answers, with a breaker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from zooassist_plugin.sandbox.caesar.urls import callable_url
from zooassist_plugin.sandbox.strict_json import parse_json

FAILURES_TO_OPEN = 3
COOL_OFF = timedelta(seconds=60)


class RemoteFailed(Exception):
    """The other side did not answer as it should; the job is tried again later."""


class BreakerOpen(RemoteFailed):
    """Not even asked: the last calls failed, and the cool-off is not over."""


@dataclass
class _Light:
    failures: int = 0
    failed_at: datetime | None = None


class Breaker:
    """One circuit breaker per name: three failures in a row open it for 60 seconds.

    After the cool-off one call is let through: it closes the circuit or opens it again.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lights: dict[str, _Light] = {}
        self._lock = threading.Lock()

    def is_open(self, name: str) -> bool:
        """Tell whether calls under `name` are refused at the moment."""
        with self._lock:
            light = self._lights.get(name, _Light())
            return (
                light.failures >= FAILURES_TO_OPEN
                and light.failed_at is not None
                and self._clock() < light.failed_at + COOL_OFF
            )

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """Count what happens inside; raises `BreakerOpen` instead of entering when open."""
        if self.is_open(name):
            raise BreakerOpen(f"{name}: three calls failed; not called again within 60 s")
        try:
            yield
        except Exception:
            with self._lock:
                light = self._lights.setdefault(name, _Light())
                light.failures += 1
                light.failed_at = self._clock()
            raise
        with self._lock:
            self._lights.pop(name, None)


class Remote:
    """Posts JSON with a time-out. Redirects are failures, as RestClient treats them."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def _post(
        self, url: object, payload: object, auth: tuple[str, str] | None = None
    ) -> requests.Response:
        if not callable_url(url):
            raise RemoteFailed(f"no https address to call: {url!r}")
        try:
            return requests.post(
                str(url),
                data=json.dumps(payload),
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                auth=auth,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise RemoteFailed(f"{url}: {error}") from error

    def ask(self, url: object, payload: object) -> dict[str, Any] | None:
        """Ask an external extractor or reducer; None means "no data" (204 or a JSON string).

        Raises
        ------
        RemoteFailed
            For every other status than 200, 201, 202 and 204, an empty or unreadable body, and
            JSON that is neither an object nor a string nor null.
        """
        answer = self._post(url, payload)
        if answer.status_code == 204:
            return None
        if answer.status_code not in (200, 201, 202) or not answer.content.strip():
            raise RemoteFailed(
                f"{url}: expected 200, 201 or 202 with JSON, or 204; "
                f"got {answer.status_code} with {len(answer.content)} bytes"
            )
        try:
            body = parse_json(answer.content)
        except ValueError as error:
            raise RemoteFailed(f"{url}: the answer is not JSON: {error}") from error
        if body is None or isinstance(body, str):
            return None
        if not isinstance(body, dict):
            raise RemoteFailed(f"{url}: expected a JSON object, got {type(body).__name__}")
        return body

    def tell(self, url: object, payload: object, auth: tuple[str, str] | None = None) -> None:
        """Post an effect; with basic auth only 200, 201 and 204 count as delivered."""
        status = self._post(url, payload, auth).status_code
        delivered = status in (200, 201, 204) if auth else 200 <= status < 300
        if not delivered:
            raise RemoteFailed(f"{url}: answered {status}")
