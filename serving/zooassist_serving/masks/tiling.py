"""How does a network of one size see images of any size? Mirrored borders, overlapping squares."""

from __future__ import annotations

from typing import TypeVar

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
