"""How is an ONNX graph written by hand? Node by node, with names made up where none matter.

torch's exporters unroll a loop over slices (or trace it wrongly, without a word). What they cannot
say is little: a loop is one `Scan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


class GraphBuilder:
    """The nodes of a graph, or of a graph inside one: that sees the names of the outer one.

    Parameters
    ----------
    prefix : str
        In front of the names that are made up; different for each graph of a model.
    """

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._prefix, self._number = prefix, 0

    def fresh(self, hint: str) -> str:
        """Make up a name."""
        self._number += 1
        return f"{self._prefix}{hint}_{self._number}"

    def op(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: int | Sequence[str] = 1,
        **attributes: Any,  # noqa: ANN401 - what ONNX takes
    ) -> list[str]:
        """Add a node; return the names of its outputs, made up where only their number is given."""
        names = (
            [self.fresh(kind.lower()) for _ in range(outputs)]
            if isinstance(outputs, int)
            else list(outputs)
        )
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def one(self, kind: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """Add a node with one output; return its name."""
        return self.op(kind, inputs, **attributes)[0]

    def constant(self, values: NDArray[Any] | Sequence[int] | int | float) -> str:
        """Add numbers: integers as int64, others as float32."""
        array = np.asarray(values)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = self.fresh("constant")
        self.initialisers.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str, values: NDArray[np.float32]) -> None:
        """Add a weight under its own name."""
        self.initialisers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def leading(self, tensor: str, count: int) -> str:
        """Return the lengths of a tensor's first axes."""
        return self._lengths(tensor, 0, count)

    def trailing(self, tensor: str, first: int) -> str:
        """Return the lengths of a tensor's axes from one on."""
        return self._lengths(tensor, first, 2**31)

    def _lengths(self, tensor: str, start: int, end: int) -> str:
        shape = self.one("Shape", tensor)
        return self.one("Slice", shape, self.constant([start]), self.constant([end]))

    def flat(self, stack: str) -> str:
        """Join the first two axes of a tensor."""
        lengths = self.one("Concat", self.constant([-1]), self.trailing(stack, 2), axis=0)
        return self.one("Reshape", stack, lengths)

    def unflat(self, images: str, stack: str) -> str:
        """Split the first axis again, as the first two of `stack`."""
        lengths = self.one("Concat", self.leading(stack, 2), self.trailing(images, 1), axis=0)
        return self.one("Reshape", images, lengths)

    def graph(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
    ) -> onnx.GraphProto:
        """Make the graph."""
        return helper.make_graph(self.nodes, name, inputs, outputs, self.initialisers)


def value(
    name: str, shape: Sequence[int | str | None] | None, dtype: int = TensorProto.FLOAT
) -> onnx.ValueInfoProto:
    """Describe an input or output; None as the shape where nothing is said of it."""
    return helper.make_tensor_value_info(name, dtype, shape)
