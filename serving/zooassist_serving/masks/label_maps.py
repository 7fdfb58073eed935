"""Which class is a pixel of? Probabilities to label maps, and planes to files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.model_card import ModelCard


def class_places(
    probabilities: NDArray[np.float32], thresholds: Iterable[float]
) -> NDArray[np.uint8]:
    """Give each pixel the place of its class among all, counted from 1; 0 where there is none.

    A pixel over the threshold of several classes is of the most probable one.

    Parameters
    ----------
    probabilities : array of shape (…, classes, height, width)
    thresholds : iterable of float
        In the order of the channels.

    Returns
    -------
    array of shape (…, height, width), uint8
    """
    over = probabilities >= np.array(list(thresholds), dtype=np.float32)[:, None, None]
    best = np.where(over, probabilities, -1).argmax(-3)
    return np.where(over.any(-3), best + 1, 0).astype(np.uint8)


def label_map(probabilities: NDArray[np.float32], card: ModelCard) -> NDArray[np.uint8]:
    """Give each pixel the number of its class, as the model's card has them; 0 for none."""
    numbers = np.array([0, *card.class_numbers], dtype=np.uint8)
    return numbers[class_places(probabilities, card.thresholds.values())]


def write_label_map(labels: NDArray[np.uint8], path: Path) -> None:
    """Write one label map (height, width) as PNG; it appears whole or not at all."""
    temporary = _temporary(path)
    Image.fromarray(labels).save(temporary, "PNG")
    temporary.replace(path)


class StackWriter:
    """A tiff with a page per slice that grows slice by slice; it appears whole or not at all.

    A context manager.
    """

    def __init__(self, path: Path) -> None:
        import tifffile

        self._path, self._temporary = path, _temporary(path)
        self._file = tifffile.TiffWriter(self._temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if error is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    def add(self, planes: NDArray[Any]) -> None:
        """Write some slices (slices, height, width)."""
        for plane in planes:
            # Without a description of shapes pages of one size are one stack.
            self._file.write(plane, photometric="minisblack", compression="zlib", metadata=None)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")
