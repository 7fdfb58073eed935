"""What does a model's graph say about images? The raw concentrations, run as they are served."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_serving.runtime import OnnxRuntime

BATCH = 64


def concentrations_of(
    runtime: OnnxRuntime,
    images: NDArray[np.uint8],
    columns: int,
    one_more: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """Run the graph on prepared images.

    Parameters
    ----------
    images : array of shape (images, size, size, 3)
    columns : int
        Of the model's label schema.
    one_more : callable
        Called after each image.

    Returns
    -------
    array of shape (images, samples, columns)
        Not calibrated.

    Raises
    ------
    BadInput
        When the graph gives something else, or numbers that are not positive and finite.
    """
    parts = [np.zeros((0, 1, columns), dtype=np.float32)]
    for first in range(0, len(images), BATCH):
        batch = np.array(images[first : first + BATCH])
        found = runtime.run(batch)["concentrations"]
        if found.ndim != 3 or found.shape[2] != columns:
            raise BadInput(
                f"expected concentrations (images, samples, {columns}), got {found.shape}; "
                "label schema and graph are not of the same model"
            )
        if not (np.isfinite(found).all() and (found > 0).all()):
            raise BadInput(
                "expected positive, finite concentrations; the graph is broken: train it again"
            )
        parts.append(found)
        for _ in batch:
            one_more()
    return np.concatenate(parts[1:] or parts)


def concentrations_of_graph(
    onnx_bytes: bytes, images: NDArray[np.uint8], columns: int, threads: int | None = None
) -> NDArray[np.float32]:
    """Run a graph that is in no folder yet, see `concentrations_of`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(onnx_bytes)
        return concentrations_of(OnnxRuntime(path, threads=threads), images, columns)
