"""Where is a task's image? An allowed address, the project's own upload, or inside the task."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from posixpath import normpath
from urllib.parse import unquote, urlsplit

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.http_session import timed_session
from zooassist_plugin.media import download
from zooassist_serving.http.media import TRIES, MediaFetcher, origin_of
from zooassist_serving.http.problems import Problem

UPLOADS = "/data/"


@dataclass(frozen=True)
class TaskImages:
    """Finds the images of tasks; what a task says decides nothing about which hosts are asked.

    Attributes
    ----------
    url : str or None
        Of the Label Studio whose uploads may be fetched; an operator's word, never a request's.
    token : str or None
        Its access token, sent to that address only.
    """

    fetcher: MediaFetcher
    limit: int
    url: str | None = None
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.url is not None:
            origin_of(self.url)

    def find(self, address: object, name: str) -> bytes | Callable[[], bytes]:
        """Return an image's bytes, or the function that fetches them.

        Raises
        ------
        ItemFailed
            When the address is none that this server asks.
        """
        if not isinstance(address, str) or not address:
            raise ItemFailed(name, f"expected an image's address, got {str(address)[:80]!r}", _SEND)
        if address.startswith("data:"):
            return self._inside(address, name)
        if address.startswith(UPLOADS):
            return self._upload(address, name)
        try:
            return self.fetcher.fetch_later(address)
        except Problem as problem:
            raise ItemFailed(name, problem.detail, _SEND) from problem

    def _inside(self, address: str, name: str) -> bytes:
        kind, _, content = address.partition(",")
        if not kind.endswith(";base64") or len(content) > self.limit * 4 // 3 + 4:
            raise ItemFailed(name, f"expected base64 of at most {self.limit:,} bytes", _SEND)
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ItemFailed(name, f"expected base64: {error}", _SEND) from error

    def _upload(self, address: str, name: str) -> Callable[[], bytes]:
        path = unquote(urlsplit(address).path)
        if self.url is None:
            raise ItemFailed(
                name,
                "it was uploaded to Label Studio, whose address this server does not know",
                "start the server with --label-studio-url",
            )
        if not normpath(path).startswith(UPLOADS) or "\\" in path:
            raise ItemFailed(name, f"expected an upload's path, got {address[:80]!r}", _SEND)
        return lambda: self._fetch(self.url.rstrip("/") + address if self.url else address)

    def _fetch(self, url: str) -> bytes:
        with timed_session(tries=TRIES) as session:
            session.max_redirects = 0
            session.trust_env = False
            if self.token is not None:
                session.headers["Authorization"] = f"Token {self.token}"
            return download(session, url, self.limit)


_SEND = "send an address that the server may fetch (--allow-media), or the image as a data: URL"


def check_label_studio_url(url: str) -> str:
    """Return the address of a Label Studio.

    Raises
    ------
    BadInput
        When it is none.
    """
    try:
        origin_of(url)
    except BadInput as error:
        raise BadInput(f"--label-studio-url: {error}") from error
    return url
