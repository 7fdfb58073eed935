"""Which models does this process hold? Each is loaded once, from a folder, a name or S3."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import CARD_FILE
from zooassist_serving.batch.places import S3, Place, Seen
from zooassist_serving.batch.shard_run import Predictor
from zooassist_serving.batch.stores.store import Store
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_folder import ONNX_FILE, ModelFolder, load_model_folder
from zooassist_serving.runtime import usable_cores

MAX_MODEL_BYTES: Final = 8 * 2**30

# Makes the data plane of a folder: threads, device and batch size are the caller's.
MakePlane = Callable[[ModelFolder], DataPlane]


class Models:
    """Predictors by the name that a route gives; used as a context manager, which ends its threads.

    Parameters
    ----------
    threads : int, optional
        That decode and run graphs, over all models; all usable cores by default.
    unit : int
        Images per run of a graph.
    """

    def __init__(self, store: Store, threads: int | None, unit: int, device: str = "cpu") -> None:
        self._store, self._unit, self._device = store, unit, device
        self._threads = threads or usable_cores()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="predict")
        self._lock = threading.Lock()
        self._planes: dict[str, DataPlane] = {}
        self._copies: list[tempfile.TemporaryDirectory[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        for copy in self._copies:
            copy.cleanup()

    def predictor(self, model: str, *, embedding: bool = False) -> Predictor:
        """Return the predictor of a model.

        Parameters
        ----------
        model : str
            A model folder, a bundled name, or ``s3://bucket/folder``.

        Raises
        ------
        BadInput
            When there is no such model, or it has no embedding.
        """
        with self._lock:
            if model not in self._planes:
                folder = load_model_folder(self._copied(model) if model.startswith(S3) else model)
                # One thread per run and several runs beside each other: see `catalogue.run`.
                self._planes[model] = DataPlane(
                    [folder], threads=1, device=self._device, batch_size=self._unit
                )
            plane = self._planes[model]
        [name] = plane.names
        width = None
        if embedding:
            spec = plane.metadata(name).output("embedding")
            if spec is None or not isinstance(spec.shape[-1], int):
                raise BadInput(f"model {name}: has no embedding; leave it out")
            width = spec.shape[-1]
        return Predictor(plane, name, self._pool, self._threads, self._unit, width)

    def _copied(self, model: str) -> Path:
        """Fetch a model folder; loading checks its digest."""
        copy = tempfile.TemporaryDirectory(prefix="zooassist-model-")
        self._copies.append(copy)
        folder = Place.parse(model.rstrip("/"))
        for file in (CARD_FILE, ONNX_FILE):
            self._store.download(Seen(folder.child(file)), Path(copy.name) / file, MAX_MODEL_BYTES)
        return Path(copy.name)
