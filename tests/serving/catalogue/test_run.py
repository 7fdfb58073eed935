"""Whole catalogue runs through the real command: killed, repeated, changed, fed from a network."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue import run as run_module
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.predict_command import predict


def command(folder, arguments, out, *options):
    return [
        *(sys.executable, "-m", "zooassist_plugin.cli", "predict", str(folder.path)),
        *map(str, arguments),
        *("--out", str(out), *options),
    ]


def invoke(folder, arguments, out, *options):
    return CliRunner().invoke(
        predict, [str(folder.path), *map(str, arguments), "--out", str(out), *options]
    )


@pytest.fixture
def many(tmp_path, png):
    """A table of 2,000 rows over 40 images, one of them damaged."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(40):
        data = png((i * 6, 255 - i * 6, 100))
        (folder / f"{i}.png").write_bytes(data[:60] if i == 17 else data)
    table = tmp_path / "t.csv"
    rows = "".join(f"{i},images/{i % 40}.png\n" for i in range(2000))
    table.write_text("subject_id,image\n" + rows)
    return table


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(run_module, "PART_ROWS", 16)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "zoobot-csv"])
def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_file(
    tiny_folder, many, tmp_path, form
):
    suffix = {"parquet": ".parquet", "zoobot-csv": ".csv"}[form]
    lines = many.read_text().splitlines(keepends=True)
    many.write_text("".join([lines[0], *lines[1:] * 4]))
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    options = ("--format", form, "--threads", "2", "--batch-size", "8")
    done = subprocess.run(
        command(tiny_folder, [many], whole, *options), capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 1, done.stderr
    parts = tmp_path / f".out{suffix}.parts"
    chance = random.Random(form)
    kills = 0
    for _ in range(5):
        before = {path.name for path in parts.glob("*.arrow")}
        process = subprocess.Popen(
            command(tiny_folder, [many], out, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        # Waits for some work, so that many kills fall into it, then for a random moment more.
        while process.poll() is None and len(set(parts.glob("*.arrow"))) == len(before):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode != -signal.SIGKILL or out.exists():
            break  # at its end
        kills += 1
        assert before <= {path.name for path in parts.glob("*.arrow")}, "finished parts were lost"
    assert kills >= 2, "it was never killed while it worked"
    done = subprocess.run(
        command(tiny_folder, [many], out, *options, "--overwrite"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["images", "t.csv", whole.name, out.name]
    )


class Stopped(Exception):
    """Stands for whatever ends a run."""


@pytest.fixture
def stopped(tiny_folder, many, tmp_path, small_parts, monkeypatch):
    """A run that ended after some parts; returns the output and how to count what is predicted."""
    out = tmp_path / "p.parquet"
    counted = []
    original = DataPlane.answer

    def counting(self, name, items):
        counted.append(len(items))
        if sum(counted) > 400 and limit:
            raise Stopped
        return original(self, name, items)

    limit = [True]
    monkeypatch.setattr(DataPlane, "answer", counting)
    result = invoke(tiny_folder, [many], out, "--batch-size", "16", "--threads", "2")
    assert isinstance(result.exception, Stopped)
    assert not out.exists()
    limit.clear()
    counted.clear()
    return out, counted


def test_nothing_is_predicted_twice(tiny_folder, many, stopped):
    out, counted = stopped
    kept = 16 * len(list(out.with_name(".p.parquet.parts").glob("*.arrow")))
    assert kept >= 16
    result = invoke(tiny_folder, [many], out, "--resume", "--batch-size", "16")
    assert result.exit_code == 1
    assert sum(counted) == 2000 - kept
    assert f"{kept} of them by the earlier run" in result.stdout
    assert pq.read_table(out)["subject_id"].to_pylist() == list(range(2000))


def test_another_list_is_refused_and_restart_begins_anew(tiny_folder, many, stopped):
    out, counted = stopped
    lines = many.read_text().splitlines(keepends=True)
    many.write_text("".join([lines[0], *lines[2:]]))
    result = invoke(tiny_folder, [many], out)
    assert isinstance(result.exception, BadInput)
    assert "another list of images: rows 1 to 16, from " in str(result.exception)
    assert "--restart" in str(result.exception)
    assert invoke(tiny_folder, [many], out, "--restart").exit_code == 1
    assert sum(counted) == 1999


def test_another_model_is_refused(sampled_folder, many, stopped):
    out, _ = stopped
    result = invoke(sampled_folder, [many], out)
    assert "had model 'tiny', this one has 'sampled'" in str(result.exception)


def test_a_shorter_list_is_refused(tiny_folder, many, stopped):
    out, _ = stopped
    lines = many.read_text().splitlines(keepends=True)
    many.write_text("".join(lines[:17]))
    result = invoke(tiny_folder, [many], out)
    assert "longer list" in str(result.exception)


def test_an_output_that_exists_is_kept(tiny_folder, many, tmp_path):
    out = tmp_path / "p.parquet"
    out.write_bytes(b"precious")
    result = invoke(tiny_folder, [many], out)
    assert "exists already" in str(result.exception)
    assert out.read_bytes() == b"precious"
    assert invoke(tiny_folder, [many], out, "--overwrite").exit_code == 1
    assert pq.read_table(out).num_rows == 2000


def test_repeated_images_are_said(tiny_folder, many, tmp_path):
    result = invoke(tiny_folder, [many], tmp_path / "p.parquet")
    assert "1960 of 2000 rows name an image that came before" in result.stderr


def test_threads_and_batches_change_nothing(tiny_folder, many, tmp_path, small_parts):
    tables = []
    for i, (threads, batch) in enumerate([(1, 16), (4, 3), (2, 16)]):
        out = tmp_path / f"{i}.parquet"
        options = ("--threads", str(threads), "--batch-size", str(batch))
        assert invoke(tiny_folder, [many], out, *options).exit_code == 1
        tables.append(pq.read_table(out))
    assert tables[0].equals(tables[2])
    for name in tables[0].column_names:
        one, other = tables[0][name], tables[1][name]
        if pa.types.is_floating(one.type):
            np.testing.assert_allclose(one.to_numpy(), other.to_numpy(), rtol=1e-4)
        else:
            assert one == other


def test_a_table_without_rows(tiny_folder, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("image\n")
    result = invoke(tiny_folder, [table], tmp_path / "p.parquet")
    assert "without rows" in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


@contextmanager
def served(files):
    """A web server with files, pages, loops and silence."""
    release = threading.Event()
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked.append(self.path)
            if self.path == "/loop":
                self.send_response(302)
                self.send_header("Location", "/loop")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if self.path == "/silent":
                release.wait(20)
                self.close_connection = True
                return
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_urls_in_a_manifest_fail_one_by_one(tiny_folder, tmp_path, png, monkeypatch):
    monkeypatch.setattr("zooassist_plugin.media.MEDIA_TIMEOUT", (0.5, 0.5))
    files = {
        "/1.png": png("red"),
        "/2.html": b"<html>Please log in</html>",
        "/3.png": png("blue") + b"\0" * 5000,
    }
    with served(files) as (url, asked):
        places = ["/1.png", "/gone.png", "/loop", "/2.html", "/silent", "/3.png"]
        entries = [
            [url + place, json.dumps({"subject_id": str(i), "frame_id": "0"})]
            for i, place in enumerate(places)
        ]
        entries.append(["http://127.0.0.1:9/refused.png", json.dumps({"subject_id": "6"})])
        manifest = tmp_path / "manifest.json"
        manifest.write_text(json.dumps(entries))
        out = tmp_path / "p.parquet"
        result = invoke(tiny_folder, [manifest], out, "--max-bytes", "3000")
    assert result.exit_code == 1, result.output
    rows = pq.read_table(out).to_pylist()
    assert [row["subject_id"] for row in rows] == list(range(7))
    assert [row["error"] is None for row in rows] == [True] + [False] * 6
    for row, words in zip(
        rows[1:],
        (
            "status 404",
            "TooManyRedirects",
            "starting with b'<html>Pl'",
            "no answer",
            "at most 3,000 bytes",
            "no answer",
        ),
        strict=True,
    ):
        assert words in row["error"]
        assert f"error: {row['image']}: {row['error']}" in result.stderr.splitlines()
    assert asked.count("/1.png") == 1


def test_urls_are_fetched_at_once_but_not_all(tiny_folder, tmp_path, png):
    """Eight in flight at most, and more than one."""
    files = {f"/{i}.png": png((i, 0, 0)) for i in range(60)}
    flying = [0, 0]
    lock = threading.Lock()

    class Slow(dict):
        def get(self, key):
            with lock:
                flying[0] += 1
                flying[1] = max(flying)
            time.sleep(0.02)
            with lock:
                flying[0] -= 1
            return files.get(key)

    with served(Slow()) as (url, _):
        listed = "".join(f"{url}/{i}.png\n" for i in range(60))
        out = tmp_path / "p.parquet"
        arguments = [str(tiny_folder.path), "-", "--out", str(out), "--fetchers", "8"]
        result = CliRunner().invoke(predict, arguments, input=listed)
    assert result.exit_code == 0, result.output
    assert [name.rsplit("/", 1)[1] for name in pq.read_table(out)["image"].to_pylist()] == [
        f"{i}.png" for i in range(60)
    ]
    assert 2 <= flying[1] <= 8


def test_names_of_any_bytes_in_a_folder(tiny_folder, tmp_path, png):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd/caf\xe9 \n.png"))
    path.parent.mkdir()
    path.write_bytes(png("red"))
    result = invoke(tiny_folder, [tmp_path / "odd"], tmp_path / "p.parquet")
    assert result.exit_code == 0, result.output
    (name,) = pq.read_table(tmp_path / "p.parquet")["image"].to_pylist()
    assert name.endswith("/caf\\xe9 \\n.png")
