"""How does the Open Inference Protocol write tensors? As JSON numbers, or as bytes behind the JSON.

Source: kserve/open-inference-protocol, specification/protocol/inference_rest.md, and Triton's
"binary tensor data extension" (protocol/extension_binary_data.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zooassist_plugin.model_card import first_problem
from zooassist_serving.http.problems import Problem

HEADER = "Inference-Header-Content-Length"
# Datatype of the protocol -> numpy's, little-endian. BYTES are handled apart.
DATATYPES: Mapping[str, str] = MappingProxyType({"UINT8": "|u1", "FP32": "<f4", "INT64": "<i8"})
OF_CARD: Mapping[str, str] = MappingProxyType(
    {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}
)
MAX_NAME = 200

Size = Annotated[int, Field(ge=0, le=2**31, strict=True)]


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class InputBody(_Sent):
    """A tensor in a request."""

    name: str = Field(max_length=MAX_NAME)
    shape: tuple[Size, ...] = Field(max_length=8)
    datatype: Literal["UINT8", "FP32", "INT64", "BYTES"]
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: Any = None


class OutputBody(_Sent):
    """An output that is asked for."""

    name: str = Field(max_length=MAX_NAME)
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferBody(_Sent):
    """The JSON of an inference request."""

    id: str | None = Field(default=None, max_length=MAX_NAME)
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: tuple[InputBody, ...] = Field(min_length=1, max_length=64)
    outputs: tuple[OutputBody, ...] = Field(default=(), max_length=64)


Tensor = NDArray[Any] | list[bytes]


@dataclass(frozen=True, eq=False)
class InferRequest:
    """A request whose tensors are read.

    Attributes
    ----------
    inputs : mapping
        Name -> array, or a list of encoded images where the datatype is BYTES.
    outputs : mapping
        Name of an output that is asked for -> whether as bytes; empty asks for all.
    is_binary : bool
        Whether outputs that are not named come as bytes.
    """

    id: str | None
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, bool]
    is_binary: bool


def read_infer(content: bytes, header_length: str | None) -> InferRequest:
    """Read a request.

    Parameters
    ----------
    header_length : str or None
        Value of `HEADER`: how many bytes of JSON come before the tensors' own.

    Raises
    ------
    Problem
        400 for anything else than a request of the protocol.
    """
    length = len(content) if header_length is None else _length(header_length, len(content))
    try:
        body = InferBody.model_validate(orjson.loads(content[:length]))
    except orjson.JSONDecodeError as error:
        raise bad(f"expected JSON, got: {error}") from error
    except ValidationError as error:
        raise bad(first_problem(error)) from error
    rest = memoryview(content)[length:]
    inputs: dict[str, Tensor] = {}
    for sent in body.inputs:
        if sent.name in inputs:
            raise bad(f"input {sent.name!r}: given twice")
        size = sent.parameters.get("binary_data_size")
        if size is None:
            inputs[sent.name] = _from_json(sent)
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest):
            raise bad(f"input {sent.name!r}: binary_data_size {size!r} is not what follows")
        inputs[sent.name] = _from_bytes(sent, bytes(rest[:size]))
        rest = rest[size:]
    if len(rest):
        raise bad(f"expected no bytes behind the inputs, got {len(rest)} more")
    every = body.parameters.get("binary_data_output") is True
    outputs = {
        asked.name: asked.parameters.get("binary_data", every) is True for asked in body.outputs
    }
    return InferRequest(body.id, MappingProxyType(inputs), MappingProxyType(outputs), every)


def write_infer(
    about: Mapping[str, Any], outputs: Mapping[str, NDArray[Any]], binary: Iterable[str]
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and how long its JSON is where bytes follow."""
    as_bytes, rest = frozenset(binary), bytearray()
    written = []
    for name, array in outputs.items():
        datatype = OF_CARD[array.dtype.name]
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if name in as_bytes:
            content = np.ascontiguousarray(array, DATATYPES[datatype]).tobytes()
            entry["parameters"] = {"binary_data_size": len(content)}
            rest += content
        else:
            entry["data"] = np.ravel(array)
        written.append(entry)
    made = orjson.dumps({**about, "outputs": written}, option=orjson.OPT_SERIALIZE_NUMPY)
    return (made + bytes(rest), len(made)) if as_bytes else (made, None)


