"""A real server follows a repository while it is asked; no request fails."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

from zooassist_plugin.errors import BadInput
from zooassist_serving.http.repository_models import Repository, find_released
from zooassist_serving.repository import changes

TOKEN = "only-the-test-knows-this"
PATIENCE = 120.0


@pytest.fixture
def server(store, versions, tmp_path):
    changes.activate(store, "tiny", versions[0].card.version)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"ZOOASSIST_TOKEN": TOKEN}
    log = (tmp_path / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "zooassist_plugin.cli", "serve", "--threads", "1",
         "--models", str(tmp_path / "models"), "--port", str(port), "--drain", "0"],
        env=environment, cwd=tmp_path, stdout=log, stderr=log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            try:
                if requests.get(f"{url}/ready", timeout=5).status_code == 200:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()
    assert "Traceback" not in (tmp_path / "server.log").read_text()


class Asking:
    """Clients that ask without a pause, and what they were answered."""

    def __init__(self, url, image, clients=4):
        self._url, self._image = url, image
        self.failed, self.versions = [], []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self):
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "image/png"}
        with requests.Session() as session:
            while not self._ended.is_set():
                try:
                    answer = session.post(
                        f"{self._url}/v1/models/tiny/predict",
                        data=self._image,
                        headers=headers,
                        timeout=60,
                    )
                except requests.RequestException as error:
                    self.failed.append(repr(error))
                    continue
                if answer.status_code != 200:
                    self.failed.append((answer.status_code, answer.text))
                    continue
                body = answer.json()
                (row,) = body["predictions"]
                assert row["model_version"] == body["model_version"]
                self.versions.append(body["model_version"])

    def wait_for(self, version):
        deadline = time.monotonic() + PATIENCE
        while not self.versions or self.versions[-1] != version:
            assert time.monotonic() < deadline, f"{version} never answered"
            time.sleep(0.02)


def test_activate_and_roll_back_under_load_lose_no_request(server, store, versions, png):
    url, process = server
    first, second = (folder.card.version for folder in versions[:2])
    with Asking(url, png("red")) as asking:
        asking.wait_for(first)
        changes.activate(store, "tiny", second)
        asking.wait_for(second)
        changes.roll_back(store, "tiny")
        asking.wait_for(first)
        # What cannot be served changes nothing for those who ask.
        damaged = store.folder("tiny", versions[2].card.version)
        changes.activate(store, "tiny", damaged.card.version)
        damaged.onnx_path.write_bytes(b"damaged")
        changes.activate(store, "tiny", second)
        asking.wait_for(second)
    assert asking.failed == []
    assert process.poll() is None


def test_sighup_loses_no_request(server, store, versions, png):
    url, process = server
    with Asking(url, png("red"), clients=2) as asking:
        asking.wait_for(versions[0].card.version)
        changes.activate(store, "tiny", versions[1].card.version)
        process.send_signal(signal.SIGHUP)
        asking.wait_for(versions[1].card.version)
        time.sleep(1.0)
    assert asking.failed == []
    assert process.poll() is None


def test_what_there_is_to_serve(store, versions, tmp_path):
    address = str(tmp_path / "models")
    with pytest.raises(BadInput, match="no version is active"):
        find_released(Repository(address))
    changes.activate(store, "tiny", versions[0].card.version)
    found = find_released(Repository(address))
    assert [folder.card.version for folder in found.folders] == [versions[0].card.version]
    with pytest.raises(BadInput, match="no version is active"):
        find_released(Repository(address, ("other",)))
    with pytest.raises(BadInput, match="expected a name"):
        find_released(Repository(address, ("../tiny",)))
    found = find_released(Repository(address, ("tiny", "other")))
    assert [each.folder for each in found.skipped] == ["other"]
    store.folder("tiny", versions[0].card.version).onnx_path.write_bytes(b"x")
    with pytest.raises(BadInput, match="expected sha256"):
        find_released(Repository(address))
