"""How does a subject's file travel? Bounded downloads, checked uploads."""

from __future__ import annotations

import requests

from zooassist_plugin.errors import ItemFailed

# Panoptes' own clients refuse files above 1 MiB; microscopes and telescopes host larger ones.
MAX_MEDIA_BYTES = 100 * 2**20
_CHUNK = 2**18


def download(session: requests.Session, url: str, limit: int = MAX_MEDIA_BYTES) -> bytes:
    """Fetch one file, at most `limit` bytes of it.

    Parameters
    ----------
    session : Session
        With timeouts and retries (`http_session.timed_session`); never one that carries a token.

    Raises
    ------
    ItemFailed
        When the address does not answer, answers an error, or sends more than `limit` bytes.
    """
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
        status = session.put(url, data=content, headers=headers).status_code
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
