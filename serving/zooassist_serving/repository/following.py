"""When does a running server look for another release? Twice a second, and whenever it is woken."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from zooassist_serving.repository.releases import Releases

logger = logging.getLogger(__name__)

PERIOD = 0.5
"""Seconds between two looks: an activation is served within a second of loading it."""


class Follower:
    """A thread that lets a server follow its repository; used as a context or with `start`.

    Parameters
    ----------
    period : float
        Seconds between two looks.
    """

    def __init__(self, releases: Releases, period: float = PERIOD) -> None:
        self.releases, self._period = releases, period
        self._woken, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow-models", daemon=True)

    def start(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    def stop(self) -> None:
        """End the thread after the look it is at."""
        self._ended.set()
        self._woken.set()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.wait(self._period)
            self._woken.clear()
            if self._ended.is_set():
                return
            try:
                self.releases.follow()
            except Exception:  # the server goes on with what it serves, whatever a look met
                logger.exception("the releases of %s cannot be read", self.releases.store.place)
