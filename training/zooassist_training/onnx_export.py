"""How does a network become an ONNX graph, and does the graph compute the same?

The TorchScript exporter is used: it needs no further library, takes a tenth of a second, and keeps
every parameter as an initialiser under its PyTorch name. Batch normalisation is *not* folded into
the convolutions (onnxruntime does so when it loads the graph), so that `restore` can read the
weights back and go on training: a model folder needs no checkpoint, and no pickle, beside it.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from zooassist_plugin.errors import ZooassistError
from zooassist_plugin.model_card import MAIN_OUTPUT
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.ensemble import Network, members_of, number_of_samples
from zooassist_training.networks import NetworkSpec
from zooassist_training.weight_storage import Storage, store_weights

# Operators up to here are in every onnxruntime since 1.13; raising it changes all digests.
OPSET = 17
EMBEDDING = "embedding"
METADATA_KEY = "zooassist.network"
PARITY_BATCH = 64
TOLERANCE = 1e-3


class ParityError(ZooassistError):
    """The exported graph computes something else than the network it was made from."""


@dataclass(frozen=True)
class Description:
    """What a graph says it was made from: so many networks of this kind."""

    spec: NetworkSpec
    members: int = 1


def export_onnx(network: Network, store: Storage = "float32") -> bytes:
    """Write the network as an ONNX model with a free batch size, all weights inside.

    The network's description is put in the model's metadata, for `restore`.

    Parameters
    ----------
    store : str
        Of a network that went through `round_weights`.
    """
    network.eval()
    side, answers = network.spec.size, MAIN_OUTPUT[network.spec.kind]
    device = next(network.parameters()).device
    sample = torch.zeros(2, side, side, 3, dtype=torch.uint8, device=device)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / "model.onnx"
        # The exporter announces its own successor, which needs onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (sample,),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=[answers, EMBEDDING],
            dynamic_axes={name: {0: "batch"} for name in ("image", answers, EMBEDDING)},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
        model = onnx.load_model(path)
    _say_sizes(model, network)
    model.producer_name, model.producer_version = "zooassist", ""
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(_described(network), sort_keys=True)
    store_weights(model, network, store)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _say_sizes(model: onnx.ModelProto, network: Network) -> None:
    """Put the lengths of the output's axes in the graph: the exporter loses them in reshapes."""
    name = MAIN_OUTPUT[network.spec.kind]
    output = next(each for each in model.graph.output if each.name == name)
    lengths = (number_of_samples(network), *members_of(network)[0].answer_shape)
    for dimension, length in zip(output.type.tensor_type.shape.dim[1:], lengths, strict=True):
        dimension.dim_value = length


def _described(network: Network) -> dict[str, Any]:
    members = len(members_of(network))
    return network.spec.to_json() | ({"members": members} if members > 1 else {})


def described_network(model: onnx.ModelProto) -> Description | None:
    """Read the network's description from a graph's metadata, None when it has none."""
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            content = json.loads(entry.value)
            return Description(NetworkSpec.from_json(content), int(content.get("members", 1)))
    return None


def largest_difference(
    network: Network, onnx_bytes: bytes, images: NDArray[np.uint8], threads: int = 1
) -> float:
    """Return the largest difference in the answers, onnxruntime against PyTorch.

    Of concentrations it is relative, of values in units of their spread in training.

    Parameters
    ----------
    images : array of shape (images, size, size, 3), uint8
        Real ones: differences hide in activations that noise does not cause.
    """
    network.eval()
    device = next(network.parameters()).device
    answers, difference = MAIN_OUTPUT[network.spec.kind], members_of(network)[0].difference
    largest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(onnx_bytes)
        runtime = OnnxRuntime(path, threads=threads)
        for start in range(0, len(images), PARITY_BATCH):
            batch = np.ascontiguousarray(images[start : start + PARITY_BATCH])
            graph = runtime.run(batch)[answers]
            with torch.no_grad():
                expected = network(torch.from_numpy(batch).to(device))[0].cpu().numpy()
            # np.maximum, unlike max, lets a NaN through to the caller.
            largest = float(np.maximum(largest, difference(graph, expected)))
    return largest


def check_parity(
    network: Network,
    onnx_bytes: bytes,
    images: NDArray[np.uint8],
    tolerance: float = TOLERANCE,
) -> float:
    """Return the largest difference, see `largest_difference`.

    Raises
    ------
    ParityError
        When it is more than `tolerance`, or not a number.
    """
    difference = largest_difference(network, onnx_bytes, images)
    if not difference <= tolerance:  # a NaN compares false
        raise ParityError(
            f"the ONNX graph and PyTorch differ by {difference:.2g} (relative, over {len(images)} "
            f"images), allowed are {tolerance:.0e}; no model was written. Train in full precision "
            "(--precision 32) or choose another encoder"
        )
    return difference
