"""Which models are served? Plain convolutions of a chosen cost, in model folders like any other."""

from __future__ import annotations

import hashlib
import statistics
import time
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import Preprocessing, TensorSpec
from zooassist_serving.model_folder import ModelFolder, card_for, write_model_folder

SIZE = 96
CHANNELS = 16
SCHEMA = {
    "questions": [
        {
            "name": "smooth",
            "task": "T0",
            "type": "single",
            "asked_after": [],
            "text": "Is it smooth?",
            "answers": [
                {"label": "Yes", "index": 0, "column": "smooth_yes"},
                {"label": "No", "index": 1, "column": "smooth_no"},
                {"label": "Artifact", "index": 2, "column": "smooth_artifact"},
            ],
        },
        {
            "name": "bar",
            "task": "T1",
            "type": "single",
            "asked_after": ["smooth_no"],
            "text": "Is there a bar?",
            "answers": [
                {"label": "Yes", "index": 0, "column": "bar_yes"},
                {"label": "No", "index": 1, "column": "bar_no"},
            ],
        },
    ]
}


def graph_bytes(layers: int, width: int = CHANNELS, seed: int = 0) -> bytes:
    """Make a graph: image -> convolutions at a quarter of its side -> five concentrations."""
    random = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        scale = np.sqrt(2 / np.prod(shape[1:]))
        return (random.normal(0, scale, shape)).astype(np.float32)

    constants: dict[str, np.ndarray] = {
        "scale": np.array(1 / 255, dtype=np.float32),
        "stem": weights(width, 3, 4, 4),
        "head": weights(5, width).T.copy(),
        "least": np.array(1.0, dtype=np.float32),
        "one": np.array([1], dtype=np.int64),
        "axes": np.array([2, 3], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "stem"], ["x0"], strides=[4, 4]),
    ]
    for layer in range(layers):
        constants[f"w{layer}"] = weights(width, width, 3, 3)
        nodes += [
            helper.make_node("Conv", [f"x{layer}", f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{layer}"], [f"x{layer + 1}"]),
        ]
    nodes += [
        helper.make_node("ReduceMean", [f"x{layers}", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "head"], ["scores"]),
        helper.make_node("Softplus", ["scores"], ["positive"]),
        helper.make_node("Add", ["positive", "least"], ["alphas"]),
        helper.make_node("Unsqueeze", ["alphas", "one"], ["concentrations"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bench",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("concentrations", TensorProto.FLOAT, ["batch", 1, 5]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", width]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def milliseconds(content: bytes, runs: int = 30) -> float:
    """Measure a run of one image on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    image = {"image": np.zeros((1, SIZE, SIZE, 3), dtype=np.uint8)}
    for _ in range(5):
        session.run(None, image)
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        session.run(None, image)
        took.append(time.perf_counter() - begun)
    return 1000 * statistics.median(took)


def model_of(target: float, name: str, out: Path, seed: int = 0) -> ModelFolder:
    """Write a model whose run takes about `target` milliseconds on this machine.

    Parameters
    ----------
    seed : int
        Another one is another version of the model.
    """
    few, many = (milliseconds(graph_bytes(layers)) for layers in (1, 9))
    each = max((many - few) / 8, 1e-3)
    layers = max(1, round(1 + (target - few) / each))
    content = graph_bytes(layers, seed=seed)
    card = card_for(
        content,
        name=name,
        kind="votes",
        inputs=(TensorSpec(name="image", dtype="uint8", shape=("batch", SIZE, SIZE, 3)),),
        outputs=(
            TensorSpec(name="concentrations", dtype="float32", shape=("batch", 1, 5)),
            TensorSpec(name="embedding", dtype="float32", shape=("batch", CHANNELS)),
        ),
        preprocessing=Preprocessing(size=SIZE, crop=0.75),
        label_schema=LabelSchema.from_json(SCHEMA),
        licence="Apache-2.0",
    )
    return write_model_folder(content, card, out / hashlib.sha256(content).hexdigest()[:12])
