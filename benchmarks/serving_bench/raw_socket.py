"""How long does the graph take behind a bare socket? One loop, no server, no protocol to speak of.

``python raw_socket.py MODEL PORT`` answers whatever comes with as many bytes as a prediction has,
after decoding and `session.run`. What a client waits here beyond `raw.py`'s time is the machine's:
the way through the kernel, waking up, and caches that got cold meanwhile. No server can do without.
"""

from __future__ import annotations

import socket
import sys

from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime

ANSWER_BYTES = 600
LENGTH = b"content-length:"


def body_of(request: bytes) -> bytes | None:
    """Return the body once all of it is there; empty for a request without one."""
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return None
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(LENGTH)]
    missing = int(lengths[0][len(LENGTH) :]) if lengths else 0
    return body if len(body) >= missing else None


def main() -> int:
    """Serve one connection after the other, for ever."""
    folder = load_model_folder(sys.argv[1])
    session = OnnxRuntime(folder.onnx_path, threads=1, sha256=folder.card.sha256).session()
    spec = folder.card.preprocessing
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {ANSWER_BYTES}\r\n\r\n".encode()
    answer += b"x" * ANSWER_BYTES
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listening:
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection:
                received = b""
                while data := connection.recv(262144):
                    received += data
                    body = body_of(received)
                    if body is None:
                        continue
                    received = b""
                    if body:
                        image = prepare(decode_image(body), spec)
                        session.run(None, {"image": image[None]})
                    connection.sendall(answer)


if __name__ == "__main__":
    sys.exit(main())
