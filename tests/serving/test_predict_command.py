from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import click
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.rows import printable
from zooassist_serving.catalogue.source import Source
from zooassist_serving.http.command import serve
from zooassist_serving.model_command import inspect
from zooassist_serving.predict_command import predict
from zooassist_serving.repository.command import verify


def huge_png() -> bytes:
    """A header that promises 50,000 x 50,000 pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def images(tmp_path, png, encode):
    folder = tmp_path / "images"
    (folder / "deeper").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / "a.png").write_bytes(png("red"))
    (folder / "deeper" / "b.JPG").write_bytes(png("blue"))
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden" / "c.png").write_bytes(png("green"))
    return folder


def run(tiny_folder, out, *arguments, stdin=None):
    return CliRunner().invoke(
        predict, [str(tiny_folder.path), *map(str, arguments), "--out", str(out)], input=stdin
    )


def test_folder_file_pattern_and_list(tiny_folder, images, tmp_path):
    out = tmp_path / "p.parquet"
    result = run(
        tiny_folder,
        out,
        images,
        images / "a.png",
        f"{images}/**/*.JPG",
        "-",
        stdin=f"{images}/a.png\n\n{images}/deeper/b.JPG\n",
    )
    assert result.exit_code == 0, result.output
    names = [name.rpartition("/")[2] for name in pq.read_table(out)["image"].to_pylist()]
    assert names == ["a.png", "b.JPG", "a.png", "b.JPG", "a.png", "b.JPG"]
    assert "6 of 6 images predicted" in result.output


def test_every_bad_image_is_one_line_and_one_row(tiny_folder, images, tmp_path, png):
    bad = {
        "missing.png": None,
        "corrupt.png": png("red")[:60],
        "empty.png": b"",
        "huge.png": huge_png(),
        "text.jpg": b"<html>sorry</html>",
    }
    for name, data in bad.items():
        if data is not None:
            (images / name).write_bytes(data)
    (images / "really-a-png.jpg").write_bytes(png("red"))
    out = tmp_path / "p.parquet"
    names = [*bad, "really-a-png.jpg", "a.png"]
    result = run(tiny_folder, out, *(images / name for name in names))
    assert result.exit_code == 1
    rows = {row["image"].rpartition("/")[2]: row for row in pq.read_table(out).to_pylist()}
    assert list(rows) == names
    for name in bad:
        (line,) = [line for line in result.stderr.splitlines() if f"/{name}:" in line]
        assert line.startswith("error: ")
        assert rows[name]["error"] in line
        assert rows[name]["bar_yes_fraction"] is None
    assert rows["really-a-png.jpg"]["error"] is None
    assert rows["a.png"]["error"] is None
    assert "50000 x 50000" in rows["huge.png"]["error"]
    assert "0 bytes" in rows["empty.png"]["error"]
    assert "No such file" in rows["missing.png"]["error"]
    assert "2 of 7 images predicted" in result.stdout


@pytest.mark.parametrize("command", [predict, serve, inspect, verify])
def test_every_option_and_example_is_explained(command):
    shown = CliRunner().invoke(command, ["--help"]).output
    assert "\\b" not in shown
    assert "\n    zooassist " in shown
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_embedding(tiny_folder, images, tmp_path):
    out = tmp_path / "p.parquet"
    assert run(tiny_folder, out, images, "--embedding").exit_code == 0
    assert len(pq.read_table(out)["embedding"][0]) == 3


def test_missing_folders_are_usage_errors(tiny_folder, images, tmp_path):
    result = run(tiny_folder, tmp_path / "no" / "p.parquet", images)
    assert isinstance(result.exception, BadInput)
    assert "make it first" in str(result.exception)
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run(tiny_folder, tmp_path / "p.parquet", empty)
    assert "found none" in str(result.exception)
    assert not (tmp_path / "p.parquet").exists()


def test_no_images_at_all(tmp_path):
    with pytest.raises(BadInput, match="expected image files"):
        Source(["-"], io.BytesIO(b"\n\n"))
    with pytest.raises(BadInput, match=r"none\*: expected images .* found none"):
        Source([f"{tmp_path}/none*", str(tmp_path)])


def test_an_argument_without_images_is_a_line_and_the_rest_goes_on(tiny_folder, images, tmp_path):
    (images / "gone.png").symlink_to(tmp_path / "nothing.png")
    (images / "folder.jpg").mkdir()
    out = tmp_path / "p.parquet"
    arguments = (f"{tmp_path}/none*", images / "folder.jpg", images)
    result = run(tiny_folder, out, *arguments)
    assert result.exit_code == 1
    assert "2 of 5 images predicted" in result.stdout
    lines = result.stderr.splitlines()
    for name, words in (("none*", "found none"), ("folder.jpg", "found none"), ("gone.png", "No")):
        (line,) = [line for line in lines if f"/{name}: " in line]
        assert words in line
    rows = {row["image"].rpartition("/")[2]: row["error"] for row in pq.read_table(out).to_pylist()}
    assert [name for name, error in rows.items() if error is None] == ["a.png", "b.JPG"]


def test_names_that_are_no_text(tiny_folder, tmp_path, png):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes(png("red"))
    listed = name + b"\n" + b"a\0b.png\n" + b"x" * 300 + b".png\n"
    out = tmp_path / "p.parquet"
    result = run(tiny_folder, out, "-", stdin=listed)
    assert result.exit_code == 1, result.output
    good, zero, long = pq.read_table(out).to_pylist()
    assert good["image"].endswith("caf\\xe9.png")
    assert good["error"] is None
    assert zero["image"] == "a\\x00b.png"
    assert "zero byte" in zero["error"]
    assert "name too long" in long["error"]
    assert printable("a\x1b[2J\udce9.png") == "a\\x1b[2J\\xe9.png"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("-", "standard output"),
        ("p.txt", r"name it p\.parquet"),
        ("p", r"ends with \.parquet"),
        ("fifo", "found a device, pipe or socket"),
        ("/dev/null", "found a device, pipe or socket"),
        (".", "found a folder"),
        ("images/a.png/p.parquet", "Not a directory|expected a folder"),
        ("/proc/p.parquet", "cannot be written"),
        (f"{'x' * 300}.parquet", "cannot be written: File name too long"),
    ],
)
def test_outputs_that_cannot_be_are_refused_before_any_work(
    tiny_folder, images, tmp_path, monkeypatch, out, message
):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    monkeypatch.setattr("zooassist_serving.predict_command.load_model_folder", lambda *_: 1 / 0)
    result = run(tiny_folder, out, images)
    assert isinstance(result.exception, BadInput), result.output
    assert re.search(message, str(result.exception))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "images"]
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_one_line_and_leaves_nothing(tiny_folder, images, tmp_path):
    """A limit on the size of files stands in for the disk."""
    script = (
        "import resource, sys; from zooassist_plugin.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); main()"
    )
    out = tmp_path / "out"
    out.mkdir()
    arguments = ("predict", str(tiny_folder.path), str(images), "--out", str(out / "p.parquet"))
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "p.parquet: cannot be written: File too large; make room there" in line
    assert "Traceback" not in done.stderr
    assert list(out.iterdir()) == []


def test_pixel_limit_has_to_be_a_number_of_pixels(tiny_folder, images, tmp_path):
    out = tmp_path / "p.parquet"
    assert run(tiny_folder, out, images, "--max-pixels", -10).exit_code == 2
    result = run(tiny_folder, out, images, "--max-pixels", 10)
    assert "expected at most 10 pixels, got 20 x 20" in result.stderr
    assert "--max-pixels" in result.stderr


def test_from_the_shell(tiny_folder, images, tmp_path):
    """Through the real command: exit code, one line per problem, log lines instead of a bar."""
    command = [sys.executable, "-m", "zooassist_plugin.cli", "predict", str(tiny_folder.path)]
    done = subprocess.run(
        [*command, str(images), "nothing.png", "--out", str(tmp_path / "p.parquet")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "error: nothing.png: cannot be read" in done.stderr
    assert "predict: 3 of 3" in done.stderr
    assert "Traceback" not in done.stderr
