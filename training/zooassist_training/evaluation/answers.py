"""What does a model's graph say about images? Concentrations or values, run as they are served."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    found = _run(runtime, images, "concentrations", (columns,), one_more)
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise BadInput(
            "expected positive, finite concentrations; the graph is broken: train it again"
        )
    return found


def values_of(
    runtime: OnnxRuntime,
    images: NDArray[np.uint8],
    targets: int,
    one_more: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """Run a graph of values on prepared images; see `concentrations_of`.

    Returns
    -------
    array of shape (images, samples, targets, 2)
        Means and deviations.
    """
    found = _run(runtime, images, "values", (targets, 2), one_more)
    if not (np.isfinite(found).all() and (found[..., 1] > 0).all()):
        raise BadInput(
            "expected finite means and positive deviations; the graph is broken: train it again"
        )
    return found


def _run(
    runtime: OnnxRuntime,
    images: NDArray[np.uint8],
    output: str,
    shape: tuple[int, ...],
    one_more: Callable[[], None],
) -> NDArray[np.float32]:
    """Return an output of shape (images, samples, *shape)."""
    parts = [np.zeros((0, 1, *shape), dtype=np.float32)]
    for first in range(0, len(images), BATCH):
        batch = np.array(images[first : first + BATCH])
        found = runtime.run(batch)[output]
        if found.ndim != 2 + len(shape) or found.shape[2:] != shape:
            raise BadInput(
                f"expected {output} (images, samples, {', '.join(map(str, shape))}), got "
                f"{found.shape}; model.json and graph are not of the same model"
            )
        parts.append(found)
        for _ in batch:
            one_more()
    return np.concatenate(parts[1:] or parts)


def concentrations_of_graph(
    onnx_bytes: bytes, images: NDArray[np.uint8], columns: int, threads: int | None = None
) -> NDArray[np.float32]:
    """Run a graph that is in no folder yet, see `concentrations_of`."""
    with _opened(onnx_bytes, threads) as runtime:
        return concentrations_of(runtime, images, columns)


def values_of_graph(
    onnx_bytes: bytes, images: NDArray[np.uint8], targets: int, threads: int | None = None
) -> NDArray[np.float32]:
    """Run a graph that is in no folder yet, see `values_of`."""
    with _opened(onnx_bytes, threads) as runtime:
        return values_of(runtime, images, targets)


@contextmanager
def _opened(onnx_bytes: bytes, threads: int | None) -> Iterator[OnnxRuntime]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(onnx_bytes)
        yield OnnxRuntime(path, threads=threads)
