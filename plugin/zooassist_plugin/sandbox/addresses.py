"""Under which address does the sandbox speak of itself? The public one, with one exception."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import has_request_context, request

from zooassist_plugin.sandbox.config import SandboxConfig

# A sandbox that stands in for these hosts (a browser is told to find them here) must not send
# anybody else there: scripts do not know of the browser's detour.
REAL_PLATFORM = "zooniverse.org"
PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Via")


def base_url(config: SandboxConfig) -> str:
    """Return scheme, host and port for an address that is handed out, without a trailing slash.

    That is ``config.public_url``. Only where this is a host of the real Zooniverse, whoever asked
    us directly is told the address they asked: they would upload to the real platform otherwise.
    Directly means: neither through a proxy nor from a page, and under the address listened on.
    """
    host = urlsplit(config.public_url).hostname or ""
    impersonates = host == REAL_PLATFORM or host.endswith(f".{REAL_PLATFORM}")
    if impersonates and config.listen_url and has_request_context() and _is_direct(config):
        return config.listen_url
    return config.public_url


def _is_direct(config: SandboxConfig) -> bool:
    if any(name in request.headers for name in (*PROXY_HEADERS, "Origin")):
        return False
    return request.host == urlsplit(config.listen_url).netloc


def is_secure_request(config: SandboxConfig) -> bool:
    """Say whether the present request came through TLS, as far as can be known here.

    A proxy need not say so. With a public https address, a page's request came through it, and so
    did one under another name than a loopback one; the rest are scripts that ask us directly.
    """
    if request.is_secure or request.headers.get("X-Forwarded-Proto") == "https":
        return True
    if not config.public_url.startswith("https:"):
        return False
    name = urlsplit(f"//{request.host}").hostname or ""
    is_loopback = name in ("localhost", "::1") or name.startswith("127.")
    return "Origin" in request.headers or not is_loopback
