"""What runs after the answer was sent? A persistent job table and one worker thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from zooassist_plugin.database import Store
from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.table_base import Base

log = logging.getLogger(__name__)

# A task gets its payload and does its own short transactions through the store.
Task = Callable[[dict[str, Any]], None]
# Told in the transaction that gives a job up, with its payload.
Afterword = Callable[[Session, dict[str, Any]], None]


@dataclass(frozen=True)
class _Kind:
    task: Task
    tries: int
    when_dead: Afterword


def _nothing(_session: Session, _payload: dict[str, Any]) -> None:
    pass


def _no_task(_payload: dict[str, Any]) -> None:
    raise KeyError("no task of this name is registered")


# A job that an older version left behind and nobody knows any more fails like any other.
_UNKNOWN = _Kind(_no_task, 1, _nothing)


class Job(Base):
    """One piece of background work; rows outlive a restart."""

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column()
    state: Mapped[str] = mapped_column(default="queued", index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[datetime] = mapped_column()
    error: Mapped[str] = mapped_column(default="")


class Jobs:
    """Queue and worker. A job that raises is retried as Sidekiq would, then marked ``dead``.

    Jobs left ``running`` by a killed process are queued again at start: tasks must be idempotent.
    """

    def __init__(self, store: Store, config: SandboxConfig) -> None:
        self._store, self._config = store, config
        self._kinds: dict[str, _Kind] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def register(
        self, name: str, task: Task, tries: int = 5, when_dead: Afterword = _nothing
    ) -> None:
        """Name a task; `tries` counts the first attempt, `when_dead` hears of the last failure."""
        if name in self._kinds:
            raise ValueError(f"job {name!r} is already registered")
        self._kinds[name] = _Kind(task, tries, when_dead)

    def enqueue(
        self, session: Session, name: str, payload: dict[str, Any], delay: float = 0.0
    ) -> None:
        """Add a job in the caller's transaction: it exists if and only if that commits."""
        if name not in self._kinds:
            raise KeyError(f"no job named {name!r}; registered: {sorted(self._kinds)}")
        run_at = self._config.clock() + timedelta(seconds=delay)
        session.add(Job(name=name, payload=payload, run_at=run_at))
        self._wake.set()

    def start(self) -> None:
        """Requeue what a killed process left behind and start the worker thread."""
        with self._store.session() as session:
            for job in session.scalars(select(Job).where(Job.state == "running")):
                job.state = "queued"
        self._thread = threading.Thread(target=self._loop, name="sandbox-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the job in hand and end the thread."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def drain(self) -> int:
        """Run everything that is due now, in this thread; returns how many jobs ran (tests)."""
        ran = 0
        while self._run_one():
            ran += 1
        return ran

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                ran = self._run_one()
            except Exception:  # a door: a database that is away must not end the worker
                log.exception("the job table could not be read or written; trying again")
                ran = False
            if not ran:
                self._wake.wait(0.2)
                self._wake.clear()

    def _run_one(self) -> bool:
        with self._lock:
            with self._store.session() as session:
                job = session.scalars(
                    select(Job)
                    .where(Job.state == "queued", Job.run_at <= self._config.clock())
                    .order_by(Job.id)
                    .limit(1)
                ).first()
                if job is None:
                    return False
                job.state, job.attempts = "running", job.attempts + 1
            self._attempt(job)
        return True

    def _attempt(self, job: Job) -> None:
        kind = self._kinds.get(job.name, _UNKNOWN)
        state, error, delay = "done", "", 0.0
        try:
            kind.task(job.payload)
        except Exception as problem:  # a door: logged, recorded, retried
            log.exception(
                "job %s %s failed (attempt %d of %d)", job.id, job.name, job.attempts, kind.tries
            )
            error = f"{type(problem).__name__}: {problem}"
            state = "queued" if job.attempts < kind.tries else "dead"
            # Caesar's Sidekiq delays: count^8 + 15 seconds (caesar: app/workers).
            delay = (job.attempts**8 + 15) * self._config.retry_scale
        with self._store.session() as session:
            stored = session.get_one(Job, job.id)
            stored.state, stored.error = state, error
            if state == "dead":
                kind.when_dead(session, job.payload)
            if state == "queued":
                stored.run_at = self._config.clock() + timedelta(seconds=delay)
