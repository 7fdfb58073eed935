"""Which versions are in memory? Those used last, within a budget; others come back when asked."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.served_model import ServedModel

logger = logging.getLogger(__name__)


class Key(NamedTuple):
    """A version of a model; as a shadow it is apart, since nobody counts what it says."""

    name: str
    version: str
    is_shadow: bool = False


@dataclass
class _Loaded:
    model: ServedModel
    size: int
    users: int = 0


class ModelPool:
    """Loaded versions; safe to use from several threads.

    Parameters
    ----------
    find : callable
        Name and version -> verified folder.
    load : callable
        Folder, and whether it is a shadow -> a model, loaded and warm.
    budget : int, optional
        Bytes that the graphs of all loaded versions may have together; no limit by default. A
        graph is mostly weights, and a session holds about as much; what it computes with comes on
        top. A version in use never leaves, so that the budget may be exceeded for a moment.
    """

    def __init__(
        self,
        find: Callable[[str, str], ModelFolder],
        load: Callable[[ModelFolder, bool], ServedModel],
        budget: int | None = None,
    ) -> None:
        if budget is not None and budget < 1:
            raise BadInput(f"memory for models: expected 1 byte or more, got {budget}")
        self._find, self._load, self._budget = find, load, budget
        self._loaded: OrderedDict[Key, _Loaded] = OrderedDict()
        self._lock = threading.Lock()
        # One version is loaded at a time: two would need the memory of both at once.
        self._loading = threading.Lock()

    @property
    def loaded(self) -> tuple[Key, ...]:
        """What is in memory, the least recently used first."""
        with self._lock:
            return tuple(self._loaded)

    @property
    def size(self) -> int:
        """Bytes of the graphs in memory."""
        with self._lock:
            return self._size()

    @contextmanager
    def lease(self, key: Key) -> Iterator[ServedModel]:
        """Use a version for the length of the block; it is loaded if need be, and stays loaded.

        Raises
        ------
        BadInput
            When its folder is not sound (any more), or it is larger than the whole budget.
        """
        entry = self._taken(key)
        if entry is None:
            with self._loading:
                entry = self._taken(key) or self._bring(key)
        try:
            yield entry.model
        finally:
            with self._lock:
                entry.users -= 1
                self._make_room(0)

    def peek(self, key: Key) -> ServedModel | None:
        """Return a version that is in memory, without bringing it there."""
        with self._lock:
            entry = self._loaded.get(key)
            return None if entry is None else entry.model

    def keep_only(self, keys: set[Key]) -> None:
        """Let go what no release names any more, except while it is in use."""
        with self._lock:
            for key, entry in list(self._loaded.items()):
                if key not in keys and not entry.users:
                    self._let_go(key)

    def _taken(self, key: Key) -> _Loaded | None:
        with self._lock:
            entry = self._loaded.get(key)
            if entry is not None:
                entry.users += 1
                self._loaded.move_to_end(key)
            return entry

    def _bring(self, key: Key) -> _Loaded:
        folder = self._find(key.name, key.version)
        size = folder.onnx_path.stat().st_size
        if self._budget is not None and size > self._budget:
            raise BadInput(
                f"model {key.name} {key.version}: its graph has {size:,} bytes, and all models "
                f"together may have {self._budget:,}; raise --model-memory"
            )
        with self._lock:
            self._make_room(size)
        entry = _Loaded(self._load(folder, key.is_shadow), size, users=1)
        with self._lock:
            self._loaded[key] = entry
        return entry

    def _size(self) -> int:
        return sum(entry.size for entry in self._loaded.values())

    def _make_room(self, size: int) -> None:
        """Let go the least recently used versions that nobody uses until `size` bytes fit."""
        if self._budget is None:
            return
        for key in list(self._loaded):
            if self._size() + size <= self._budget:
                return
            if not self._loaded[key].users:
                self._let_go(key)

    def _let_go(self, key: Key) -> None:
        entry = self._loaded.pop(key)
        # At once, not when the collector comes by. A run that still has the session is answered.
        entry.model.runtime.unload()
        size = entry.size
        logger.info("model %s %s leaves memory: %d bytes", key.name, key.version, size)
