"""The command line: quick help, the table of doors, exit codes and error lines."""

from __future__ import annotations

import importlib
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from zooassist_plugin.cli import DOORS, EXTRAS, cli, explain_missing

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