def bad(detail: str) -> Problem:
    """Return the answer to what is no request of the protocol."""
    return Problem(HTTPStatus.BAD_REQUEST, detail)


def _length(text: str, most: int) -> int:
    if not text.isdecimal() or len(text) > 12 or int(text) > most:
        raise bad(f"{HEADER}: expected at most the body's {most} bytes, got {text[:40]!r}")
    return int(text)


def _count(sent: InputBody) -> int:
    return math.prod(sent.shape)


def _from_json(sent: InputBody) -> Tensor:
    flat = list(_flat(sent.data, sent.name))
    if len(flat) != _count(sent):
        raise bad(
            f"input {sent.name!r}: expected {_count(sent)} elements as its shape says, "
            f"got {len(flat)}"
        )
    if sent.datatype == "BYTES":
        raise bad(
            f"input {sent.name!r}: expected encoded images as binary data, which JSON cannot hold"
        )
    whole = sent.datatype != "FP32"
    kinds = (int,) if whole else (int, float)
    if any(type(value) not in kinds for value in flat):
        raise bad(f"input {sent.name!r}: expected {'whole ' if whole else ''}numbers only")
    try:
        array = np.array(flat, np.dtype("O") if not flat else None)
        info = None if not whole else np.iinfo(DATATYPES[sent.datatype])
        if info is not None and flat and (min(flat) < info.min or max(flat) > info.max):
            raise bad(f"input {sent.name!r}: expected {info.min} to {info.max}")
        return array.astype(DATATYPES[sent.datatype]).reshape(sent.shape)
    except (OverflowError, ValueError, TypeError) as error:
        raise bad(f"input {sent.name!r}: {error}") from error


def _from_bytes(sent: InputBody, content: bytes) -> Tensor:
    if sent.datatype == "BYTES":
        found = _elements(sent.name, content)
        if len(found) != _count(sent):
            raise bad(
                f"input {sent.name!r}: expected {_count(sent)} elements as its shape says, "
                f"got {len(found)}"
            )
        return found
    dtype = np.dtype(DATATYPES[sent.datatype])
    if len(content) != _count(sent) * dtype.itemsize:
        raise bad(
            f"input {sent.name!r}: expected {_count(sent) * dtype.itemsize} bytes as its shape "
            f"says, got {len(content)}"
        )
    return np.frombuffer(content, dtype).reshape(sent.shape)


def _elements(name: str, content: bytes) -> list[bytes]:
    """Return the elements of a BYTES tensor: each a length of 4 bytes, and that many bytes."""
    found, place = [], 0
    while place < len(content):
        end = place + 4 + int.from_bytes(content[place : place + 4], "little")
        if place + 4 > len(content) or end > len(content):
            raise bad(f"input {name!r}: an element is cut short")
        found.append(content[place + 4 : end])
        place = end
    return found


def _flat(data: object, name: str) -> Iterable[Any]:
    """Yield the elements of a flat or nested list, row by row."""
    if not isinstance(data, list):
        raise bad(f"input {name!r}: expected data as a list, or binary_data_size")
    waiting: list[Sequence[Any]] = [data]
    if not any(isinstance(each, list) for each in data):
        yield from data
        return
    places = [0]
    while waiting:
        if places[-1] == len(waiting[-1]):
            waiting.pop()
            places.pop()
            continue
        each = waiting[-1][places[-1]]
        places[-1] += 1
        if isinstance(each, list):
            waiting.append(each)
            places.append(0)
        else:
            yield each
