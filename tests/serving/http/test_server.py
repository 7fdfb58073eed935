"""A real server: slow and broken clients, many at once, its end, and a worker's sudden one."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

PREDICT = "/v1/models/tiny/predict"
MANY = 10_000


class Server:
    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_ready(self) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, "the server ended"
            try:
                if requests.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return
            except requests.RequestException:
                time.sleep(0.05)
        raise AssertionError("not ready within two minutes")

    def workers(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in path.read_text().split()]

    def send(self, data: bytes, *, close: bool = False) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)
        return connection


def head(length: int, kind: str = "image/png", path: str = PREDICT) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


@pytest.fixture
def start(tmp_path):
    running = []

    def _start(model: Path, *options: str) -> Server:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "zooassist_plugin.cli", "serve", "--no-auth"]
        command += ["--model", str(model), "--port", str(port), "--threads", "1", *options]
        log = (tmp_path / f"{port}.log").open("wb")
        environment = {k: v for k, v in os.environ.items() if k != "ZOOASSIST_TOKEN"}
        environment["ZOOASSIST_LEDGER"] = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        log.close()
        server = Server(process, port)
        server.log = tmp_path / f"{port}.log"
        running.append(server)
        server.wait_until_ready()
        return server

    yield _start
    for server in running:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(60)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def test_broken_and_slow_clients_harm_nobody_else(start, tiny_folder, png):
    server = start(tiny_folder.path)
    picture = png("red")
    # Bodies that never end, and heads that never do.
    slow = [server.send(head(1000) + b"abc") for _ in range(60)]
    slow += [server.send(b"POST /v1/models/ti") for _ in range(60)]
    for _ in range(5):
        answer = requests.post(f"{server.url}{PREDICT}", data=picture, timeout=60)
        assert answer.status_code == 200
    # A body that ends early is answered, where there is still somebody to answer.
    cut = server.send(head(len(picture)) + picture[:20], close=True)
    answer = cut.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"got fewer" in answer
    cut.close()
    for garbage in (
        b"\x00\xff\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ):
        broken = server.send(garbage)
        broken.settimeout(30)
        assert not broken.recv(4096).startswith(b"HTTP/1.1 2")
        broken.close()
    for connection in slow:
        connection.close()
    assert requests.get(f"{server.url}/live", timeout=30).json() == {"live": True}


def test_names_cannot_leave_the_models(start, tiny_folder):
    server = start(tiny_folder.path)
    for path in (
        "/v1/models/../../etc/passwd/predict",
        "/v1/models/..%2f..%2fetc%2fpasswd/predict",
        "/v1/models/%2e%2e/predict",
        "/v1/models/tiny/../../../x",
    ):
        with server.send(head(1, path=path) + b"x") as connection:
            answer = connection.recv(65536).decode()
        assert re.match(r"HTTP/1\.1 40[45]", answer), answer[:200]
        assert "root:" not in answer


async def ask_many(port: int, count: int, request: bytes) -> list[int]:
    """Ask `count` times, 500 connections at once."""
    left = iter(range(count))
    statuses = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            text = (await reader.readuntil(b"\r\n\r\n")).decode()
            statuses.append(int(text[9:12]))
            await reader.readexactly(int(re.search(r"content-length: (\d+)", text, re.I)[1]))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(500)))
    return statuses


@pytest.mark.slow
def test_ten_thousand_tiny_requests_at_once(start, tiny_folder, png):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        server = start(tiny_folder.path, "--log-level", "error")
        picture = png("red")
        statuses = asyncio.run(ask_many(server.port, MANY, head(len(picture)) + picture))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(statuses) == MANY
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) > 0
    assert requests.get(f"{server.url}/live", timeout=30).json() == {"live": True}


class Clients:
    """Threads that ask until the server asks them to go, or the end."""

    def __init__(self, server: Server, picture: bytes, count: int = 6) -> None:
        self.url, self.picture = f"{server.url}{PREDICT}", picture
        self.statuses: list[int] = []
        self.lost: list[str] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _ask(self) -> None:
        with requests.Session() as session:
            while not self.stop.is_set():
                try:
                    answer = session.post(self.url, data=self.picture, timeout=60)
                except requests.RequestException as error:
                    self.lost.append(repr(error))
                    return
                self.statuses.append(answer.status_code)
                if answer.headers.get("Connection") == "close":
                    return

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)


def test_sigterm_loses_no_request(start, tiny_folder, png):
    server = start(tiny_folder.path, "--drain", "3")
    clients = Clients(server, png("red"))
    while len(clients.statuses) < 50:
        time.sleep(0.01)
    server.process.send_signal(signal.SIGTERM)
    for thread in clients.threads:
        thread.join(60)  # each is told to close its connection, by an answer
    assert requests.get(f"{server.url}/ready", timeout=30).status_code == 503
    assert clients.lost == []
    assert set(clients.statuses) == {200}
    assert server.process.wait(60) == 0


def test_a_killed_worker_is_replaced_and_loads_each_model_once(start, tiny_folder, png):
    server = start(tiny_folder.path, "--workers", "2")
    picture = png("red")
    before = server.workers()
    assert len(before) == 2
    os.kill(before[0], signal.SIGKILL)
    end = time.monotonic() + 60
    while set(server.workers()) & {before[0]} or len(server.workers()) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    answered = 0
    while answered < 30:  # what the killed one had accepted is lost with it, and asked again
        assert time.monotonic() < end
        try:
            answer = requests.post(f"{server.url}{PREDICT}", data=picture, timeout=60)
        except requests.ConnectionError:
            time.sleep(0.05)
            continue
        assert answer.status_code == 200
        answered += 1
    found = []
    while len(found) < 3:  # the killed one's count stays, and the new one's has to come
        assert time.monotonic() < end
        text = requests.get(f"{server.url}/metrics", timeout=30).text
        found = re.findall(r"^zooassist_model_loads_total\{.*\} (\S+)$", text, re.MULTILINE)
    assert {float(each) for each in found} == {1.0}


def test_a_spoilt_folder_does_not_end_the_server(start, tiny_folder, sampled_folder, tmp_path, png):
    spoilt = shutil.copytree(tiny_folder.path, tmp_path / "tiny")
    server = start(spoilt, "--model", str(sampled_folder.path))
    (spoilt / "model.onnx").write_bytes(b"spoilt")
    assert requests.post(f"{server.url}{PREDICT}", data=png("red"), timeout=30).status_code == 200
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    end = time.monotonic() + 60
    while server.workers() in ([worker], []):
        assert time.monotonic() < end
        time.sleep(0.02)
    server.wait_until_ready()
    listed = requests.get(f"{server.url}/v1/models", timeout=30).json()
    assert [each["name"] for each in listed["models"]] == ["sampled"]
    assert listed["skipped"][0]["folder"] == "tiny"


def test_the_log_is_json_from_the_first_request_on(start, tiny_folder, png):
    server = start(tiny_folder.path)
    headers = {"X-Request-Id": "find-me"}
    requests.post(f"{server.url}{PREDICT}", data=png("red"), headers=headers, timeout=30)
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    (found,) = [each for each in map(json.loads, lines) if each["request_id"] == "find-me"]
    assert (found["status"], found["path"]) == (200, PREDICT)
