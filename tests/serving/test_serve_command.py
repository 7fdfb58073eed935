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
from zooassist_serving.http.address import address_to_listen_on, is_loopback
from zooassist_serving.http.command import Worker, serve, worker_app
from zooassist_serving.http.models_to_serve import SkippedModel, find_models


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
            "--host",
            "localhost",
            "--threads",
            "1",
            "--max-body",
            "300000",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    url = f"http://localhost:{port}"
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
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "WARNING" not in output


def test_models_found(tiny_folder, sampled_folder, tmp_path, monkeypatch):
    root = tmp_path / "models"
    shutil.copytree(tiny_folder.path, root / "one")
    shutil.copytree(sampled_folder.path, root / "two")
    (root / "not-a-model").mkdir()
    assert [folder.card.name for folder in find_models(root, ()).folders] == ["tiny", "sampled"]
    assert [folder.card.name for folder in find_models(root / "one", ()).folders] == ["tiny"]
    monkeypatch.setattr(model_folder, "BUNDLED", {"galaxy-zoo": tiny_folder.path})
    (named,) = find_models(None, ("galaxy-zoo",)).folders
    assert named.card.name == "tiny"
    with pytest.raises(BadInput, match="two models are named 'tiny'"):
        find_models(root, (str(tiny_folder.path),))


def test_a_folder_without_models(tmp_path):
    with pytest.raises(BadInput, match="found none"):
        find_models(tmp_path, ())


def test_a_broken_model_is_named_and_the_others_are_served(tiny_folder, sampled_folder, tmp_path):
    shutil.copytree(tiny_folder.path, tmp_path / "one")
    spoilt = shutil.copytree(sampled_folder.path, tmp_path / "two")
    (spoilt / "model.onnx").write_bytes(b"spoilt")
    found = find_models(tmp_path, ())
    assert [folder.card.name for folder in found.folders] == ["tiny"]
    (skipped,) = found.skipped
    assert skipped.folder == "two"
    assert "changed or damaged" in skipped.reason
    shutil.rmtree(tmp_path / "one")
    with pytest.raises(BadInput, match=r"none of the models is sound: .*two"):
        find_models(tmp_path, ())


def test_a_worker_can_be_sent_to_another_process(tiny_folder):
    worker = Worker((str(tiny_folder.path),), None, 1, "cpu", (), 1000, 1000)
    app = worker_app(pickle.loads(pickle.dumps(worker)))
    answer = app.test_client().get("/ready")
    assert (answer.status_code, answer.get_json()["skipped"]) == (200, 0)


def test_what_is_not_served_is_said(tiny_folder):
    skipped = (SkippedModel("two", "changed or damaged"),)
    worker = Worker((str(tiny_folder.path),), "token", 1, "cpu", (), 1000, 1000, skipped)
    client = worker_app(worker).test_client()
    assert client.get("/ready").get_json() == {"ready": True, "models": 1, "skipped": 1}
    listed = client.get("/v1/models", headers={"Authorization": "Bearer token"}).get_json()
    assert [each["name"] for each in listed["models"]] == ["tiny"]
    assert listed["skipped"] == [{"folder": "two", "reason": "changed or damaged"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-auth", "--host", "0.0.0.0"], "expected a loopback address"),
        (["--no-auth", "--token", "x"], "exclude each other"),
        (["--allow-media", "nonsense"], "--allow-media: expected an http(s) URL, got 'nonsense'"),
        (["--allow-media", "ftp://example.org"], "--allow-media: expected an http(s) URL"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1: cannot listen there"),
        (["--host", "no such host"], "found none of that name"),
    ],
)
def test_options_that_are_refused_before_a_worker_starts(arguments, message, tiny_folder):
    result = CliRunner().invoke(serve, ["--model", str(tiny_folder.path), *arguments])
    assert isinstance(result.exception, BadInput)
    assert message in str(result.exception)


def test_a_port_that_is_taken_is_one_line(tiny_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(serve, ["--model", str(tiny_folder.path), "--port", str(port)])
    assert isinstance(result.exception, BadInput)
    assert f"port {port} of 127.0.0.1 is taken; choose another --port" in str(result.exception)


def test_names_of_this_machine_become_addresses(port):
    assert address_to_listen_on("localhost", port) in ("127.0.0.1", "::1")
    assert address_to_listen_on("0.0.0.0", port) == "0.0.0.0"


def test_loopback():
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.168.1.2")
    assert not is_loopback("example.org")


def test_a_ledger_that_cannot_be_opened_ends_the_jobs_alone(tiny_folder, caplog):
    path = str(tiny_folder.path)
    url = "sqlite:////nowhere/at/all/ledger.sqlite"
    worker = Worker((path,), None, 1, "cpu", (), 1000, 1000, ledger=url)
    client = worker_app(worker).test_client()
    assert client.get("/ready").status_code == 200
    assert client.get("/v1/jobs").status_code == 501
    assert "no jobs are kept" in caplog.text
