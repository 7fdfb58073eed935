"""An S3 that has a bad day: a front that passes requests on, or breaks them as a script says."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from urllib.parse import urlsplit

ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>not today</Message></Error>'
# What may happen to a request. "lost": it is done, and the answer says that it was not.
FAULTS = ("500", "503", "slow", "cut", "lost")

# Method, path and number of the request -> one of FAULTS, or None.
Script = Callable[[str, str, int], str | None]


def at_random(share: float, seed: int) -> Script:
    """Break this share of the requests, each in one of the ways."""
    random, lock = Random(seed), threading.Lock()

    def script(method: str, path: str, number: int) -> str | None:
        with lock:
            return random.choice(FAULTS) if random.random() < share else None

    return script


@contextmanager
def unreliable_front(upstream: str, script: Script) -> Iterator[tuple[str, list[str]]]:
    """Serve what `upstream` serves, broken as the script says; yields its URL and the faults."""
    target = urlsplit(upstream)
    faults: list[str] = []
    numbers = iter(range(10**9))

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            fault = script(self.command, self.path, next(numbers))
            if fault is not None:
                faults.append(fault)
            if fault in ("500", "503"):
                self.refuse(int(fault))
                return
            if fault == "slow":
                time.sleep(0.3)
            status, headers, content = self.ask(body)
            if fault == "lost":
                self.refuse(500)
                return
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            said = {n.lower(): v for n, v in headers}.get("content-length")
            self.send_header(
                "Content-Length", said if self.command == "HEAD" and said else str(len(content))
            )
            self.end_headers()
            if fault == "cut" and len(content) > 1:
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
                return
            if self.command != "HEAD":
                self.wfile.write(content)

        def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            try:
                sent = {n: v for n, v in self.headers.items() if n.lower() != "expect"}
                connection.request(self.command, self.path, body, sent)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def refuse(self, status: int) -> None:
            code = "SlowDown" if status == 503 else "InternalError"
            content = b"" if self.command == "HEAD" else ERROR.format(code=code).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = relay

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client: object) -> None:
            """Workers that are killed leave their connections open."""

    server = Quiet(("127.0.0.1", 0), Front)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
