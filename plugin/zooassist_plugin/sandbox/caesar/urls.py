"""Which addresses may Caesar call?"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from zooassist_plugin.sandbox.problems import ApiError


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def callable_url(url: object) -> bool:
    """Tell whether Caesar would call `url`: https only.

    Unlike the real one, the sandbox also accepts plain http to this very machine, where nobody
    has a certificate.
    """
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and _loopback(host or ""))
    )


def require_callable_url(url: object) -> str:
    """Return `url`; 422 unless Caesar would call it."""
    if not callable_url(url):
        raise ApiError(
            422, f"URL must be one of: https (or http to a loopback address); got {url!r}"
        )
    return str(url)
