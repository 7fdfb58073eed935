"""A real, tiny ONNX model: mean colour -> concentrations of six answers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

onnx = pytest.importorskip("onnx", reason="the tiny test model is made with onnx ([train])")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from zooassist_plugin.label_schema import LabelSchema  # noqa: E402
from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec  # noqa: E402
from zooassist_serving.model_folder import card_for, write_model_folder  # noqa: E402

TINY_SCHEMA = {
    "questions": [
        {
            "name": "smooth-or-featured",
            "task": "T0",
            "type": "single",
            "asked_after": [],
            "text": "Is the galaxy smooth?",
            "answers": [
                {"label": "Smooth", "index": 0, "column": "smooth-or-featured_smooth"},
                {"label": "Featured", "index": 1, "column": "smooth-or-featured_featured"},
                {"label": "Artifact", "index": 2, "column": "smooth-or-featured_artifact"},
            ],
        },
        {
            "name": "bar",
            "task": "T1",
            "type": "single",
            "asked_after": ["smooth-or-featured_featured"],
            "text": "Is there a bar?",
            "answers": [
                {"label": "Yes", "index": 0, "column": "bar_yes"},
                {"label": "No", "index": 1, "column": "bar_no"},
            ],
        },
    ]
}
# Concentrations of the tiny model: (ALPHA0 + mean colour (0 to 1) @ WEIGHTS) * spread + tilt.
ALPHA0 = np.array([2, 2, 1, 3, 4], dtype=np.float32)
WEIGHTS = np.array([[30, 0, 0, 8, 0], [0, 30, 0, 0, 8], [0, 0, 30, 1, 1]], dtype=np.float32)


def tiny_onnx(samples: int = 1, answers: int = 5) -> bytes:
    """uint8 image -> concentrations (batch, samples, answers) and embedding (batch, 3)."""
    spread = np.linspace(1.0, 2.0, samples, dtype=np.float32).reshape(1, samples, 1)
    tilt = np.zeros((1, samples, answers), dtype=np.float32)
    tilt[0, :, 0] = np.linspace(0, 20, samples)
    constants = {
        "scale": np.array(1 / 255, dtype=np.float32),
        "axes": np.array([1, 2], dtype=np.int64),
        "weights": WEIGHTS[:, :answers],
        "alpha0": ALPHA0[:answers],
        "one": np.array([1], dtype=np.int64),
        "spread": spread,
        "tilt": tilt,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weights"], ["product"]),
        helper.make_node("Add", ["product", "alpha0"], ["alphas"]),
        helper.make_node("Unsqueeze", ["alphas", "one"], ["single"]),
        helper.make_node("Mul", ["single", "spread"], ["spreaded"]),
        helper.make_node("Add", ["spreaded", "tilt"], ["concentrations"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [
            helper.make_tensor_value_info(
                "concentrations", TensorProto.FLOAT, ["batch", samples, answers]
            ),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 3]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tiny_card(onnx_bytes: bytes, samples: int = 1, **changes) -> ModelCard:
    fields = {
        "name": "tiny",
        "kind": "votes",
        "inputs": (TensorSpec(name="image", dtype="uint8", shape=("batch", 16, 16, 3)),),
        "outputs": (
            TensorSpec(name="concentrations", dtype="float32", shape=("batch", samples, 5)),
            TensorSpec(name="embedding", dtype="float32", shape=("batch", 3)),
        ),
        "preprocessing": Preprocessing(size=16, crop=1.0),
        "label_schema": LabelSchema.from_json(TINY_SCHEMA),
        "licence": "Apache-2.0",
    }
    return card_for(onnx_bytes, **(fields | changes))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    onnx_bytes = tiny_onnx()
    return write_model_folder(
        onnx_bytes, tiny_card(onnx_bytes), tmp_path_factory.mktemp("models") / "tiny"
    )


@pytest.fixture(scope="session")
def sampled_folder(tmp_path_factory):
    onnx_bytes = tiny_onnx(samples=4)
    return write_model_folder(
        onnx_bytes,
        tiny_card(onnx_bytes, samples=4, name="sampled"),
        tmp_path_factory.mktemp("models") / "sampled",
    )


# Targets of the tiny model of values: redshift follows red, and magnitude blue.
TARGETS = (
    {"name": "redshift", "mean": 0.1, "scale": 0.05, "low": 0.0, "high": 0.5},
    {"name": "mag", "unit": "mag", "mean": 17.0, "scale": 2.0, "low": 12.0, "high": 20.0},
)


def tiny_values_onnx(samples: int = 1) -> bytes:
    """uint8 image -> values (batch, samples, 2, 2) and embedding (batch, 3).

    The samples' means lie 0, 0.1, 0.2… apart; deviations are 0.02 and 0.5.
    """
    weights = np.zeros((3, 2, 2), dtype=np.float32)
    weights[0, 0, 0], weights[2, 1, 0] = 0.4, -3.0
    begin = np.zeros((1, samples, 2, 2), dtype=np.float32)
    begin[0, :, :, 0] = [0.05, 18.0]
    begin[0, :, :, 0] += 0.1 * np.arange(samples)[:, None]
    begin[0, :, :, 1] = [0.02, 0.5]
    constants = {
        "scale": np.array(1 / 255, dtype=np.float32),
        "axes": np.array([1, 2], dtype=np.int64),
        "weights": weights.reshape(3, 4),
        "shape": np.array([-1, 1, 2, 2], dtype=np.int64),
        "begin": begin,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "axes"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weights"], ["product"]),
        helper.make_node("Reshape", ["product", "shape"], ["single"]),
        helper.make_node("Add", ["single", "begin"], ["values"]),
    ]
    outputs = [("values", ["batch", samples, 2, 2]), ("embedding", ["batch", 3])]
    graph = helper.make_graph(
        nodes,
        "tiny-values",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tiny_values_card(onnx_bytes: bytes, samples: int = 1, **changes) -> ModelCard:
    outputs = (
        TensorSpec(name="values", dtype="float32", shape=("batch", samples, 2, 2)),
        TensorSpec(name="embedding", dtype="float32", shape=("batch", 3)),
    )
    fields = {"name": "numbers", "kind": "values", "outputs": outputs, "label_schema": None}
    return tiny_card(onnx_bytes, **(fields | {"targets": TARGETS} | changes))


@pytest.fixture(scope="session")
def values_folder(tmp_path_factory):
    onnx_bytes = tiny_values_onnx(samples=3)
    return write_model_folder(
        onnx_bytes,
        tiny_values_card(onnx_bytes, samples=3),
        tmp_path_factory.mktemp("models") / "numbers",
    )


@pytest.fixture(scope="session")
def make_values_card():
    return tiny_values_card


@pytest.fixture(scope="session")
def make_values_onnx():
    return tiny_values_onnx


@pytest.fixture(scope="session")
def make_onnx():
    return tiny_onnx


@pytest.fixture(scope="session")
def make_card():
    return tiny_card


@pytest.fixture(scope="session")
def encode():
    """Pixels (or a PIL image) -> bytes of an image file."""

    def _encode(pixels, kind: str = "PNG", **options) -> bytes:
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return _encode


@pytest.fixture(scope="session")
def png(encode):
    """One colour -> a 20 x 20 PNG."""
    return lambda colour: encode(Image.new("RGB", (20, 20), colour))
