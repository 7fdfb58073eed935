"""How do processes listen, end and come back? granian, with a way out that loses no request."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

DRAIN_SIGNAL: Final = signal.SIGUSR1
"""Tells a worker to answer, but to send its clients elsewhere."""
BACKLOG: Final = 4096
CONNECTIONS: Final = 4096
"""Open at once for each worker; idle ones count."""
HEAD_SECONDS: Final = 15
"""For the head of a request; a client that is slower is cut off."""
RESPAWN_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Listening:
    """Where and how to listen.

    Attributes
    ----------
    threads : int
        Requests of one worker that are in hand at the same time: more than may wait for a model, so
        that those who come beyond are told so and do not wait unseen.
    drain : float
        Seconds from SIGTERM to the end of listening, in which `/ready` answers 503 and each answer
        closes its connection: time for a load balancer to look.
    grace : int
        Seconds after that for requests in hand.
    """

    address: str
    port: int
    workers: int = 1
    threads: int = 256
    drain: float = 1.0
    grace: int = 30


class DrainingServer(Granian):  # type: ignore[misc, valid-type]
    """A granian that, asked to end, first sends its clients elsewhere for a while."""

    drain_seconds: float = 0.0

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """On SIGTERM or SIGINT: drain, then end; at once when asked a second time."""
        end = super().signal_handler_interrupt
        if self.drain_seconds <= 0:
            end(*args, **kwargs)
            return
        seconds, self.drain_seconds = self.drain_seconds, 0.0
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker._id(), DRAIN_SIGNAL)
        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()

    def signal_handler_reload(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """On SIGHUP: let every worker look for what was activated; none is replaced."""
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker._id(), signal.SIGHUP)


def listen(listening: Listening, load: Callable[[], Flask]) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    load : callable
        Makes the application; called in every worker process, after the fork.
    """
    logging.getLogger("_granian").addFilter(_is_news)
    # Inherited by workers: one that is still loading would be ended by a signal it has no handler
    # for yet.
    signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)
    server = DrainingServer(
        "zooassist_serving.http.command:worker_app",
        address=listening.address,
        port=listening.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=listening.workers,
        blocking_threads=listening.threads,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_SECONDS * 1000),
        respawn_failed_workers=True,
        respawn_interval=RESPAWN_SECONDS,
        workers_kill_timeout=listening.grace,
        log_level=LogLevels.warning,
    )
    server.drain_seconds = listening.drain
    server.serve(target_loader=load, wrap_loader=False)


def _is_news(record: logging.LogRecord) -> bool:
    """Keep back granian's remark on our number of threads: it is meant, see `Listening`."""
    return "allows spawning up to" not in record.getMessage()
