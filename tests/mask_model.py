"""A real, tiny model that outlines what is red and what is green."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec
from zooassist_serving.model_folder import ModelFolder, card_for, write_model_folder

THRESHOLDS = {"red cell": 0.5, "green cell": 0.5}


def mask_onnx(side: int | None = None) -> bytes:
    """Channel / 255 -> probability of its class; height and width free unless `side` is given."""
    rows, columns = (side, side) if side else ("height", "width")
    constants = {
        "scale": np.array(1 / 255, dtype=np.float32),
        "starts": np.array([0], dtype=np.int64),
        "ends": np.array([2], dtype=np.int64),
        "axes": np.array([3], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["unit"]),
        helper.make_node("Slice", ["unit", "starts", "ends", "axes"], ["two"]),
        helper.make_node("Transpose", ["two"], ["mask"], perm=[0, 3, 1, 2]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", rows, columns, 3])],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 2, rows, columns])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def mask_card(onnx_bytes: bytes, side: int | None = None, **changes) -> ModelCard:
    rows, columns = (side, side) if side else ("height", "width")
    fields = {
        "name": "colours",
        "kind": "mask",
        "inputs": (
            TensorSpec(name="image", dtype="uint8", shape=("batch", rows, columns, 3), divisor=8),
        ),
        "outputs": (TensorSpec(name="mask", dtype="float32", shape=("batch", 2, rows, columns)),),
        "preprocessing": Preprocessing(size=30),
        "thresholds": THRESHOLDS,
        "licence": "Apache-2.0",
    }
    return card_for(onnx_bytes, **(fields | changes))


def mask_folder(path: Path, side: int | None = None, **changes) -> ModelFolder:
    content = mask_onnx(side)
    return write_model_folder(content, mask_card(content, side, **changes), path)
