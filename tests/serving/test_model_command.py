from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving.model_command import model


def test_inspect(tiny_folder):
    result = CliRunner().invoke(model, ["inspect", str(tiny_folder.path)])
    assert result.exit_code == 0
    assert f"tiny, version {tiny_folder.card.version} (votes)" in result.output
    assert "question bar (after smooth-or-featured_featured): Yes, No" in result.output
    assert "licence: Apache-2.0" in result.output


def test_inspect_as_json(tiny_folder):
    result = CliRunner().invoke(model, ["inspect", str(tiny_folder.path), "--json"])
    assert json.loads(result.output) == tiny_folder.card.to_json()


def test_verify_runs_the_graph(tiny_folder):
    result = CliRunner().invoke(model, ["verify", str(tiny_folder.path)])
    assert result.exit_code == 0
    assert "sound" in result.output


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_damaged_folder(tiny_folder, tmp_path, command):
    copy = shutil.copytree(tiny_folder.path, tmp_path / "copy")
    content = bytearray((copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.onnx").write_bytes(content)
    result = CliRunner().invoke(model, [command, str(copy)])
    assert isinstance(result.exception, BadInput)
    assert "changed or damaged" in str(result.exception)
