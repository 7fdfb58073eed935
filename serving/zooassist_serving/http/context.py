"""What do all routes share? The data plane, and what stands before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from flask import Request

from zooassist_plugin.errors import BadInput
from zooassist_serving.batcher import NO_DEADLINE
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.gate import Drain
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.http.metrics import Metrics
from zooassist_serving.http.models_to_serve import SkippedModel
from zooassist_serving.http.problems import Problem
from zooassist_serving.jobs.worker import Jobs
from zooassist_serving.served_model import ServedModel

TIMEOUT_HEADER = "X-Request-Timeout"
LARGE_AT_ONCE = 8
LONGEST_TIMEOUT = 3600.0


class Large:
    """Room for a few requests with many images, which pass by the queue of single ones."""

    def __init__(self, room: int = LARGE_AT_ONCE) -> None:
        self._room = threading.BoundedSemaphore(room)

    def enter(self) -> None:
        """Take a place, which `leave` gives back.

        Raises
        ------
        Problem
            429 when all are taken.
        """
        if not self._room.acquire(blocking=False):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "expected room for a request with several images, all is taken; ask again in a "
                "second, or make a job of it (/v1/jobs)",
                {"Retry-After": "1"},
            )

    def leave(self) -> None:
        """Give a place back."""
        self._room.release()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Hold a place."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


@dataclass(frozen=True)
class Context:
    """Handed to every group of routes."""

    plane: DataPlane
    fetcher: MediaFetcher
    metrics: Metrics
    drain: Drain
    skipped: Sequence[SkippedModel] = ()
    jobs: Jobs | None = None
    large: Large = field(default_factory=Large)

    def model(self, name: str) -> ServedModel:
        """Return the active version of a model.

        Raises
        ------
        Problem
            404 when there is no such model.
        """
        try:
            return self.plane.at(name)
        except BadInput as error:
            raise Problem(HTTPStatus.NOT_FOUND, f"{error}; see /v1/models") from error


def deadline_of(request: Request) -> float:
    """Return when an answer is of no use any more, by `time.monotonic`.

    Raises
    ------
    Problem
        422 when the header is no number of seconds.
    """
    given = request.headers.get(TIMEOUT_HEADER)
    if given is None:
        return NO_DEADLINE
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= LONGEST_TIMEOUT:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{TIMEOUT_HEADER}: expected seconds, more than 0 and at most {LONGEST_TIMEOUT:.0f}, "
            f"got {given[:40]!r}",
        )
    return time.monotonic() + seconds
