"""What does a model of kind `mask` say of each pixel of an image? Tiles at natural size, blended.

Unlike an answer to a question, a mask has to lie on the image's own pixels: so nothing is resized,
and an image of any size is covered by overlapping squares of the size that the model learnt on.
"""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.model_folder import IMAGE_INPUT
from zooassist_serving.preprocessing import Rgb

Floats = NDArray[np.float32]

OVERLAP: Final = 0.25
"""Share of a tile's side that the next one covers again: at its border a network sees little."""


class Graph(Protocol):
    """What runs the model: `OnnxRuntime`."""

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        """Run one batch."""
        ...


def mask_classes(card: ModelCard) -> dict[str, float]:
    """Return class -> threshold in the order of the output's channels.

    Raises
    ------
    BadInput
        When the card is of another kind, or names no classes.
    """
    if card.kind != "mask":
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

    Parameters
    ----------
    image : array of shape (height, width, 3), uint8

    Returns
    -------
    array of shape (classes, height, width), float32
        Where tiles overlap, the nearer a pixel lies to a tile's middle the more the tile counts.

    Raises
    ------
    BadInput
        When the graph gives another shape, or numbers that are no probabilities.
    """
    classes = len(mask_classes(card))
    side = tile_side(card)
    height, width = image.shape[:2]
    padded = _at_least(image, side)
    total = np.zeros((classes, *padded.shape[:2]), dtype=np.float32)
    weights = np.zeros(padded.shape[:2], dtype=np.float32)
    ramp = _ramp(side)
    for top in _starts(padded.shape[0], side):
        for left in _starts(padded.shape[1], side):
            tile = padded[top : top + side, left : left + side]
            found = np.asarray(graph.run(tile[None])["mask"], dtype=np.float32)
            _check(found, classes, side, card)
            total[:, top : top + side, left : left + side] += found[0] * ramp
            weights[top : top + side, left : left + side] += ramp
    total /= weights
    return total[:, :height, :width]


def tile_side(card: ModelCard) -> int:
    """Return the side of the squares that the graph is given."""
    spec = next((each for each in card.inputs if each.name == IMAGE_INPUT), None)
    fixed = [n for n in spec.shape[1:3] if isinstance(n, int)] if spec else []
    if fixed:
        return max(fixed)
    divisor = spec.divisor if spec else 1
    return -(-card.preprocessing.size // divisor) * divisor


def _at_least(image: Rgb, side: int) -> Rgb:
    """Mirror an image at its right and lower border until a tile fits."""
    while min(image.shape[:2]) < side:
        grow = [(0, min(max(0, side - n), n)) for n in image.shape[:2]]
        image = np.pad(image, [*grow, (0, 0)], mode="symmetric")
    return image


def _starts(length: int, side: int) -> list[int]:
    step = max(1, round(side * (1 - OVERLAP)))
    starts = list(range(0, length - side, step))
    return [*starts, length - side]


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
    if not np.isfinite(found).all() or found.min() < 0 or found.max() > 1:
        raise BadInput(
            f"model {card.name}: expected probabilities from 0 to 1, got {found.min():g} to "
            f"{found.max():g}; report this image to its author"
        )
