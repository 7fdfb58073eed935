"""Who may ask? Holders of the one token of this server."""

from __future__ import annotations

import hmac
from http import HTTPStatus

from flask import Flask, request

from zooassist_serving.http.problems import Problem

# Orchestrators ask these without a token; they say nothing of the models.
OPEN_PATHS = ("/live", "/ready")


def require_token(app: Flask, token: str) -> None:
    """Answer 401 to every request without ``Authorization: Bearer <token>``."""
    expected = f"Bearer {token}".encode()

    @app.before_request
    def _check() -> None:
        # OPTIONS only says which methods a path takes; browsers ask it before they send a token.
        if request.path in OPEN_PATHS or request.method == "OPTIONS":
            return
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "expected the header 'Authorization: Bearer <token>' with the token that "
                "`zooassist serve` printed or was given",
                {"WWW-Authenticate": 'Bearer realm="zooassist"'},
            )
