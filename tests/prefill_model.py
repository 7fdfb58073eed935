"""A real, tiny galaxy model whose questions fit `prefill_project`'s workflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec
from zooassist_serving.model_folder import ModelFolder, card_for, write_model_folder

SIZE = 16
SMOOTH = LabelSchema(
    (
        Question(
            name="smooth-or-featured",
            task="",
            type="single",
            asked_after=(),
            answers=tuple(
                Answer(label, index, f"smooth-or-featured_{part}")
                for index, (label, part) in enumerate(
                    [
                        ("Smooth", "smooth"),
                        ("Featured or disk", "featured-or-disk"),
                        ("Star or artifact", "artifact"),
                    ]
                )
            ),
            text="Smooth or featured",
        ),
        Question(
            name="bar",
            task="",
            type="single",
            asked_after=("smooth-or-featured_featured-or-disk",),
            answers=(Answer("Yes", 0, "bar_yes"), Answer("No", 1, "bar_no")),
            text="Is there a bar",
        ),
    )
)


def onnx_bytes(tilt: float = 0.0) -> bytes:
    """Mean colour -> five concentrations; another `tilt` makes another version."""
    constants = {
        "scale": np.array(1 / 255, dtype=np.float32),
        "axes": np.array([1, 2], dtype=np.int64),
        "weights": np.full((3, 5), 4, dtype=np.float32),
        "alpha0": np.array([6 + tilt, 2, 1, 1, 1], dtype=np.float32),
        "one": np.array([1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "axes"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["product"]),
        helper.make_node("Add", ["product", "alpha0"], ["alphas"]),
        helper.make_node("Unsqueeze", ["alphas", "one"], ["concentrations"]),
    ]
    graph = helper.make_graph(
        nodes,
        "test-galaxies",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("concentrations", TensorProto.FLOAT, ["batch", 1, 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model.SerializeToString()


def model_card(
    kind: str = "votes", schema: LabelSchema | None = SMOOTH, tilt: float = 0.0
) -> ModelCard:
    main = "concentrations" if kind == "votes" else "mask"
    return card_for(
        onnx_bytes(tilt),
        preprocessing=Preprocessing(size=SIZE),
        name="test-galaxies",
        kind=kind,
        inputs=(TensorSpec(name="image", dtype="uint8", shape=("batch", SIZE, SIZE, 3)),),
        outputs=(TensorSpec(name=main, dtype="float32", shape=("batch", 1, 5)),),
        label_schema=schema,
        licence="Apache-2.0",
    )


def model_folder(folder: Path, tilt: float = 0.0) -> ModelFolder:
    return write_model_folder(onnx_bytes(tilt), model_card(tilt=tilt), folder)
