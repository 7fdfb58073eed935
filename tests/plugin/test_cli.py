"""The command line: quick help, the table of doors, exit codes and error lines."""

from __future__ import annotations

import importlib
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from zooassist_plugin.cli import DOORS, EXTRAS, cli, explain_missing, main
from zooassist_plugin.errors import Refused

HEAVY = {"torch", "onnxruntime", "flask", "polars", "lightning", "timm", "pyarrow", "sqlalchemy"}


def test_help_imports_no_heavy_library():
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "zooassist_plugin.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {
        line.rsplit("|", 1)[-1].strip().partition(".")[0] for line in run.stderr.splitlines()
    }
    assert "click" in imported, "the list of imports was not read"
    assert imported & HEAVY == set()


def test_help_lists_every_door():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name, door in DOORS.items():
        assert name in result.output
        assert door.help in result.output


@pytest.mark.parametrize("name", DOORS)
def test_every_door_opens_and_explains_itself(name):
    module, _, attribute = DOORS[name].target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    result = CliRunner().invoke(command, ["--help"])
    assert result.exit_code == 0, result.output
    assert command.help, f"{name} has no help text"


def test_unknown_command_is_a_usage_error():
    result = CliRunner().invoke(cli, ["nonsense"])
    assert result.exit_code == 2
    assert "nonsense" in result.output


@pytest.mark.parametrize("module", EXTRAS)
def test_missing_library_names_the_extra(module):
    explained = explain_missing(ModuleNotFoundError(name=f"{module}.part"))
    assert explained is not None
    assert f'pip install "zooassist[{EXTRAS[module]}]"' in str(explained)


def test_other_missing_modules_are_not_explained_away():
    assert explain_missing(ModuleNotFoundError(name="zooassist_plugin.gone")) is None


# The last door: whatever comes is one line ----------------------------------------------------


def run_main(monkeypatch, capsys, error: Exception, *arguments: str) -> tuple[int, str]:
    def fail(**options):
        raise error

    monkeypatch.setattr("zooassist_plugin.cli.cli", fail)
    monkeypatch.setattr(sys, "argv", ["zooassist", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code), capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (PermissionError(13, "Permission denied", "/srv/x.parquet"), 2,
         "error: /srv/x.parquet: Permission denied; choose a place"),
        (PermissionError(13, "Failed to open local file '.x.parquet.7136'"), 2,
         "error: Failed to open local file '.x.parquet.7136'; choose a place"),
        (OSError(28, "No space left on device", "a", None, "b"), 2,
         "error: a -> b: No space left on device; the disk is full"),
        (OSError(30, "Read-only file system", "/x"), 2, "may read and write"),
        (OSError(27, "Error writing bytes to file"), 2, "(ulimit -f)"),
        (OSError(98, "Address already in use"), 2, "choose another --port"),
        (OSError(5, "Input/output error", b"/x"), 2, "/x: Input/output error; check the path and"),
        (OSError("cannot identify image file"), 1, "unexpected OSError (cannot identify"),
        (ValueError("first line\nsecond line"), 1, "unexpected ValueError (first line); run again"),
        (KeyError(), 1, "unexpected KeyError; run again as `zooassist --debug"),
        (ModuleNotFoundError("No module named 'gone'", name="gone"), 1, "No module named 'gone'"),
        (ModuleNotFoundError("x", name="torch"), 2, 'pip install "zooassist[train]"'),
        (Refused("Panoptes said no"), 3, "error: Panoptes said no\n"),
    ],
)  # fmt: skip
def test_every_error_is_one_line_with_its_exit_code(monkeypatch, capsys, error, code, expected):
    found, text = run_main(monkeypatch, capsys, error, "predict")
    assert (found, text.count("\n")) == (code, 1)
    assert expected in text


@pytest.mark.parametrize(
    "arguments",
    [["--debug", "predict"], ["--debug", "--version"], ["--version", "--debug", "predict"]],
)
def test_debug_before_the_command_shows_the_traceback(monkeypatch, arguments):
    def fail(**options):
        raise ValueError("odd")

    monkeypatch.setattr("zooassist_plugin.cli.cli", fail)
    monkeypatch.setattr(sys, "argv", ["zooassist", *arguments])
    with pytest.raises(ValueError, match="odd"):
        main()


def test_a_debug_behind_the_command_is_the_commands_own(monkeypatch, capsys):
    assert run_main(monkeypatch, capsys, ValueError(), "predict", "--debug")[0] == 1
