"""Who may ask? Holders of the one token of this server."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from flask import Flask, request

from zooassist_serving.http.problems import Problem

# Orchestrators ask these without a token; they say nothing of the models.
OPEN_PATHS = ("/live", "/ready", "/v2/health/live", "/v2/health/ready")
# Callers that send no header of ours: the secret is in the address, and the door checks it.
OPEN_PREFIX = "/caesar/"


def require_token(app: Flask, token: str) -> None:
    """Answer 401 to every request without ``Authorization: Bearer <token>``."""
    expected = f"Bearer {token}".encode()

    @app.before_request
    def _check() -> None:
        # OPTIONS only says which methods a path takes; browsers ask it before they send a token.
        if request.path in OPEN_PATHS or request.method == "OPTIONS":
            return
        if request.path.startswith(OPEN_PREFIX):
            return
        given = request.headers.get("Authorization", "").encode()
        basic = request.authorization
        if basic is not None and basic.type == "basic":
            # Label Studio knows user names and passwords only.
            given = f"Bearer {basic.password or ''}".encode()
        if not hmac.compare_digest(given, expected):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "expected the header 'Authorization: Bearer <token>' with the token that "
                "`zooassist serve` printed or was given",
                {"WWW-Authenticate": 'Bearer realm="zooassist"'},
            )
