"""Who does the jobs? One thread of each process, a batch at a time, beside the requests."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from zooassist_plugin.errors import ZooassistError
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.jobs.store import JobItem, JobStore
from zooassist_serving.predictions import json_of

logger = logging.getLogger(__name__)

BATCH: Final = 16
"""Items between two looks at whether the job is cancelled, or the server ends."""
IDLE: Final = 1.0
"""Seconds between two looks for a job that another process left."""
NAMESPACE: Final = uuid.UUID("a6a3f6cc-40a0-5b2f-9d53-3c4a1f0a5c11")

Fetch = Callable[[str], Callable[[], bytes]]


class Jobs:
    """The jobs of a server, and the thread that does them.

    Parameters
    ----------
    fetch : callable
        URL -> what fetches it when called.
    holder : str, optional
        Name of this process among those that share the database.
    """

    def __init__(
        self,
        store: JobStore,
        plane: DataPlane,
        fetch: Fetch,
        holder: str | None = None,
        idle: float = IDLE,
    ) -> None:
        self.store = store
        self._plane, self._fetch, self._idle = plane, fetch, idle
        self._holder = holder or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; it takes up what a killed process left."""
        self._thread = threading.Thread(target=self._loop, name="jobs", daemon=True)
        self._thread.start()

    def end_soon(self) -> None:
        """End the thread after the batch in hand; an unfinished job is left to others."""
        self._stop.set()
        self._wake.set()

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self.end_soon()
        if self._thread is not None:
            self._thread.join()

    def add(
        self, model: str, version: str, items: Sequence[JobItem], key: str | None
    ) -> tuple[str, bool]:
        """Add a job.

        Parameters
        ----------
        key : str, optional
            The caller's name for it: the same one again is the same job.

        Returns
        -------
        tuple of (str, bool)
            Its id, and whether it is new.
        """
        named = uuid.uuid4() if key is None else uuid.uuid5(NAMESPACE, f"{model}/{key}")
        new = self.store.add(str(named), model, version, items)
        self._wake.set()
        return str(named), new

    def run_one(self) -> bool:
        """Take up one job and work on it to its end; return whether there was one."""
        identity = self.store.claim(self._holder)
        if identity is None:
            return False
        job = self.store.job(identity)
        error = None
        try:
            if job is not None and not self._work(identity, job["model"]):
                return True
        except ZooassistError as problem:
            error = str(problem)
        self.store.finish(identity, self._holder, error)
        return True

    def _work(self, identity: str, model: str) -> bool:
        """Predict what waits; return False when the job is left for another process."""
        going = self.store.settle(identity, self._holder, ())
        while going:
            if self._stop.is_set():
                self.store.release(identity, self._holder)
                return False
            todo = self.store.waiting(identity, BATCH)
            if not todo:
                return True
            going = self.store.settle(identity, self._holder, self._answers(model, todo))
        return True

    def _answers(self, model: str, todo: Sequence[JobItem]) -> list[tuple[int, dict[str, Any]]]:
        served = self._plane.at(model)
        items = [
            Item(each.url, self._later(each.url), each.subject_id, each.frame) for each in todo
        ]
        said = served.card.answers
        rows = (json_of(prediction, said) for prediction in served.predict(items))
        return [(each.position, row) for each, row in zip(todo, rows, strict=True)]

    def _later(self, url: str) -> Callable[[], bytes]:
        return lambda: self._fetch(url)()

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                ran = self.run_one()
            except (SQLAlchemyError, OSError):
                # A database that is away must not end the thread; the lease brings the job back.
                logger.exception("the table of jobs cannot be read or written; trying again")
                ran = False
            except Exception:
                # A door: a fault of ours is written down, and the lease brings the job back.
                logger.exception("a job failed for a reason that was not foreseen")
                ran = False
            if not ran:
                self._wake.wait(self._idle)
                self._wake.clear()
