"""Where do files live? Signed PUT for uploads, public GET, everything published by rename.

Upload URLs carry an expiry and a signature; the final URL has no query string, since the classifier
takes a subject as invalid unless its URL ends in the extension that matches the MIME type.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path

from flask import Blueprint, Response, request, send_file

from zooassist_plugin.sandbox.addresses import base_url
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError

# What Panoptes accepts, and the extension that each final URL ends in.
EXTENSIONS: dict[str, str] = {
    "application/json": "json",
    "application/pdf": "pdf",
    "audio/mp3": "mp3",
    "audio/mp4": "mp4",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/gif": "gif",
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tiff",
    "image/x-icon": "ico",
    "text/csv": "csv",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
}
MIME_TYPES = {extension: mime for mime, extension in reversed(EXTENSIONS.items())}
LARGEST_UPLOAD = 256 * 1024 * 1024


def new_path(kind: str, mime: str) -> str:
    """Return a fresh unguessable path ``kind/<hex>.<extension>`` for one file; 422 for a MIME type.

    Raises
    ------
    ApiError
        422 when the platform does not take files of this type.
    """
    if mime not in EXTENSIONS:
        raise ApiError(
            422, f"{mime!r} is not an allowed media type; use one of {', '.join(EXTENSIONS)}"
        )
    return f"{kind}/{secrets.token_hex(16)}.{EXTENSIONS[mime]}"


def media_url(sandbox: Sandbox, path: str) -> str:
    """Return the public address of a stored file."""
    return f"{base_url(sandbox.config)}/media/{path}"


def upload_url(sandbox: Sandbox, path: str) -> str:
    """Return the address that takes one PUT until ``config.upload_lifetime`` has passed."""
    expires = sandbox.config.clock() + timedelta(seconds=sandbox.config.upload_lifetime)
    return f"{media_url(sandbox, path)}?{sandbox.keys.signed_query('PUT', path, expires)}"


def store_file(sandbox: Sandbox, path: str, content: bytes) -> None:
    """Publish a file under `path` at once: no reader ever sees half of it."""
    target = sandbox.config.state / "media" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{secrets.token_hex(8)}.part")
    partial.write_bytes(content)
    partial.replace(target)


def file_of(sandbox: Sandbox, path: str) -> Path:
    """Return where `path` is stored; 404 for anything outside the media folder or missing."""
    root = (sandbox.config.state / "media").resolve()
    target = (root / path).resolve()
    if not target.is_relative_to(root) or not target.is_file():
        raise ApiError(404, f"no file {path!r}: it was never uploaded")
    return target


def media_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /media/<path>: PUT with a signature, GET for everybody."""
    blueprint = Blueprint("media", __name__, url_prefix="/media")

    @blueprint.put("/<path:path>")
    def upload(path: str) -> Response:
        expires = request.args.get("expires", "")
        signature = request.args.get("signature", "")
        now = sandbox.config.clock()
        if not sandbox.keys.verify("PUT", path, expires, signature, now):
            raise ApiError(403, "The upload URL is not ours or has expired; save the subject again")
        kind = request.headers.get("x-ms-blob-type")
        if kind != "BlockBlob":
            raise ApiError(400, f"header x-ms-blob-type: expected BlockBlob, got {kind}")
        if (request.content_length or 0) > LARGEST_UPLOAD:
            raise ApiError(413, f"expected at most {LARGEST_UPLOAD} bytes")
        store_file(sandbox, path, request.get_data(cache=False))
        return Response(status=201)

    @blueprint.get("/<path:path>")
    def download(path: str) -> Response:
        target = file_of(sandbox, path)
        mime = MIME_TYPES.get(target.suffix.removeprefix("."), "application/octet-stream")
        response = send_file(target, mimetype=mime, conditional=True, max_age=60)
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return blueprint
