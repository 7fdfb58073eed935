"""How does a mask model see a whole image? Scaled, padded, in squares, and cropped back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.masks.label_maps import label_map
from zooassist_serving.masks.tiling import Blend, covering, next_multiple, padded
from zooassist_serving.preprocessing import Rgb
from zooassist_serving.runtime import OnnxRuntime

# Share of a square that it has in common with its neighbour.
OVERLAP = 0.25


@dataclass(frozen=True, eq=False)
class MaskAnswer:
    """What a mask model says of an image.

    Attributes
    ----------
    probabilities : array of shape (classes, height, width)
        In the image's own pixels.
    realness : array of shape (squares, rows, columns)
        How much each patch looks like a mask that a person drew, 0 to 1.
    """

    probabilities: NDArray[np.float32]
    realness: NDArray[np.float32]


class MaskRunner:
    """Runs a mask model on images of any size.

    Parameters
    ----------
    card : ModelCard
        Of kind `mask`.
    """

    def __init__(self, card: ModelCard, runtime: OnnxRuntime) -> None:
        if card.kind != "mask":
            raise BadInput(
                f"model {card.name}: expected a model that draws masks (kind 'mask'), got kind "
                f"{card.kind!r}; choose another model"
            )
        self.card, self._runtime = card, runtime
        self._divisor = card.inputs[0].divisor

    def run(self, image: Rgb) -> MaskAnswer:
        """Find the mask of an image (height, width, 3), uint8.

        Raises
        ------
        BadInput
            When the answer is not made of numbers.
        """
        height, width = image.shape[:2]
        seen = rescaled(image, self.card.preprocessing.scale)
        probabilities, realness = self._answer(seen)
        if not np.isfinite(probabilities).all():
            raise BadInput("the model's answer is not finite; report this image to its author")
        if probabilities.shape[1:] != (height, width):
            probabilities = np.stack([_resized(each, width, height) for each in probabilities])
        return MaskAnswer(probabilities, realness)

    def labels(self, answer: MaskAnswer) -> NDArray[np.uint8]:
        """Give each pixel of an answer the number of its class, 0 for the background."""
        return label_map(answer.probabilities, self.card.classes)

    def _answer(self, image: Rgb) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        height, width = image.shape[:2]
        side = next_multiple(self.card.preprocessing.size, self._divisor)
        if max(height, width) <= side:
            fits = (next_multiple(height, self._divisor), next_multiple(width, self._divisor))
            outputs = self._runtime.run(padded(image, *fits)[None])
            return outputs["mask"][0, :, :height, :width], outputs["patch_realness"][0]
        whole = padded(image, max(height, side), max(width, side))
        blend = Blend(len(self.card.classes), whole.shape[0], whole.shape[1], side)
        realness = []
        # One square at a time: memory is that of one, whatever the image.
        for top in covering(whole.shape[0], side, OVERLAP):
            for left in covering(whole.shape[1], side, OVERLAP):
                square = whole[top : top + side, left : left + side]
                outputs = self._runtime.run(square[None])
                blend.add(outputs["mask"][0], top, left)
                realness.append(outputs["patch_realness"][0])
        return blend.mean()[:, :height, :width], np.concatenate(realness)


def rescaled(image: Rgb, scale: float) -> Rgb:
    """Make an image so much larger, as its model was trained to see it."""
    if scale == 1:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def _resized(channel: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    resized = Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)
