"""How do we log in to Panoptes? The only importer of panoptes_client, with its gaps closed.

The client library brings the login, the tokens and the headers; its object layer is left aside,
because it drops the status of an error, reads subjects one by one, gives page ETags to members of a
list, and sends Caesar calls to production.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from zooassist_plugin.errors import Refused
from zooassist_plugin.http_session import REMEDIES, PlatformRefused, add_timeouts, no_answer
from zooassist_plugin.settings import Settings


@contextmanager
def _logging_left_alone() -> Iterator[None]:
    """Panoptes_client calls `logging.basicConfig(level=INFO)` on import; a handler prevents it."""
    guard = logging.NullHandler()
    logging.getLogger().addHandler(guard)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(guard)


with _logging_left_alone():
    from panoptes_client.panoptes import Panoptes as _Client
    from panoptes_client.panoptes import PanoptesAPIException as ClientError

__all__ = ["ClientError", "TimedClient", "log_in"]


class TimedClient(_Client):  # type: ignore[misc]
    """The library's client with timeouts, and with errors that say what happened.

    Its constructor already logs in. Both methods raise `Refused` when the server does not answer
    or does not take the login.
    """

    _timed = False
    _last_status = 0  # of the last answer: the library's own errors do not name it

    @property
    def side(self) -> str:
        """How messages call the server."""
        return f"Panoptes at {self.endpoint}"

    def login(self, username: str | None = None, password: str | None = None) -> Any:  # noqa: ANN401
        """Log in; an anonymous client tries to before every call."""
        if not self._timed:
            self._timed = True
            add_timeouts(self.session)
            self.session.hooks["response"].append(self._remember)
        with self._explained():
            return super().login(username, password)

    def get_bearer_token(self) -> Any:  # noqa: ANN401
        """Return a token that is valid for some minutes, None when anonymous."""
        with self._explained():
            return super().get_bearer_token()

    def _remember(self, response: requests.Response, **_: Any) -> None:  # noqa: ANN401
        self._last_status = response.status_code

    @contextmanager
    def _explained(self) -> Iterator[None]:
        self._last_status = 0
        try:
            yield
        except (
            requests.RequestException,
            ClientError,
            LookupError,
            ValueError,
            TypeError,
        ) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> Refused:
        status = self._last_status
        if status == 429 or status >= 500:
            remedy = REMEDIES.get(status, REMEDIES[500])
            return PlatformRefused(f"{self.side} answered {status} to the login; {remedy}", status)
        is_text = isinstance(error, requests.exceptions.InvalidJSONError)
        if is_text and status == 200:
            return Refused(
                f"{self.side} answered the login with something that is not JSON; check that "
                "PANOPTES_ENDPOINT is a Panoptes server"
            )
        if isinstance(error, requests.RequestException) and not is_text:
            return no_answer(self.side, error, "the login")
        said = str(error) if isinstance(error, ClientError) else "no token in its answer"
        return PlatformRefused(
            f"{self.side} did not take the login ({said}); check PANOPTES_USERNAME and "
            "PANOPTES_PASSWORD, or PANOPTES_CLIENT_ID and PANOPTES_CLIENT_SECRET",
            401,
        )


def log_in(settings: Settings) -> TimedClient:
    """Return a client that is logged in, or that has what it needs to ask for its first token.

    Raises
    ------
    Refused
        When the server does not answer or does not take the login.
    """
    # Empty strings, not None: for None the library would look into the environment by itself.
    client = TimedClient(
        endpoint=settings.panoptes_endpoint,
        client_id=settings.client_id,
        username=settings.username or "",
        password=settings.password or "",
    )
    client.client_secret = settings.client_secret
    return client
