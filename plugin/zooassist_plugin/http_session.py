"""How do we wait on, retry and explain HTTP? One session recipe and one refusal for both APIs."""

from __future__ import annotations

import logging
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError
from urllib3.exceptions import TimeoutError as NoAnswerInTime
from urllib3.util.retry import Retry

from zooassist_plugin.errors import Refused

logger = logging.getLogger(__name__)

# Seconds to connect, seconds between two bytes. Caesar and Panoptes answer within a minute or fail.
TIMEOUT = (5.0, 60.0)
TRIES = 4
# Seconds: a server that asks for more patience than this before the next try is not given more.
LONGEST_WAIT = 30.0

# Status -> what the user can do about it. Any 5xx not listed shares the entry of 500.
REMEDIES: dict[int, str] = {
    401: "the login or its token is not valid (any more): check PANOPTES_USERNAME and "
    "PANOPTES_PASSWORD, or PANOPTES_CLIENT_ID and PANOPTES_CLIENT_SECRET, and run again",
    403: "this account may not do that: ask the project's owner for the collaborator role",
    404: "it does not exist, or this account has no permission (both answer 404): check the number "
    "and log in as an owner or collaborator of the project",
    412: "somebody else changed it meanwhile: run again",
    422: "the other side found the content not valid: correct what its message names",
    429: "too many requests: wait a few minutes and run again",
    500: "the other side has trouble: wait a few minutes and run again",
}


class PlatformRefused(Refused):
    """Panoptes or Caesar answered with an error status; `status` is that status."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class _TellingRetry(Retry):
    """Says once per request that the other side is slow: the tries together can take minutes.

    A server that says when to come back (``Retry-After``) is heeded, up to `LONGEST_WAIT`.
    """

    def get_retry_after(self, response: Any) -> float | None:  # noqa: ANN401
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_WAIT)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,  # noqa: ANN401
        error: Exception | None = None,
        _pool: Any = None,  # noqa: ANN401
        _stacktrace: Any = None,  # noqa: ANN401
    ) -> Self:
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        # A refused connection is a timeout to urllib3 (by inheritance), but is over in seconds.
        is_slow = isinstance(error, NoAnswerInTime) and not isinstance(error, NewConnectionError)
        if is_slow and len(following.history) == 1 and _pool is not None:
            logger.warning(
                "%s does not answer in time; asking up to %s more times",
                _pool.host,
                (following.total or 0) + 1,
            )
        return following


class _TimedAdapter(HTTPAdapter):
    """Gives every request that names no timeout one: neither requests nor the client has any."""

    def __init__(self, timeout: tuple[float, float], retry: Retry) -> None:
        self._timeout = timeout
        super().__init__(max_retries=retry, pool_maxsize=16)

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        **options: Any,  # noqa: ANN401
    ) -> requests.Response:
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        return super().send(request, **options)


def add_timeouts(
    session: requests.Session,
    timeout: tuple[float, float] = TIMEOUT,
    tries: int = TRIES,
    backoff: float = 0.5,
) -> requests.Session:
    """Mount timeouts and retries on a session, and return it.

    Only GET and HEAD are repeated after a 5xx, "too many requests" or a broken answer: a repeated
    POST could create a second subject. A connection that was never made is safe to repeat for
    every method.
    """
    retry = _TellingRetry(
        total=tries - 1,
        backoff_factor=backoff,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=frozenset({"GET", "HEAD"}),
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, _TimedAdapter(timeout, retry))
    return session


def timed_session(tries: int = TRIES, backoff: float = 0.5) -> requests.Session:
    """Return a new session with the default timeouts."""
    return add_timeouts(requests.Session(), tries=tries, backoff=backoff)


def refusal(side: str, response: requests.Response, what: str) -> PlatformRefused:
    """Explain an error answer: who said it, to what, with which words, and what to do.

    Parameters
    ----------
    side : str
        ``Panoptes at https://…`` or ``Caesar at https://…``.
    response : Response
        The answer, with a status of 300 or more.
    what : str
        The call: ``GET /workflows/12``.
    """
    status = response.status_code
    remedy = REMEDIES.get(status, REMEDIES[500] if status >= 500 else "see its message")
    said = words_of(response)
    words = f" ({said})" if said else ""
    return PlatformRefused(f"{side} answered {status} to {what}{words}; {remedy}", status)


def no_answer(side: str, error: Exception, what: str) -> Refused:
    """Explain a time-out or a broken connection."""
    kind = "in time" if isinstance(error, requests.Timeout) else f"({type(error).__name__})"
    return Refused(
        f"{side} did not answer {what} {kind}; check the address and the network, and run again"
    )


def words_of(response: requests.Response) -> str:
    """Return the words of a JSON-API or Rails error body; an HTML page says nothing useful."""
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors", body.get("error", ""))
    if isinstance(errors, list):
        return ", ".join(
            str(error.get("message", error)) if isinstance(error, dict) else str(error)
            for error in errors
        )
    return str(errors)
