"""How does an answer travel? JSON, a line each for many; compressed, and with a tag."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from flask import Request, Response

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
# Shorter answers fit in one packet as they are.
WORTH_COMPRESSING: Final = 1400
LEVEL: Final = 1
STREAMED: Final = "zooassist.streamed"
"""In the environment of a request whose answer is made while it is sent."""
COMPRESSIBLE: Final = (JSON, "application/problem+json", "text/plain")


def json_response(content: object, status: int = 200) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(content), status=status, content_type=JSON)


def envelope(model: str, version: str, rows: list[dict[str, Any]]) -> bytes:
    """Return the JSON of some predictions."""
    return orjson.dumps({"model": model, "model_version": version, "predictions": rows})


def packed(data: bytes) -> bytes | None:
    """Compress with gzip; None where it does not pay."""
    return None if len(data) < WORTH_COMPRESSING else gzip.compress(data, LEVEL, mtime=0)


def tagged_json(request: Request, content: object) -> Response:
    """Answer with JSON and its ETag, or 304 to who has it already."""
    data = orjson.dumps(content)
    response = Response(data, content_type=JSON)
    response.set_etag(hashlib.sha256(data).hexdigest()[:32])
    response.cache_control.no_cache = True
    response.make_conditional(request)
    return response


def wants_lines(request: Request) -> bool:
    """Whether the client asks for one JSON object a line."""
    if "ndjson" not in request.headers.get("Accept", ""):
        return False  # of nearly all, without parsing the header
    best = request.accept_mimetypes.best_match([JSON, NDJSON])
    return best == NDJSON


def stream_lines(request: Request, rows: Iterable[dict[str, Any]], version: str) -> Response:
    """Answer row by row; a client that leaves ends the work on those it has not read."""
    request.environ[STREAMED] = True

    def lines() -> Iterator[bytes]:
        for row in rows:
            yield orjson.dumps(row) + b"\n"

    response = Response(lines(), content_type=NDJSON)
    response.headers["X-Model-Version"] = version
    return response


def compress(request: Request, response: Response) -> Response:
    """Compress an answer with gzip, where it is worth it and the client takes it."""
    if (
        "gzip" not in request.headers.get("Accept-Encoding", "")
        or response.is_streamed
        or response.status_code == 304
        or response.mimetype not in COMPRESSIBLE
        or "Content-Encoding" in response.headers
        or not request.accept_encodings["gzip"]
    ):
        return response
    data = packed(response.get_data())
    if data is None:
        return response
    response.set_data(data)
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    etag, _ = response.get_etag()
    if etag is not None:
        response.set_etag(etag, weak=True)
    return response
