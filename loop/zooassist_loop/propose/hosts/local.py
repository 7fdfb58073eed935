"""Serve one file from this machine, at a signed address that expires, for as long as needed."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from zooassist_plugin.extracts_csv import CsvHost

log = logging.getLogger(__name__)
LIFETIME = 3600  # seconds


def sign(key: bytes, path: str, expires: int) -> str:
    """Return the signature of a path and its expiry (Unix seconds)."""
    return hmac.new(key, f"{path}\n{expires}".encode(), hashlib.sha256).hexdigest()


def is_signed(key: bytes, target: str, now: float) -> bool:
    """Say whether a request target carries a valid signature that has not expired."""
    parts = urlsplit(target)
    query = parse_qs(parts.query)
    expires, signature = query.get("expires", ["0"])[0], query.get("signature", [""])[0]
    if not expires.isdecimal() or len(expires) > 12 or int(expires) < now:
        return False
    return hmac.compare_digest(sign(key, parts.path, int(expires)), signature)


class _OneFile(BaseHTTPRequestHandler):
    """Answers the signed address with the file and everything else with 403."""

    def __init__(self, file: Path, key: bytes, *request: Any) -> None:  # noqa: ANN401
        self._file, self._key = file, key
        super().__init__(*request)

    def do_GET(self) -> None:
        """Send the file."""
        if not is_signed(self._key, self.path, time.time()):
            self.send_error(403)
            return
        with self._file.open("rb") as content:
            self.send_response(200)
            self.send_header("Content-Type", "text/csv; charset=utf-8")
            self.send_header("Content-Length", str(self._file.stat().st_size))
            self.end_headers()
            shutil.copyfileobj(content, self.wfile)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401
        """Log without the query: it holds the signature."""
        log.debug("csv host: %s", self.path.partition("?")[0])


@contextmanager
def _serve(file: Path, base_url: str | None, port: int) -> Iterator[str]:
    key = secrets.token_bytes(32)
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_OneFile, file, key))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="csv-host")
    thread.start()
    try:
        base = base_url or f"http://127.0.0.1:{server.server_address[1]}"
        path = f"/{secrets.token_urlsafe(16)}.csv"
        expires = int(time.time()) + LIFETIME
        query = urlencode({"expires": expires, "signature": sign(key, path, expires)})
        yield f"{base.rstrip('/')}{path}?{query}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def local_host(argument: str, base_url: str | None, port: int) -> CsvHost:
    """Return a host bound to 127.0.0.1, reachable from elsewhere only through `base_url`."""

    def host(file: Path) -> AbstractContextManager[str]:
        return _serve(file, base_url, port)

    return host
