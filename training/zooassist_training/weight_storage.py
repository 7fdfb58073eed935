"""In how many bits are a model's weights kept? The choices, and what each needs."""

from __future__ import annotations

from typing import Literal, get_args

import onnx
from torch import nn

from zooassist_training.half_storage import large_weights, round_to_halves, store_halves
from zooassist_training.int8_storage import round_to_int8, store_int8

Storage = Literal["float32", "float16", "int8"]
STORAGES: tuple[str, ...] = get_args(Storage)
ROUNDED = {"float16": round_to_halves, "int8": round_to_int8}
STORED = {"float16": store_halves, "int8": store_int8}


def round_weights(network: nn.Module, store: Storage) -> None:
    """Round a network's large weights, in place, to what the storage can hold.

    Raises
    ------
    BadInput
        When a weight is too large for it.
    """
    if store in ROUNDED:
        ROUNDED[store](network)


def store_weights(model: onnx.ModelProto, network: nn.Module, store: Storage) -> None:
    """Keep the large weights of a graph in fewer bits.

    Raises
    ------
    BadInput
        When the network did not go through `round_weights` before its export.
    """
    if store in STORED:
        STORED[store](model, large_weights(network))
