"""Does a graph run at all? Once, on black images of its own size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.targets import Targets
from zooassist_serving.calibration import calibrate
from zooassist_serving.mask_tiles import tile_side
from zooassist_serving.masks.volume_runner import whole_inputs
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_serving.value_summary import summarise_values
from zooassist_serving.vote_summary import summarise

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


def check_runs(folder: ModelFolder) -> None:
    """Run a verified model on two black images, and make of its outputs what it promises.

    Raises
    ------
    BadInput
        When the graph does not run, or gives something else than its card says.
    """
    card = folder.card
    outputs = run_once(card, OnnxRuntime(folder.onnx_path, sha256=card.sha256), batch=2)
    for spec in card.outputs:
        if spec.name not in outputs or outputs[spec.name].shape[0] != 2:
            raise BadInput(f"{folder.path}: the graph gives no output {spec.name!r} per image")
    if card.kind == "votes":
        schema = card.schema_of_votes
        summarise(calibrate(outputs["concentrations"], schema, card.calibration), schema)
    if card.targets:
        summarise_values(outputs["values"], Targets(card.targets))
