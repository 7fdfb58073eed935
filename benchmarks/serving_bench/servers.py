"""How are the servers started, and asked alike? Each pinned to the server's cores."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HOST = "127.0.0.1"
JSON = "application/json"


@dataclass(frozen=True)
class Cores:
    """Which cores the server has, and which the client."""

    server: tuple[int, ...]
    client: tuple[int, ...]

    @property
    def apart(self) -> bool:
        """Whether the two share no core."""
        return not set(self.server) & set(self.client)


def usable() -> Cores:
    """Give the client a core of its own where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        return Cores((cores[0],), (cores[0],))
    return Cores(tuple(cores[:1]), (cores[-1],))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def pinned(cores: Sequence[int], command: Sequence[str]) -> list[str]:
    """Run a command on some cores only."""
    return ["taskset", "-c", ",".join(map(str, cores)), *command]


@dataclass
class Server:
    """A server that runs."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    path: str

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask it something small."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def children(self) -> list[int]:
        """Return the processes that it started."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in listed.read_text().split()]

    def resident_mib(self) -> float:
        """Return the memory of the server and its workers."""
        page = os.sysconf("SC_PAGE_SIZE")
        pids = [self.process.pid, *self.children()]
        return (
            sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids)
            / 2**20
        )


@contextmanager
def running(
    name: str, command: Sequence[str], port: int, path: str, ready: str, **environment: str
) -> Iterator[Server]:
    """Start a server, wait until it is ready, end it afterwards."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            list(command),
            stdout=log,
            stderr=log,
            env=os.environ | environment,
            start_new_session=True,
        )
        server = Server(name, process, port, path)
        try:
            wait_ready(server, ready, log)
            yield server
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
            # LitServe leaves workers behind, which would go on waiting at full speed.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_ready(server: Server, ready: str, log: Any = None, seconds: float = 90.0) -> float:  # noqa: ANN401
    """Wait until a path answers 200; return the seconds that it took."""
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds:
        if server.process.poll() is not None:
            break
        try:
            if server.get(ready)[0] == 200:
                return time.perf_counter() - begun
        except OSError:
            pass
        time.sleep(0.02)
    if log is not None:
        log.seek(0)
        sys.stderr.write(log.read().decode(errors="replace")[-3000:])
    raise RuntimeError(f"{server.name}: not ready")


def ours(models: Sequence[Path], cores: Cores, *options: str, workers: int = 1) -> Any:  # noqa: ANN401
    """Serve with zooassist."""
    port = free_port()
    command = [sys.executable, "-m", "zooassist_plugin.cli", "serve", "--no-auth"]
    for model in models:
        command += ["--model", str(model)]
    command += ["--port", str(port), "--workers", str(workers), "--threads", "1", *options]
    path = "/v1/models/{name}/predict"
    return running("zooassist", pinned(cores.server, command), port, path, "/ready")


def bare_socket(model: Path, cores: Cores) -> Any:  # noqa: ANN401
    """Serve the graph behind a socket and nothing else."""
    port = free_port()
    command = [sys.executable, str(HERE / "raw_socket.py"), str(model), str(port)]
    return running("bare socket", pinned(cores.server, command), port, "/predict", "/ready")


def litserve(python: Path, model: Path, cores: Cores, batch: int) -> Any:  # noqa: ANN401
    """Serve with LitServe."""
    port = free_port()
    command = [str(python), str(HERE / "peer_litserve.py"), str(model), str(port), str(batch)]
    return running("litserve", pinned(cores.server, command), port, "/predict", "/health")


def label_studio(python: Path, model: Path, cores: Cores) -> Any:  # noqa: ANN401
    """Serve with a Label Studio ML backend."""
    port = free_port()
    command = [str(python), "-m", "gunicorn", "--bind", f"{HOST}:{port}", "--workers", "1"]
    command += ["--threads", "8", "--timeout", "0", "--chdir", str(HERE), "peer_label_studio:app"]
    return running(
        "label-studio-ml",
        pinned(cores.server, command),
        port,
        "/predict",
        "/health",
        MODEL=str(model),
        LOG_LEVEL="ERROR",
    )


def post(path: str, body: bytes, kind: str) -> bytes:
    """Write a whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def as_bytes(path: str, image: bytes) -> bytes:
    """Ask zooassist: the image itself."""
    return post(path, image, "image/jpeg")


def as_base64(path: str, image: bytes) -> bytes:
    """Ask LitServe: JSON with the image as base64."""
    return post(path, json.dumps({"image": base64.b64encode(image).decode()}).encode(), JSON)


def as_task(path: str, image: bytes) -> bytes:
    """Ask a Label Studio ML backend: a task whose image is a `data:` address."""
    text = base64.b64encode(image).decode()
    task = {"id": 1, "data": {"image": f"data:image/jpeg;base64,{text}"}}
    config = (
        '<View><Image name="image" value="$image"/>'
        '<Choices name="choice" toName="image"><Choice value="0"/></Choices></View>'
    )
    body = {"tasks": [task], "project": "1.1", "label_config": config, "params": {}}
    return post(path, json.dumps(body).encode(), JSON)
