"""How is a graph run? One onnxruntime session per process, made when it is first needed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

# Device -> onnxruntime providers, best first.
PROVIDERS: dict[str, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
}


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
        Threads inside one operator; all usable cores by default.
    device : str
        A key of `PROVIDERS`.
    sha256 : str, optional
        Expected digest of the file, checked on the very bytes that are run.
    """

    def __init__(
        self,
        model_path: Path,
        threads: int | None = None,
        device: str = "cpu",
        sha256: str | None = None,
    ) -> None:
        if device not in PROVIDERS:
            raise BadInput(f"device: expected one of {', '.join(PROVIDERS)}, got {device!r}")
        if threads is not None and threads < 1:
            raise BadInput(f"threads: expected 1 or more, got {threads}")
        self._path, self._device, self._sha256 = model_path, device, sha256
        self._threads = threads or usable_cores()
        self._lock = threading.Lock()
        # A GPU gains nothing from two batches at once, and pays with their memory.
        self._turn: AbstractContextManager[object] = (
            nullcontext() if device == "cpu" else threading.Lock()
        )
        self._session: onnxruntime.InferenceSession | None = None
        self._inherited: list[onnxruntime.InferenceSession | None] = []
        self._process = 0

    @property
    def is_loaded(self) -> bool:
        """Whether this process holds a session."""
        return self._session is not None and self._process == os.getpid()

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
        names = list(outputs or (output.name for output in session.get_outputs()))
        fed = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        with self._turn:
            values = session.run(names, fed)
        return dict(zip(names, values, strict=True))

    def session(self) -> onnxruntime.InferenceSession:
        """Return this process's session, making it if need be."""
        if self.is_loaded:
            return self._session
        with self._lock:
            if not self.is_loaded:
                # Freeing the parent's session would wait for threads that no fork inherits.
                self._inherited.append(self._session)
                self._session = self._load()
                self._process = os.getpid()
        return self._session

    def _load(self) -> onnxruntime.InferenceSession:
        content = self._path.read_bytes()
        if self._sha256 is not None and hashlib.sha256(content).hexdigest() != self._sha256:
            raise BadInput(f"{self._path}: changed since it was verified; fetch the model again")
        missing = set(PROVIDERS[self._device][:1]) - set(onnxruntime.get_available_providers())
        if missing:
            raise BadInput(
                f"device {self._device!r}: this onnxruntime has no {missing.pop()}; "
                'run: pip install "zooassist[gpu]"'
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Threads that spin while they wait take the cores from the decoders of the next batch: on
        # two cores without spinning `predict` was 1.8 times as fast and took a third less processor
        # time per image. One image alone takes 0.3 ms longer.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            return onnxruntime.InferenceSession(
                content, options, providers=list(PROVIDERS[self._device])
            )
        except Exception as error:
            text = " ".join(str(error).split())[:300]
            raise BadInput(f"{self._path}: onnxruntime refuses this graph: {text}") from error
