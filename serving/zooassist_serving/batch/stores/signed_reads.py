"""How are very many small objects read for little processor time? Signed here, without boto3.

boto3 takes milliseconds of processor time for each call, as a small model takes for an image. What
it does beside signing (endpoints, retries, redirects, errors) is left to it: a read that does
not succeed at once here is done again by boto3, which then says what is wrong.
Signature: AWS's Signature Version 4 of a request without a body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from zooassist_serving.batch.places import Seen

ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY: Final = hashlib.sha256(b"").hexdigest()
TIMEOUT: Final = urllib3.Timeout(connect=5, read=30)


class Credentials(Protocol):
    """What botocore holds, and renews."""

    def get_frozen_credentials(self) -> Any:  # noqa: ANN401
        """Return the keys that are valid now."""
        ...


class SignedReader:
    """Reads objects; safe to use from several threads.

    Parameters
    ----------
    base_of : callable
        Bucket -> address of its objects, such as ``https://bucket.s3.eu-west-1.amazonaws.com/``.
    """

    def __init__(
        self,
        base_of: Callable[[str], str],
        credentials: Credentials,
        region: str,
        connections: int,
        extra: dict[str, str],
    ) -> None:
        self._base_of = lru_cache(maxsize=64)(base_of)
        self._credentials, self._region, self._extra = credentials, region, extra
        self._pool = urllib3.PoolManager(
            num_pools=16, maxsize=connections, retries=False, timeout=TIMEOUT
        )

    def read(self, seen: Seen, limit: int) -> bytes | None:
        """Return an object in the state that was seen; None when anything at all is odd."""
        if seen.version not in ("", "null"):
            return None
        base = self._base_of(seen.place.bucket)
        url = base + quote(seen.place.key, safe="/-_.~")
        headers = signed_headers(
            url, self._credentials.get_frozen_credentials(), self._region, self._extra
        )
        if seen.etag:
            headers["If-Match"] = f'"{seen.etag}"'
        try:
            answer = self._pool.request(
                "GET", url, headers=headers, preload_content=False, redirect=False
            )
            try:
                length = int(answer.headers.get("Content-Length", -1))
                if answer.status != 200 or not 0 <= length <= limit:
                    return None
                data: bytes = answer.read(decode_content=False)
            finally:
                answer.release_conn()
        except (HTTPError, OSError):
            return None
        return data if len(data) == length else None

    def close(self) -> None:
        """End the connections."""
        self._pool.clear()


def signed_headers(
    url: str,
    keys: Any,  # noqa: ANN401 - botocore's
    region: str,
    extra: dict[str, str],
    now: datetime | None = None,
) -> dict[str, str]:
    """Sign a GET of an address without a query.

    Parameters
    ----------
    keys
        With `access_key`, `secret_key` and `token`.
    extra : dict
        Further ``x-amz-…`` headers, in lower case.
    """
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    parts = urlsplit(url)
    said = {"host": parts.netloc, "x-amz-content-sha256": EMPTY, "x-amz-date": moment, **extra}
    if keys.token:
        said["x-amz-security-token"] = keys.token
    names = sorted(said)
    signed = ";".join(names)
    lines = "".join(f"{name}:{said[name]}\n" for name in names)
    request = f"GET\n{parts.path}\n\n{lines}\n{signed}\n{EMPTY}"
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = _signing_key(keys.secret_key, moment[:8], region)
    signature = hmac.new(key, f"{ALGORITHM}\n{moment}\n{scope}\n{digest}".encode(), "sha256")
    said["Authorization"] = (
        f"{ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={signed}, "
        f"Signature={signature.hexdigest()}"
    )
    del said["host"]
    return said


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key
