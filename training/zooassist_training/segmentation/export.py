"""How does a mask or volume network become a graph, and does the graph compute the same?

Networks of images go through torch's exporter, as in `onnx_export`. Networks of volumes are written
by hand (`volume_graph`). Both keep every weight under its PyTorch name, for `restore`.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper

from zooassist_plugin.model_card import TensorSpec
from zooassist_serving.masks.volume_runner import STAGES, zeros
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.onnx_export import METADATA_KEY, OPSET, ParityError
from zooassist_training.segmentation import volume_graph
from zooassist_training.segmentation.networks import SegmentationNetwork
from zooassist_training.weight_storage import Storage, store_weights

TOLERANCE = 1e-4
OUTPUTS = ("mask", "patch_realness")
IR_VERSION = 8


def export_segmentation(network: SegmentationNetwork, store: Storage = "float32") -> bytes:
    """Write a network as an ONNX model with free sizes, all weights inside.

    Parameters
    ----------
    store : str
        Of a network that went through `round_weights`.
    """
    network.eval()
    model = _of_volumes(network) if network.spec.kind == "volume" else _of_images(network)
    model.producer_name, model.producer_version = "zooassist", ""
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(network.spec.to_json(), sort_keys=True)
    store_weights(model, network, store)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _of_volumes(network: SegmentationNetwork) -> onnx.ModelProto:
    graph = volume_graph.volume_graph(network)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )


def _of_images(network: SegmentationNetwork) -> onnx.ModelProto:
    spec = network.spec
    side = 2 * spec.divisor
    sample = torch.zeros(2, side, side, spec.channels, dtype=torch.uint8)
    free = {
        "image": {0: "batch", 1: "height", 2: "width"},
        "mask": {0: "batch", 2: "height", 3: "width"},
        "patch_realness": {0: "batch", 2: "rows", 3: "columns"},
    }
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "model.onnx"
        # The exporter announces its own successor, which needs onnxscript; and networks that ask
        # whether sizes fit are told so at the size of the sample. `check_parity` uses others.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (sample,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=list(OUTPUTS),
            dynamic_axes=free,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
        model = onnx.load_model(path)
    for output, lengths in zip(model.graph.output, ((1, spec.classes), (1, 1)), strict=True):
        place, length = lengths
        output.type.tensor_type.shape.dim[place].dim_value = length
    return model


def input_specs(network: SegmentationNetwork) -> tuple[TensorSpec, ...]:
    """Describe the graph's inputs for `model.json`."""
    spec = network.spec
    if spec.kind == "volume":
        return volume_graph.input_specs(network)
    shape = ("batch", "height", "width", spec.channels)
    return (TensorSpec(name="image", dtype="uint8", shape=shape, divisor=spec.divisor),)


def output_specs(network: SegmentationNetwork) -> tuple[TensorSpec, ...]:
    """Describe the graph's outputs for `model.json`."""
    if network.spec.kind == "volume":
        return volume_graph.output_specs(network)
    mask = ("batch", network.spec.classes, "height", "width")
    return (
        TensorSpec(name="mask", dtype="float32", shape=mask),
        TensorSpec(name="patch_realness", dtype="float32", shape=("batch", 1, "rows", "columns")),
    )


def check_parity(
    network: SegmentationNetwork,
    onnx_bytes: bytes,
    stacks: Sequence[NDArray[np.uint8]],
    tolerance: float = TOLERANCE,
) -> float:
    """Return the largest difference of any probability, ONNX Runtime against PyTorch.

    Parameters
    ----------
    stacks : sequence of arrays (batch, slices, height, width, channels), uint8
        Real ones, of several sizes: an exporter may have fixed the size of its sample. Sides are
        multiples of the divisor; images are stacks of one slice.

    Raises
    ------
    ParityError
        When it is more than `tolerance`, or not a number.
    """
    network.eval()
    largest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(onnx_bytes)
        runtime = OnnxRuntime(path, threads=1)
        for stack in stacks:
            for one, other in zip(
                volume_graph.reference(network, stack), _run(runtime, network, stack), strict=True
            ):
                difference = np.abs(one - other).max() if one.shape == other.shape else np.inf
                # np.maximum, unlike max, lets a NaN through to the caller.
                largest = float(np.maximum(largest, difference))
    if not largest <= tolerance:  # a NaN compares false
        raise ParityError(
            f"the ONNX graph and PyTorch differ by {largest:.2g} (of probabilities, over "
            f"{len(stacks)} sizes), allowed are {tolerance:.0e}; no model was written. Train in "
            "full precision (--precision 32) or choose another --network"
        )
    return largest


def _run(
    runtime: OnnxRuntime, network: SegmentationNetwork, stack: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if network.spec.kind == "mask":
        found = runtime.run(stack[:, 0])
        return found["mask"][:, None], found["patch_realness"]
    batch, _, height, width, _ = stack.shape
    states = {
        spec.name: zeros(spec, height, width, batch)
        for spec in input_specs(network)
        if spec.name not in ("image", "stage")
    }
    stage = np.array(STAGES["whole"], dtype=np.int64)
    found = runtime.run_inputs({"image": stack, "stage": stage, **states})
    return found["mask"], found["patch_realness"]
