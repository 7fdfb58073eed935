"""How does a receiver know that a webhook is ours and fresh? HMAC over timestamp and body."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from zooassist_plugin.errors import BadInput

TIMESTAMP_HEADER: Final = "X-Zooassist-Timestamp"
SIGNATURE_HEADER: Final = "X-Zooassist-Signature"
SCHEME: Final = "sha256="
TOLERANCE: Final = 300  # seconds


def sign(secret: bytes, timestamp: int, body: bytes) -> str:
    """Return what the signature header says: HMAC-SHA256 of ``<timestamp>.<body>``."""
    signed = hmac.new(secret, f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"{SCHEME}{signed.hexdigest()}"


def verify(secret: bytes, timestamp: str, body: bytes, signature: str, now: float) -> None:
    """Refuse a message that is not ours, or that somebody recorded and sent again.

    Parameters
    ----------
    timestamp, signature : str
        The two headers.
    now : float
        Seconds since 1970.

    Raises
    ------
    BadInput
    """
    if not timestamp.isascii() or not timestamp.isdecimal():
        raise BadInput(f"{TIMESTAMP_HEADER}: expected seconds since 1970, got {timestamp[:40]!r}")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise BadInput(f"{TIMESTAMP_HEADER}: expected within {TOLERANCE} s of now; refuse it")
    expected = sign(secret, int(timestamp), body)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
        raise BadInput(f"{SIGNATURE_HEADER}: expected the signature of this body; refuse it")
