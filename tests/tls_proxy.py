"""A TLS proxy for tests: what a person puts in front of a sandbox that stands in for Zooniverse."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "server", "date"}


@dataclass
class Proxy:
    """Where it listens, and what went through it: (method, host, path, status)."""

    port: int
    seen: list[tuple[str, str, str, int]] = field(default_factory=list)

    def statuses(self, host: str, method: str, path: str) -> list[int]:
        return [seen[3] for seen in self.seen if seen[:3] == (method, host, path)]


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "tls.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def tls_proxy(target: str, folder: Path, pages: Mapping[str, tuple[str, bytes]]) -> Iterator[Proxy]:
    """Pass every host on to `target`, but serve `pages` (path: type and content) on ``local.*``."""
    address = urlsplit(target).netloc
    proxy = Proxy(0)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            host, path = self.headers["Host"], urlsplit(self.path).path
            if host.startswith("local."):
                kind, content = pages.get(path, ("text/plain", b"no such page"))
                self._answer(200 if path in pages else 404, [("Content-Type", kind)], content)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = dict(self.headers) | {"X-Forwarded-Proto": "https"}
            connection = http.client.HTTPConnection(address, timeout=30)
            try:
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            proxy.seen.append((self.command, host, path, answer.status))
            self._answer(answer.status, answer.getheaders(), content)

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _handle

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"content-length"}:
                    self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder, "*.zooniverse.org"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        proxy.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()
