"""How does a subject's file travel? Bounded downloads, checked uploads."""

from __future__ import annotations

import time

import requests

from zooassist_plugin.errors import ItemFailed
from zooassist_plugin.http_session import TIMEOUT, add_timeouts

# Panoptes' own clients refuse files above 1 MiB; microscopes and telescopes host larger ones.
MAX_MEDIA_BYTES = 100 * 2**20
_CHUNK = 2**18
# Seconds to connect and between two bytes, tries, seconds in all: one dead address among thousands
# of subjects must not hold up the others for long.
MEDIA_TIMEOUT = (5.0, 15.0)
MEDIA_TRIES = 2
MEDIA_SECONDS = 120.0


def media_session() -> requests.Session:
    """Return a new session that gives up a file sooner than a call."""
    return add_timeouts(requests.Session(), timeout=MEDIA_TIMEOUT, tries=MEDIA_TRIES)


def download(
    session: requests.Session,
    url: str,
    limit: int = MAX_MEDIA_BYTES,
    seconds: float = MEDIA_SECONDS,
) -> bytes:
    """Fetch one file, at most `limit` bytes of it, in at most `seconds`.

    Parameters
    ----------
    session : Session
        With timeouts and retries (`media_session`); never one that carries a token.

    Raises
    ------
    ItemFailed
        When the address does not answer, answers an error, sends more than `limit` bytes, or
        has not sent the whole file in time.
    """
    deadline = time.monotonic() + seconds
    try:
        with session.get(url, stream=True) as response:
            if response.status_code != 200:
                raise ItemFailed(
                    url,
                    f"expected the file, got status {response.status_code}",
                    "check that the upload finished and that the address is public",
                )
            content = bytearray()
            for chunk in response.iter_content(_CHUNK):
                content += chunk
                if len(content) > limit:
                    raise ItemFailed(
                        url,
                        f"expected at most {limit:,} bytes, got more",
                        "upload a smaller version of the file",
                    )
                if time.monotonic() > deadline:
                    raise ItemFailed(
                        url,
                        f"expected the file within {seconds:.0f} s, got {len(content):,} bytes",
                        "check the network, or host the file nearer",
                    )
            return bytes(content)
    except requests.RequestException as error:
        raise ItemFailed(
            url,
            f"expected the file, got no answer ({type(error).__name__})",
            "check that the address is reachable from this machine",
        ) from error


def put_signed(session: requests.Session, url: str, content: bytes, mime: str) -> None:
    """Send one file to the signed URL that Panoptes answered with.

    Raises
    ------
    ItemFailed
        When the store does not take it. panoptes-client never looks at this answer, which leaves
        subjects with dead locations.
    """
    headers = {"Content-Type": mime, "x-ms-blob-type": "BlockBlob"}
    place = url.partition("?")[0]  # the query holds the signature
    try:
        # A store answers when it holds the whole file, which takes longer than a first byte.
        status = session.put(url, data=content, headers=headers, timeout=TIMEOUT).status_code
    except requests.RequestException as error:
        raise ItemFailed(
            place, f"upload got no answer ({type(error).__name__})", "upload the subject again"
        ) from error
    if status not in (200, 201, 204):
        raise ItemFailed(
            place,
            f"expected the store to take {len(content):,} bytes, got status {status}",
            "upload the subject again; signed addresses are valid for about 20 minutes",
        )


def check_stored(session: requests.Session, url: str, size: int) -> None:
    """Ask whether an uploaded file is really there and whole.

    Raises
    ------
    ItemFailed
        When the address is dead or the file has another length.
    """
    try:
        response = session.head(url, allow_redirects=True)
    except requests.RequestException as error:
        raise ItemFailed(
            url, f"no answer after the upload ({type(error).__name__})", "upload the subject again"
        ) from error
    length = int(response.headers.get("Content-Length", size))
    if response.status_code != 200 or length != size:
        raise ItemFailed(
            url,
            f"expected {size:,} bytes, got status {response.status_code} and {length:,} bytes",
            "upload the subject again",
        )
