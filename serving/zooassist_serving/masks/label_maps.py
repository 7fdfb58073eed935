"""Which class is a pixel of? Probabilities to label maps, and label maps to files and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.model_card import MaskClass


def label_map(
    probabilities: NDArray[np.float32], classes: Sequence[MaskClass]
) -> NDArray[np.uint8]:
    """Give each pixel the number of its most probable class; the background is what is left of 1.

    Parameters
    ----------
    probabilities : array of shape (…, classes, height, width)

    Returns
    -------
    array of shape (…, height, width), uint8
        0 for the background.
    """
    best = probabilities.argmax(-3)
    highest = probabilities.max(-3)
    numbers = np.array([each.number for each in classes], dtype=np.uint8)
    return np.where(highest > 1 - probabilities.sum(-3), numbers[best], 0).astype(np.uint8)


def write_label_map(labels: NDArray[np.uint8], path: Path) -> None:
    """Write one label map (height, width) as PNG; it appears whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    Image.fromarray(labels).save(temporary, "PNG")
    temporary.replace(path)


def write_label_stack(slices: Iterable[NDArray[np.uint8]], path: Path) -> None:
    """Write the label maps of a volume as a tiff with a page per slice; whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    pages = (Image.fromarray(each) for each in slices)
    first = next(pages)
    first.save(temporary, "TIFF", save_all=True, append_images=pages, compression="tiff_deflate")
    temporary.replace(path)
