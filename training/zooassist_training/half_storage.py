"""How does a model file become half as large? Its weights are kept as 16-bit floats.

Only storage: a Cast behind every such weight makes it 32 bits again, onnxruntime does these casts
when it loads the graph, and then computes as ever. The weights are rounded in the PyTorch network
*before* the export, so that parity and test scores are those of what is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput

# What the 32-bit form of a stored weight is called in the graph.
WIDENED = "/float32"


def large_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights that are kept in fewer bits, by name: matrices and filters.

    Biases and the statistics of normalisations are few, and their size may lie outside the range
    of 16 bits; they stay as they are.
    """
    return {name: each for name, each in network.named_parameters() if each.ndim > 1}


@torch.no_grad()
def round_to_halves(network: nn.Module) -> None:
    """Round a network's large weights, in place, to what 16 bits can hold.

    Raises
    ------
    BadInput
        When a weight is too large for 16 bits.
    """
    for name, weight in large_weights(network).items():
        rounded = weight.half().float()
        if not bool(torch.isfinite(rounded).all()):
            raise BadInput(
                f"weight {name} holds {float(weight.abs().max()):.3g}, more than 16 bits can; "
                "train again with a lower --learning-rate, or store 32 bits (--store float32)"
            )
        weight.copy_(rounded)


def store_halves(model: onnx.ModelProto, weights: dict[str, Tensor]) -> None:
    """Keep these weights of a graph as float16, each behind a Cast; names stay what they are.

    Raises
    ------
    BadInput
        When a weight was not rounded before.
    """
    graph = model.graph
    casts, wide = [], {}
    for tensor, values in large_initialisers(graph, weights):
        halves = values.astype(np.float16)
        if not np.array_equal(halves.astype(np.float32), values):
            raise BadInput(f"weight {tensor.name} was not rounded to 16 bits before the export")
        tensor.CopyFrom(numpy_helper.from_array(halves, tensor.name))
        wide[tensor.name] = tensor.name + WIDENED
        casts.append(
            helper.make_node("Cast", [tensor.name], [wide[tensor.name]], to=TensorProto.FLOAT)
        )
    put_before(graph, casts, wide)


def large_initialisers(
    graph: onnx.GraphProto, weights: Mapping[str, Tensor]
) -> list[tuple[TensorProto, NDArray[np.float32]]]:
    """Return the initialisers that are to be kept in fewer bits, with their values."""
    return [
        (tensor, numpy_helper.to_array(tensor))
        for tensor in graph.initializer
        if tensor.name in weights and tensor.data_type == TensorProto.FLOAT
    ]


def put_before(
    graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto], names: Mapping[str, str]
) -> None:
    """Put nodes before all others, which then take what these make.

    Parameters
    ----------
    names : mapping
        What is taken -> what is to be taken in its place.
    """
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)
    every = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(every)
