"""How does a model file become a quarter as large? Its weights are kept as whole numbers, scaled.

Each row of a matrix, and each filter, has a scale of its own: its largest weight is 127. As with
`half_storage` it is only storage: behind such a weight stand a Cast and a product with the scales,
which onnxruntime does once, when it loads the graph. The weights are rounded in the PyTorch network
*before* the export, so that parity and test scores are those of what is served.
"""

from __future__ import annotations

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput
from zooassist_training.half_storage import WIDENED, large_initialisers, large_weights, put_before

LARGEST = 127
# The scale of a rounded filter may differ in its last bit; then it is rounded again.
ROUNDS = 5
# What the scales, and the whole numbers as 32-bit floats, are called in the graph.
SCALES, WHOLE = "/scales", "/whole"


@torch.no_grad()
def round_to_int8(network: nn.Module) -> None:
    """Round a network's large weights, in place, to whole multiples of each filter's scale."""
    for weight in large_weights(network).values():
        values = weight.cpu().numpy()
        for _ in range(ROUNDS):
            before, values = values, np.multiply(*_parted(values))
            if np.array_equal(before, values):
                break
        weight.copy_(torch.from_numpy(values))


def store_int8(model: onnx.ModelProto, weights: dict[str, Tensor]) -> None:
    """Keep these weights of a graph as whole numbers of 8 bits; names stay what they are.

    Raises
    ------
    BadInput
        When a weight was not rounded before.
    """
    graph = model.graph
    nodes, wide = [], {}
    for tensor, values in large_initialisers(graph, weights):
        whole, scales = _parted(values)
        if not np.array_equal(whole * scales, values):
            raise BadInput(f"weight {tensor.name} was not rounded to 8 bits before the export")
        name = tensor.name
        wide[name] = name + WIDENED
        tensor.CopyFrom(numpy_helper.from_array(whole.astype(np.int8), name))
        graph.initializer.append(numpy_helper.from_array(scales, name + SCALES))
        nodes.append(helper.make_node("Cast", [name], [name + WHOLE], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [name + WHOLE, name + SCALES], [wide[name]]))
    put_before(graph, nodes, wide)


def _parted(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return whole numbers and scales, whose product is as near to the values as may be.

    The scales of values that are such a product already are found again: the largest is 127.
    """
    axes = tuple(range(1, values.ndim))
    largest = np.abs(values).max(axes, keepdims=True)
    scales = np.where(largest > 0, largest / np.float32(LARGEST), np.float32(1)).astype(np.float32)
    return np.rint(values / scales).astype(np.float32), scales
