from __future__ import annotations

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving import model_folder
from zooassist_serving.http.command import Worker, find_models, is_loopback, serve, worker_app


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            if requests.get(f"{url}/ready", timeout=2).status_code == 200:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("not ready within 30 s")


def test_real_server_answers_and_stops(tiny_folder, png, port):
    command = [sys.executable, "-m", "zooassist_plugin.cli", "serve"]
    environment = {key: v for key, v in os.environ.items() if key != "ZOOASSIST_TOKEN"}
    process = subprocess.Popen(
        [
            *command,
            "--models",
            str(tiny_folder.path.parent),
            "--port",
            str(port),
            "--threads",
            "1",
            "--max-body",
            "300000",
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        token = process.stderr.readline().removeprefix("token: ").strip()
        assert len(token) >= 24
        wait_until_ready(url, process)
        predict = f"{url}/v1/models/tiny/predict"
        assert requests.post(predict, data=png("red"), timeout=10).status_code == 401
        answer = requests.post(
            predict, data=png("red"), headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        assert answer.status_code == 200
        assert answer.json()["model_version"] == tiny_folder.card.version
        # Without a length the body is only found too large while it is read.
        chunks = (b"x" * 100_000 for _ in range(4))
        answer = requests.post(
            predict, data=chunks, headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        assert answer.status_code == 413
        assert "300,000 bytes" in answer.json()["detail"]
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_models_found(tiny_folder, sampled_folder, tmp_path, monkeypatch):
    root = tmp_path / "models"
    shutil.copytree(tiny_folder.path, root / "one")
    shutil.copytree(sampled_folder.path, root / "two")
    (root / "not-a-model").mkdir()
    assert [folder.card.name for folder in find_models(root, ())] == ["tiny", "sampled"]
    assert [folder.card.name for folder in find_models(root / "one", ())] == ["tiny"]
    monkeypatch.setattr(model_folder, "BUNDLED", {"galaxy-zoo": tiny_folder.path})
    assert [folder.card.name for folder in find_models(None, ("galaxy-zoo",))] == ["tiny"]
    with pytest.raises(BadInput, match="two models are named 'tiny'"):
        find_models(root, (str(tiny_folder.path),))


def test_a_folder_without_models(tmp_path):
    with pytest.raises(BadInput, match="found none"):
        find_models(tmp_path, ())


def test_a_worker_can_be_sent_to_another_process(tiny_folder):
    worker = Worker((str(tiny_folder.path),), None, 1, "cpu", (), 1000, 1000)
    app = worker_app(pickle.loads(pickle.dumps(worker)))
    assert app.test_client().get("/ready").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-auth", "--host", "0.0.0.0"], "expected a loopback address"),
        (["--no-auth", "--token", "x"], "exclude each other"),
    ],
)
def test_options_that_would_open_the_door(arguments, message, tiny_folder):
    result = CliRunner().invoke(serve, ["--model", str(tiny_folder.path), *arguments])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)


def test_loopback():
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.168.1.2")
    assert not is_loopback("example.org")
