"""Does a graph run at all? Once, on black images of its own size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.model_card import ModelCard
from zooassist_serving.mask_tiles import tile_side
from zooassist_serving.masks.volume_runner import whole_inputs
from zooassist_serving.runtime import OnnxRuntime

SLICES = 2


def run_once(card: ModelCard, runtime: OnnxRuntime, batch: int = 1) -> dict[str, NDArray[Any]]:
    """Run a graph on a batch of black images (or volumes of two slices); return its outputs."""
    if card.kind == "volume":
        image = card.inputs[0]
        shape = (batch, SLICES, image.divisor, image.divisor, int(image.shape[-1]))
        black = np.zeros(shape, dtype=np.uint8)
        return runtime.run_inputs(whole_inputs(card, black))
    side = tile_side(card) if card.kind == "mask" else card.preprocessing.size
    return runtime.run(np.zeros((batch, side, side, 3), dtype=np.uint8))
