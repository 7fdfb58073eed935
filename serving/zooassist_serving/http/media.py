"""May this server fetch that address, and what does it hold? Hosts have to be allowed by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from zooassist_plugin.errors import BadInput
from zooassist_plugin.http_session import timed_session
from zooassist_plugin.media import download
from zooassist_serving.http.problems import Problem

DEFAULT_PORTS = {"http": 80, "https": 443}
TRIES = 2


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL.

    Raises
    ------
    BadInput
        When it is no plain http(s) URL; one with a user name in it is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"expected an http(s) URL, got {url[:200]!r}") from error
    if parts.scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc:
        raise BadInput(f"expected an http(s) URL, got {url[:200]!r}")
    return parts.scheme, host, port or DEFAULT_PORTS[parts.scheme]


class MediaFetcher:
    """Fetches subject media from allowed origins only, without following redirects elsewhere.

    Without this rule anybody with the token could make the server ask its own network.

    Parameters
    ----------
    origins : iterable of str
        Such as ``https://panoptes-uploads.zooniverse.org``; scheme, host and port all count.
    limit : int
        Largest file in bytes.
    """

    def __init__(self, origins: Iterable[str], limit: int) -> None:
        self._origins = {origin_of(origin) for origin in origins}
        self._limit = limit

    def fetch_later(self, url: str) -> Callable[[], bytes]:
        """Return the function that fetches a URL.

        Raises
        ------
        Problem
            403 when its origin is not allowed, 422 when it is no URL.
        """
        try:
            origin = origin_of(url)
        except BadInput as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        if origin not in self._origins:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"this server does not fetch from {origin[0]}://{origin[1]}:{origin[2]}; send the "
                "image itself, or start the server with --allow-media",
            )
        return lambda: self._fetch(url)

    def _fetch(self, url: str) -> bytes:
        with timed_session(tries=TRIES) as session:
            session.max_redirects = 0
            session.trust_env = False
            return download(session, url, self._limit)
