"""Which models propose at all? Asked before Zooniverse is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

onnx = pytest.importorskip("onnx", reason="the tiny test model is made with onnx ([train])")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from zooassist_loop.propose.command import propose  # noqa: E402
from zooassist_loop.propose.pipeline import check_proposes  # noqa: E402
from zooassist_plugin.errors import BadInput  # noqa: E402
from zooassist_plugin.model_card import Preprocessing, TensorSpec  # noqa: E402
from zooassist_plugin.targets import Target  # noqa: E402
from zooassist_serving.model_folder import (  # noqa: E402
    card_for,
    load_model_folder,
    write_model_folder,
)


@pytest.fixture
def brightness(tmp_path) -> Path:
    """A model of one value: an image's mean, give or take one."""
    begin = np.array([[[[0.0, 1.0]]]], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=1),
            helper.make_node("Mul", ["mean", "first"], ["only"]),
            helper.make_node("Add", ["only", "begin"], ["values"]),
        ],
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", 1, 1, 2])],
        [
            numpy_helper.from_array(np.array([1, 2, 3]), "axes"),
            numpy_helper.from_array(1 - begin, "first"),
            numpy_helper.from_array(begin, "begin"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    graph_bytes = model.SerializeToString()
    card = card_for(
        graph_bytes,
        preprocessing=Preprocessing(size=16),
        name="brightness",
        kind="values",
        inputs=(TensorSpec(name="image", dtype="uint8", shape=("batch", 16, 16, 3)),),
        outputs=(TensorSpec(name="values", dtype="float32", shape=("batch", 1, 1, 2)),),
        targets=(Target(name="brightness", mean=9, scale=3, low=0, high=255),),
        licence="CC0-1.0",
    )
    return write_model_folder(graph_bytes, card, tmp_path / "brightness").path


def test_values_are_no_proposals(brightness, monkeypatch):
    monkeypatch.setattr("zooassist_loop.propose.command.open_sides", lambda *_: 1 / 0)
    arguments = ["1", "--subject-set", "2", "--model", str(brightness)]
    result = CliRunner().invoke(propose, arguments)
    assert isinstance(result.exception, BadInput)
    assert "got kind 'values', which proposes nothing" in str(result.exception)
    assert "zooassist predict" in str(result.exception)


def test_votes_are():
    check_proposes(load_model_folder("galaxy-zoo").card)
