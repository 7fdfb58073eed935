"""How does a network of one size see images of any size? Mirrored borders, overlapping squares."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixel = TypeVar("Pixel", bound=np.generic)


def mirrored(start: int, length: int, size: int) -> NDArray[np.intp]:
    """Return the places that a window sees of an axis; beyond its ends the axis is mirrored.

    Parameters
    ----------
    start : int
        First place of the window; may be negative.
    length : int
        Of the window; may be longer than the axis.
    size : int
        Of the axis.
    """
    places = np.arange(start, start + length) % (2 * size)
    return np.where(places < size, places, 2 * size - 1 - places)


def next_multiple(size: int, divisor: int) -> int:
    """Return the smallest multiple that is not less."""
    return -(-size // divisor) * divisor


def padded(image: NDArray[Pixel], height: int, width: int) -> NDArray[Pixel]:
    """Mirror an image's lower and right border up to a size; `image[:h, :w]` crops it back.

    Parameters
    ----------
    image : array of shape (height, width, …)
    """
    rows = mirrored(0, height, image.shape[0])
    columns = mirrored(0, width, image.shape[1])
    return image[rows][:, columns]


def covering(size: int, window: int, overlap: float = 0.0) -> list[int]:
    """Return where windows start that cover an axis, evenly spaced.

    Parameters
    ----------
    overlap : float
        The least share of a window that it has in common with the next.
    """
    if size <= window:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = -(-(size - window) // step) + 1
    return [round(number * (size - window) / (count - 1)) for number in range(count)]


class Blend:
    """A mean of overlapping squares in which a square's own border counts little.

    Parameters
    ----------
    channels, height, width : int
        Of the whole.
    side : int
        Of the squares.
    """

    def __init__(self, channels: int, height: int, width: int, side: int) -> None:
        self._sum = np.zeros((channels, height, width), dtype=np.float32)
        self._weight = np.zeros((height, width), dtype=np.float32)
        ramp = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)).astype(np.float32)
        self._ramp = np.outer(ramp, ramp)

    def add(self, square: NDArray[Any], top: int, left: int) -> None:
        """Add a square (channels, side, side); what hangs over the edge is cut off."""
        height = min(square.shape[1], self._weight.shape[0] - top)
        width = min(square.shape[2], self._weight.shape[1] - left)
        weight = self._ramp[:height, :width]
        place = np.s_[top : top + height, left : left + width]
        self._sum[(slice(None), *place)] += square[:, :height, :width] * weight
        self._weight[place] += weight

    def mean(self) -> NDArray[np.float32]:
        """Return the mean, shape (channels, height, width)."""
        return self._sum / self._weight
