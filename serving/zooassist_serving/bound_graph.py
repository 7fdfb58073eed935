"""How does a batch pass through a GPU without taking new memory? Through buffers that stay.

A CUDA graph replays a run at the addresses at which it was recorded, so every batch size needs its
own buffers, and a batch in between is filled up to the next size. Without CUDA graphs the buffers
still save two allocations and the search for kernels of a new shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

GPU = "cuda"


class Session(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used here."""

    def get_inputs(self) -> Sequence[Any]:
        """Return the inputs' descriptions."""
        ...

    def get_outputs(self) -> Sequence[Any]:
        """Return the outputs' descriptions."""
        ...

    def io_binding(self) -> Any:  # noqa: ANN401
        """Return an empty binding."""
        ...

    def run(self, names: Any, inputs: Any, options: Any = None) -> list[Any]:  # noqa: ANN401
        """Run once on arrays of the host."""
        ...

    def run_with_iobinding(self, binding: Any, options: Any = None) -> None:  # noqa: ANN401
        """Run once on bound buffers."""
        ...


@dataclass(frozen=True, eq=False)
class _Buffers:
    """Of one batch size: the host's side, the device's, and what binds them to the graph."""

    staging: NDArray[np.uint8]
    image: Any
    outputs: dict[str, Any]
    binding: Any
    options: Any


class BoundGraph:
    """A session with buffers on a device; one batch at a time.

    Parameters
    ----------
    session : InferenceSession
        With one input, a uint8 image of fixed height, width and channels.
    buckets : sequence of int
        Batch sizes to keep buffers for, rising.
    device : str
        ``cuda``, or ``cpu`` where the same path is to be tried without a GPU.
    """

    def __init__(self, session: Session, buckets: Sequence[int], device: str = GPU) -> None:
        self._session, self._device = session, device
        self._buckets = tuple(buckets)
        (spec,) = session.get_inputs()
        self._input: str = spec.name
        self._sizes = tuple(int(size) for size in spec.shape[1:])
        self._names: list[str] = [output.name for output in session.get_outputs()]
        self._buffers: dict[int, _Buffers] = {}

    @staticmethod
    def fits(session: Session) -> bool:
        """Whether a session takes nothing but images of one size."""
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)":
            return False
        return all(isinstance(size, int) for size in inputs[0].shape[1:])

    def prepare(self) -> None:
        """Make the buffers of every bucket, and run each: recorded before the first request."""
        for size in self._buckets:
            self._run_bucket(np.zeros((size, *self._sizes), dtype=np.uint8), size)

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Run a batch of any length; what is longer than the largest bucket goes in parts."""
        largest = self._buckets[-1]
        parts = []
        for start in range(0, len(images), largest):
            part = images[start : start + largest]
            size = next(bucket for bucket in self._buckets if bucket >= len(part))
            parts.append(self._run_bucket(part, size))
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self._names}

    def _run_bucket(self, images: NDArray[np.uint8], size: int) -> dict[str, NDArray[Any]]:
        buffers = self._buffers.get(size)
        if buffers is None:
            buffers = self._buffers[size] = self._make(size)
        buffers.staging[: len(images)] = images
        buffers.image.update_inplace(buffers.staging)
        self._session.run_with_iobinding(buffers.binding, buffers.options)
        # A copy: the next run writes into the same memory.
        return {
            name: np.array(value.numpy()[: len(images)]) for name, value in buffers.outputs.items()
        }

    def _make(self, size: int) -> _Buffers:
        staging = np.zeros((size, *self._sizes), dtype=np.uint8)
        options = onnxruntime.RunOptions()
        # -1: this run is only to learn the shapes of the outputs, and must not be recorded.
        options.add_run_config_entry("gpu_graph_id", "-1")
        first = self._session.run(self._names, {self._input: staging}, options)
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        image = value(staging, self._device, 0)
        outputs = {
            name: value(np.zeros_like(array), self._device, 0)
            for name, array in zip(self._names, first, strict=True)
        }
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(self._input, image)
        for name, output in outputs.items():
            binding.bind_ortvalue_output(name, output)
        replayed = onnxruntime.RunOptions()
        replayed.add_run_config_entry("gpu_graph_id", str(size))
        return _Buffers(staging, image, outputs, binding, replayed)
