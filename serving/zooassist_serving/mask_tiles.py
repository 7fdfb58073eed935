"""What does a model of kind `mask` say of each pixel of an image? Tiles at natural size, blended.

Unlike an answer to a question, a mask has to lie on the image's own pixels: so nothing is resized
(unless the model was trained on images of another scale; then its answer is resized back), and an
image of any size is covered by overlapping squares of the size that the model learnt on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.masks.tiling import covering, next_multiple, padded
from zooassist_serving.model_folder import IMAGE_INPUT
from zooassist_serving.preprocessing import Rgb

Floats = NDArray[np.float32]

REALNESS: Final = "patch_realness"
OVERLAP: Final = 0.25
"""Share of a tile's side that the next one covers again: at its border a network sees little."""
ROUNDING: Final = 1e-4
"""How far beyond 0 and 1 a graph's probabilities may lie: a sum in single precision passes 1."""


class Graph(Protocol):
    """What runs the model: `OnnxRuntime`."""

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        """Run one batch."""
        ...


@dataclass(frozen=True, eq=False)
class MaskAnswer:
    """What a model says of an image.

    Attributes
    ----------
    probabilities : array of shape (classes, height, width), float32
        In the image's own pixels.
    realness : array of shape (tiles, rows, columns), float32, or None
        How much each patch of each tile looks like a mask that a person drew, 0 to 1; None for
        models without a discriminator.
    """

    probabilities: Floats
    realness: Floats | None


def mask_classes(card: ModelCard) -> dict[str, float]:
    """Return class -> threshold in the order of the output's channels.

    Raises
    ------
    BadInput
        When the card is of another kind, or names no classes.
    """
    if card.kind not in ("mask", "volume"):
        raise BadInput(
            f"model {card.name}: expected a model that outlines objects (kind 'mask'), got kind "
            f"{card.kind!r}; choose another model"
        )
    if not card.thresholds:
        raise BadInput(
            f"model {card.name}: expected its classes and their thresholds under `thresholds` in "
            "model.json, found none; export it again"
        )
    return dict(card.thresholds)


def mask_probabilities(graph: Graph, card: ModelCard, image: Rgb) -> Floats:
    """Return the probability of each class at each pixel.

    Parameters and errors as of `mask_answer`.
    """
    return mask_answer(graph, card, image).probabilities


def mask_answer(graph: Graph, card: ModelCard, image: Rgb) -> MaskAnswer:
    """Return what the model says of an image; where tiles overlap, their middles count most.

    Parameters
    ----------
    image : array of shape (height, width, 3), uint8

    Raises
    ------
    BadInput
        When the graph gives another shape, or numbers that are no probabilities.
    """
    scaled = rescaled(image, card.preprocessing.scale)
    answer = _tiled(graph, card, scaled)
    if scaled.shape == image.shape:
        return answer
    size = (image.shape[1], image.shape[0])
    channels = [
        np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BILINEAR))
        for each in answer.probabilities
    ]
    return MaskAnswer(np.stack(channels), answer.realness)


def rescaled(image: Rgb, scale: float) -> Rgb:
    """Make an image so much larger, as its model was trained to see it."""
    if scale == 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _tiled(graph: Graph, card: ModelCard, image: Rgb) -> MaskAnswer:
    classes = len(mask_classes(card))
    side = tile_side(card)
    height, width = image.shape[:2]
    whole = padded(image, max(height, side), max(width, side))
    total = np.zeros((classes, *whole.shape[:2]), dtype=np.float32)
    weights = np.zeros(whole.shape[:2], dtype=np.float32)
    ramp = _ramp(side)
    realness: list[Floats] = []
    for top in covering(whole.shape[0], side, OVERLAP):
        for left in covering(whole.shape[1], side, OVERLAP):
            tile = whole[top : top + side, left : left + side]
            outputs = graph.run(tile[None])
            found = np.asarray(outputs["mask"], dtype=np.float32)
            _check(found, classes, side, card)
            total[:, top : top + side, left : left + side] += found[0] * ramp
            weights[top : top + side, left : left + side] += ramp
            if REALNESS in outputs:
                realness.append(np.asarray(outputs[REALNESS], dtype=np.float32)[0])
    total = np.clip(total / weights, 0.0, 1.0)
    judged = np.concatenate(realness) if realness else None
    return MaskAnswer(total[:, :height, :width], judged)


def tile_side(card: ModelCard) -> int:
    """Return the side of the squares that the graph is given."""
    spec = next((each for each in card.inputs if each.name == IMAGE_INPUT), None)
    fixed = [n for n in spec.shape[1:3] if isinstance(n, int)] if spec else []
    if fixed:
        return max(fixed)
    divisor = spec.divisor if spec else 1
    return next_multiple(card.preprocessing.size, divisor)


def _ramp(side: int) -> Floats:
    """Weights of a tile's pixels, 1 in the middle and small, but not 0, at the border."""
    line = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)) / (side * OVERLAP)
    rising: Floats = np.minimum(line, 1.0).astype(np.float32)
    ramp: Floats = rising[:, None] * rising[None, :]
    return ramp


def _check(found: Floats, classes: int, side: int, card: ModelCard) -> None:
    if found.shape != (1, classes, side, side):
        raise BadInput(
            f"model {card.name}: expected a mask of {classes} classes and {side} x {side} pixels, "
            f"got {list(found.shape[1:])}; its model.json and its graph do not fit"
        )
    if not (found.min() >= -ROUNDING and found.max() <= 1 + ROUNDING):  # nor what is no number
        raise BadInput(
            f"model {card.name}: expected probabilities from 0 to 1, got {found.min():g} to "
            f"{found.max():g}; report this image to its author"
        )
