"""May a page from elsewhere call us? Yes: origins are echoed, so that a browser sends credentials.

Contract: section 2 of the classifier's requests (echo Origin, allow credentials, answer OPTIONS).
"""

from __future__ import annotations

from flask import Flask, Response, request

ALLOWED_HEADERS = (
    "accept, authorization, content-type, if-match, if-none-match, range, x-csrf-token, "
    "x-ms-blob-type, x-requested-with"
)
ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED_HEADERS = "ETag, Last-Modified, X-CSRF-Token, Content-Encoding, Content-Length, Location"


def register_cors(app: Flask) -> None:
    """Answer preflights before any other rule and label every response."""

    @app.before_request
    def _preflight() -> Response | None:
        return Response(status=204) if request.method == "OPTIONS" else None

    @app.after_request
    def _label(response: Response) -> Response:
        origin = request.headers.get("Origin")
        response.headers["Access-Control-Allow-Origin"] = origin or "*"
        response.headers.add("Vary", "Origin")
        if origin:
            response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if request.method == "OPTIONS":
            asked = request.headers.get("Access-Control-Request-Headers")
            response.headers["Access-Control-Allow-Headers"] = asked or ALLOWED_HEADERS
            response.headers["Access-Control-Allow-Methods"] = ALLOWED_METHODS
            response.headers["Access-Control-Max-Age"] = "600"
        return response
