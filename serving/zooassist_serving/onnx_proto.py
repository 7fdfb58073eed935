"""What is in an ONNX file? Read from its bytes, before any runtime is let near it.

A protobuf message is a row of (field number, value); that is all there is to know to walk one.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from zooassist_plugin.errors import BadInput

# Deepest nesting of graphs inside nodes (If, Loop) that is followed.
MAX_DEPTH = 32
DTYPES = {1: "float32", 2: "uint8", 7: "int64"}


@dataclass(frozen=True)
class GraphTensor:
    """Name, element type and shape of a graph input or output; free sizes by name ('' if none)."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass
class OnnxContents:
    """What the loader wants to know of a graph."""

    inputs: list[GraphTensor] = field(default_factory=list)
    outputs: list[GraphTensor] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)
    function_domains: set[str] = field(default_factory=set)
    external_tensors: list[str] = field(default_factory=list)


def read_onnx(data: bytes) -> OnnxContents:
    """Walk a serialised ONNX model.

    Raises
    ------
    BadInput
        When the bytes are not an ONNX model.
    """
    contents = OnnxContents()
    seen_graph = False
    try:
        for number, value in _fields(memoryview(data)):
            if number == 7:
                seen_graph = True
                _walk_graph(_bytes(value), contents, depth=0)
            elif number == 25:
                _walk_function(_bytes(value), contents)
    except (IndexError, UnicodeDecodeError, TypeError) as error:
        raise BadInput("expected an ONNX model, got bytes that are not one (damaged?)") from error
    if not seen_graph:
        raise BadInput("expected an ONNX model, got a file without a graph")
    return contents


def _walk_graph(graph: memoryview, contents: OnnxContents, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadInput(f"expected graphs nested at most {MAX_DEPTH} deep, got more")
    for number, value in _fields(graph):
        if number == 1:
            _walk_node(_bytes(value), contents, depth)
        elif number == 5:
            _walk_tensor(_bytes(value), contents)
        elif number == 15:  # SparseTensorProto: values = 1, indices = 2
            for part, tensor in _fields(_bytes(value)):
                if part in (1, 2):
                    _walk_tensor(_bytes(tensor), contents)
        elif number == 11 and depth == 0:
            contents.inputs.append(_graph_tensor(_bytes(value)))
        elif number == 12 and depth == 0:
            contents.outputs.append(_graph_tensor(_bytes(value)))


def _walk_node(node: memoryview, contents: OnnxContents, depth: int) -> None:
    domain = ""
    for number, value in _fields(node):
        if number == 7:
            domain = _text(value)
        elif number == 5:
            _walk_attribute(_bytes(value), contents, depth)
    contents.domains.add(domain)


def _walk_attribute(attribute: memoryview, contents: OnnxContents, depth: int) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10):  # t, tensors
            _walk_tensor(_bytes(value), contents)
        elif number in (6, 11):  # g, graphs
            _walk_graph(_bytes(value), contents, depth + 1)
        elif number in (22, 23):  # sparse_tensor, sparse_tensors
            for part, tensor in _fields(_bytes(value)):
                if part in (1, 2):
                    _walk_tensor(_bytes(tensor), contents)


def _walk_function(function: memoryview, contents: OnnxContents) -> None:
    """Follow a function that the model defines itself: node = 7, domain = 10."""
    for number, value in _fields(function):
        if number == 7:
            _walk_node(_bytes(value), contents, depth=1)
        elif number == 10:
            contents.function_domains.add(_text(value))


def _walk_tensor(tensor: memoryview, contents: OnnxContents) -> None:
    name, external = "", False
    for number, value in _fields(tensor):
        if number == 8:
            name = _text(value)
        elif number == 13 or (number == 14 and value == 1):
            external = True
    if external:
        contents.external_tensors.append(name)


def _graph_tensor(info: memoryview) -> GraphTensor:
    """ValueInfoProto: name = 1, type = 2 (tensor_type = 1: elem_type = 1, shape = 2)."""
    name, dtype = "", "unknown"
    shape: list[int | str] = []
    for number, value in _fields(info):
        if number == 1:
            name = _text(value)
        elif number == 2:
            for kind, tensor_type in _fields(_bytes(value)):
                if kind != 1:
                    continue
                for part, content in _fields(_bytes(tensor_type)):
                    if part == 1 and isinstance(content, int):
                        dtype = DTYPES.get(content, f"type {content}")
                    elif part == 2:
                        shape = [
                            _dimension(_bytes(d)) for n, d in _fields(_bytes(content)) if n == 1
                        ]
    return GraphTensor(name, dtype, tuple(shape))


def _dimension(dimension: memoryview) -> int | str:
    for number, value in _fields(dimension):
        if number == 1 and isinstance(value, int):
            return value
        if number == 2:
            return _text(value)
    return ""


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise TypeError("expected a length-delimited field")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode("utf-8")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield (field number, value) of one message; fixed-width numbers come as their bytes."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise IndexError(f"wire type {wire}")
        if at + size > end:
            raise IndexError("field runs past the end")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError("number too long")
