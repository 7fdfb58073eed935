"""How does a volume model see a whole volume? In chunks of slices, with the state carried over.

The network remembers slices in cells. What its second half remembers begins with what the first
half knew at the very last slice, so a volume is gone through twice: a `sweep` of the first half
alone, and then both together. The graph has an input that says which (`STAGES`); a volume of one
chunk is done in one go. The result does not depend on the size of the chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard, TensorSpec
from zooassist_serving.masks.label_maps import label_map
from zooassist_serving.masks.tiling import next_multiple, padded
from zooassist_serving.runtime import OnnxRuntime

# Values of the graph's input `stage`.
STAGES: Final = {"whole": 0, "sweep": 1, "draw": 2}
# Names of inputs and outputs: the state comes in as `NAME` and goes out as `next_NAME`; the first
# cells of the second half come out as `start_NAME`.
NEXT, START = "next_", "start_"
CHUNK = 16


@dataclass(frozen=True, eq=False)
class Slices:
    """What a volume model says of some slices, one after another.

    Attributes
    ----------
    start : int
        Number of the first.
    probabilities : array of shape (slices, classes, height, width)
    realness : array of shape (slices, rows, columns)
        How much each patch looks like a mask that a person drew, 0 to 1; a slice's is its own.
    """

    start: int
    probabilities: NDArray[np.float32]
    realness: NDArray[np.float32]


class VolumeRunner:
    """Runs a volume model on volumes of any number of slices, in bounded memory.

    Parameters
    ----------
    card : ModelCard
        Of kind `volume`.
    chunk : int
        Slices that are in the graph at a time.
    """

    def __init__(self, card: ModelCard, runtime: OnnxRuntime, chunk: int = CHUNK) -> None:
        if card.kind != "volume":
            raise BadInput(
                f"model {card.name}: expected a model that draws masks of volumes (kind 'volume'), "
                f"got kind {card.kind!r}; choose another model"
            )
        if chunk < 1:
            raise BadInput(f"chunk: expected 1 slice or more, got {chunk}")
        self.card, self._runtime, self._chunk = card, runtime, chunk
        self._image = next(spec for spec in card.inputs if spec.name == "image")
        self._states = [spec for spec in card.inputs if spec.name not in ("image", "stage")]

    def run(self, volume: NDArray[np.uint8]) -> Iterator[Slices]:
        """Find the masks of a volume, chunk by chunk.

        Parameters
        ----------
        volume : array of shape (slices, height, width, modalities), uint8

        Raises
        ------
        BadInput
            When the volume has other modalities, or an answer is not made of numbers.
        """
        modalities = self._image.shape[-1]
        if volume.ndim != 4 or volume.shape[-1] != modalities or 0 in volume.shape:
            raise BadInput(
                f"expected a volume (slices, height, width, {modalities}) with {modalities} "
                f"modalities, got {list(volume.shape)}; give the modalities that the model "
                "was trained on"
            )
        size = tuple(next_multiple(side, self._image.divisor) for side in volume.shape[1:3])
        states = {spec.name: zeros(spec, *size) for spec in self._states}
        count = len(volume)
        starts = range(0, count, self._chunk)
        if count <= self._chunk:
            yield self._slices(volume, 0, self._step("whole", volume, size, states))
            return
        swept = dict(states)
        outputs: Mapping[str, NDArray[np.float32]] = {}
        for start in starts:
            chunk = volume[start : start + self._chunk]
            outputs = self._step("sweep", chunk, size, swept)
            swept = {name: outputs[NEXT + name] for name in states}
        for name in states:
            if START + name in outputs:
                states[name] = outputs[START + name]
        for start in starts:
            chunk = volume[start : start + self._chunk]
            outputs = self._step("draw", chunk, size, states)
            states = {name: outputs[NEXT + name] for name in states}
            yield self._slices(volume, start, outputs)

    def labels(self, slices: Slices) -> NDArray[np.uint8]:
        """Give each pixel of some slices the number of its class, 0 for the background."""
        return label_map(slices.probabilities, self.card)

    def _step(
        self,
        stage: str,
        chunk: NDArray[np.uint8],
        size: tuple[int, ...],
        states: Mapping[str, NDArray[np.float32]],
    ) -> dict[str, NDArray[np.float32]]:
        image = padded(chunk.transpose(1, 2, 0, 3), *size).transpose(2, 0, 1, 3)[None]
        number = np.array(STAGES[stage], dtype=np.int64)
        return self._runtime.run_inputs({"image": image, "stage": number, **states})

    def _slices(
        self, volume: NDArray[np.uint8], start: int, outputs: Mapping[str, NDArray[np.float32]]
    ) -> Slices:
        height, width = volume.shape[1:3]
        mask = outputs["mask"][0, :, :, :height, :width]
        if not np.isfinite(mask).all():
            raise BadInput("the model's answer is not finite; report this volume to its author")
        return Slices(start, mask, outputs["patch_realness"][0])


def whole_inputs(card: ModelCard, volumes: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    """Return the inputs with which a graph sees whole volumes at once.

    Parameters
    ----------
    volumes : array of shape (batch, slices, height, width, modalities), uint8
        Sides are multiples of the divisor.
    """
    batch, _, height, width, _ = volumes.shape
    inputs: dict[str, NDArray[np.generic]] = {
        "image": volumes,
        "stage": np.array(STAGES["whole"], dtype=np.int64),
    }
    for spec in card.inputs:
        if spec.name not in inputs:
            inputs[spec.name] = zeros(spec, height, width, batch)
    return inputs


def zeros(spec: TensorSpec, height: int, width: int, batch: int = 1) -> NDArray[np.float32]:
    """Return the state before the first slice.

    Parameters
    ----------
    spec : TensorSpec
        Of a state: its free sizes are named ``batch``, ``height``, ``width``, ``height/4``, ….
    """
    sizes = {"batch": batch, "height": height, "width": width}
    shape = []
    for size in spec.shape:
        if isinstance(size, str):
            name, _, part = size.partition("/")
            if name not in sizes or (part and not part.isdigit()):
                raise BadInput(
                    f"input {spec.name!r}: expected a size such as 'height/4', got {size!r}"
                )
            size = sizes[name] // int(part or 1)
        shape.append(size)
    return np.zeros(shape, dtype=np.float32)
