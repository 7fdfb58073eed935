"""How is a graph run? One onnxruntime session per process, made when it is first needed."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_serving.bound_graph import BoundGraph
from zooassist_serving.devices import Device
from zooassist_serving.onnx_proto import read_onnx

logger = logging.getLogger(__name__)


class Unloadable(BadInput):
    """A graph that was verified once cannot be loaded now; no fault of who asks for an answer."""


HALF_TOLERANCE = 0.01
"""Largest change of an answer by float16, as a share of the largest answer of that output."""


def usable_cores() -> int:
    """Count the cores this process may use, which a container or `taskset` can make fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class OnnxRuntime:
    """Runs one graph; safe to use from several threads.

    The session is made on the first `run` and again after a fork: its thread pool does not
    survive one.

    Parameters
    ----------
    model_path : Path
        The graph, all weights inside.
    threads : int, optional
        Threads inside one operator; all usable cores by default. On a GPU it is one, since the
        host then only starts kernels.
    device : str or Device
        A key of `devices.PROVIDERS`, or with its options.
    sha256 : str, optional
        Expected digest of the file, checked on the very bytes that are run.
    on_load : callable, optional
        Told the seconds that every making of a session took.
    """

    def __init__(
        self,
        model_path: Path,
        threads: int | None = None,
        device: str | Device = "cpu",
        sha256: str | None = None,
        on_load: Callable[[float], None] | None = None,
    ) -> None:
        self._device = Device(device) if isinstance(device, str) else device
        if threads is not None and threads < 1:
            raise BadInput(f"threads: expected 1 or more, got {threads}")
        self._path, self._sha256, self._on_load = model_path, sha256, on_load
        self._threads = 1 if self._device.is_gpu else threads or usable_cores()
        self._lock = threading.Lock()
        # A GPU gains nothing from two batches at once, and pays with their memory.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if self._device.is_gpu else nullcontext()
        )
        self._session: onnxruntime.InferenceSession | None = None
        self._bound: BoundGraph | None = None
        self._names: list[str] = []
        self._inherited: list[object] = []
        self._process = 0

    @property
    def is_loaded(self) -> bool:
        """Whether this process holds a session."""
        return self._session is not None and self._process == os.getpid()

    @property
    def threads(self) -> int:
        """Threads inside one operator."""
        return self._threads

    def run(self, images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Run one batch.

        Parameters
        ----------
        images : array of shape (batch, height, width, 3), uint8

        Returns
        -------
        dict
            Output name -> array with the batch first.

        Raises
        ------
        BadInput
            When the array or the file is not what the graph takes.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise BadInput(
                "expected a uint8 array (batch, height, width, 3), "
                f"got {images.dtype} {images.shape}"
            )
        self.session()
        if self._bound is not None:
            with self._turn:
                return self._bound.run(images)
        return self.run_inputs({"image": images})

    def run_inputs(
        self, inputs: Mapping[str, NDArray[Any]], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run a graph on arrays for all of its inputs, as its card names and types them.

        Parameters
        ----------
        outputs : sequence of str, optional
            What to return; all outputs by default.

        Raises
        ------
        BadInput
            When the file is not what was verified.
        """
        session = self.session()
        names = list(outputs or self._names)
        fed = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        with self._turn:
            values = session.run(names, fed)
        return dict(zip(names, values, strict=True))

    def session(self) -> onnxruntime.InferenceSession:
        """Return this process's session, making it if need be."""
        session = self._session
        if session is not None and self._process == os.getpid():
            return session
        with self._lock:
            if not self.is_loaded:
                # Freeing the parent's session would wait for threads that no fork inherits.
                self._inherited.append((self._session, self._bound))
                begun = time.perf_counter()
                made = self._load()
                self._bound = self._bind(made)
                self._names = [output.name for output in made.get_outputs()]
                self._session, self._process = made, os.getpid()
                if self._on_load is not None:
                    self._on_load(time.perf_counter() - begun)
            return self._session

    def unload(self) -> None:
        """Let the session go, and its memory once the runs in hand have ended.

        The next `run` makes it again.
        """
        with self._lock:
            if self.is_loaded:
                self._session, self._bound = None, None

    def _load(self) -> onnxruntime.InferenceSession:
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise Unloadable(
                f"{self._path}: cannot be read: {error.strerror}; fetch the model again"
            ) from error
        if self._sha256 is not None and hashlib.sha256(content).hexdigest() != self._sha256:
            raise Unloadable(f"{self._path}: changed since it was verified; fetch the model again")
        self._device.check_available()
        if not self._device.half:
            return self._make(content, half=False)
        quick = self._make(content, half=True)
        difference = _difference(quick, self._make(content, half=False))
        if difference <= HALF_TOLERANCE:
            return quick
        logger.warning(
            "%s: float16 changes answers by up to %.3g of their size, more than %.3g; "
            "running in float32",
            self._path,
            difference,
            HALF_TOLERANCE,
        )
        return self._make(content, half=False)

    def _make(self, content: bytes, *, half: bool) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the cores from the decoders of the next batch: on
        # two cores without spinning `predict` was 1.8 times as fast and took a third less processor
        # time per image. One image alone takes 0.3 ms longer.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        shapes: dict[str, tuple[int | str, ...]] = {}
        if self._device.is_gpu:
            shapes = {tensor.name: tensor.shape for tensor in read_onnx(content).inputs}
        try:
            return onnxruntime.InferenceSession(
                content, options, providers=self._device.providers(shapes, half=half)
            )
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise Unloadable(
                f"{self._path}: onnxruntime refuses this graph: {text}; export it again"
            ) from error

    def _bind(self, session: onnxruntime.InferenceSession) -> BoundGraph | None:
        """Give a session on a GPU buffers that stay, where its inputs have fixed shapes."""
        if not self._device.is_gpu or not BoundGraph.fits(session):
            return None
        bound = BoundGraph(session, self._device.buckets)
        bound.prepare()
        return bound


def _difference(
    one: onnxruntime.InferenceSession, other: onnxruntime.InferenceSession, seed: int = 0
) -> float:
    """Return the largest difference of two sessions' answers, as a share of an output's size."""
    random = np.random.default_rng(seed)
    inputs = {
        spec.name: random.integers(
            0, 256, [size if isinstance(size, int) else 2 for size in spec.shape], dtype=np.uint8
        )
        for spec in one.get_inputs()
        if spec.type == "tensor(uint8)"
    }
    if len(inputs) < len(one.get_inputs()):
        return float("inf")  # states of a volume: nothing to compare on
    worst = 0.0
    for a, b in zip(one.run(None, inputs), other.run(None, inputs), strict=True):
        size = float(np.abs(b).max()) or 1.0
        worst = max(worst, float(np.abs(a.astype(np.float64) - b).max()) / size)
    return worst if np.isfinite(worst) else float("inf")
