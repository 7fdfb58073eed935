"""How do messages stay ours while we work on them? Their visibility is extended, until refused."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.outcomes import Abandoned
from zooassist_serving.batch.queues import Queue, Received

logger = logging.getLogger(__name__)

# SQS hides no message for longer than twelve hours in all.
CEILING: Final = 11.5 * 3600


class Hold:
    """One message that is worked on.

    Parameters
    ----------
    deadline : float
        When, by the ticker, it will be visible to others again.
    stopping : Event
        Of the process.
    """

    def __init__(
        self, message: Received, began: float, deadline: float, stopping: threading.Event
    ) -> None:
        self.message, self.began, self.deadline = message, began, deadline
        self._stopping = stopping
        self.lost = False

    def check(self) -> None:
        """Raise where the work is for nobody any more.

        Raises
        ------
        Abandoned
        """
        if self.lost:
            raise Abandoned(f"message {self.message.message_id} is another worker's by now")
        if self._stopping.is_set():
            raise Abandoned("the worker is stopping")


class Heartbeats:
    """Extends the visibility of all messages in hand; used as a context manager.

    Parameters
    ----------
    visibility : int
        Seconds; every third of it messages are extended.
    stopping : Event
        Set when the process ends.
    """

    def __init__(
        self,
        queue: Queue,
        visibility: int,
        stopping: threading.Event,
        ticker: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue, self._visibility, self._stopping = queue, visibility, stopping
        self._ticker = ticker
        self._holds: set[Hold] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def hold(self, message: Received) -> Hold:
        """Take a message in hand."""
        now = self._ticker()
        hold = Hold(message, now, now + self._visibility, self._stopping)
        with self._lock:
            self._holds.add(hold)
        return hold

    def let_go(self, hold: Hold) -> None:
        """Extend a message no more."""
        with self._lock:
            self._holds.discard(hold)

    def _beat(self) -> None:
        while not self._ended.wait(self._visibility / 3):
            with self._lock:
                holds = list(self._holds)
            for hold in holds:
                self._extend(hold)

    def _extend(self, hold: Hold) -> None:
        now = self._ticker()
        if now - hold.began > CEILING:
            logger.warning("message %s: not done within half a day", hold.message.message_id)
            hold.lost = True
            return
        try:
            if self._queue.hide(hold.message, self._visibility):
                hold.deadline = now + self._visibility
                return
            hold.lost = True
        except Refused as error:
            # Perhaps the next beat is heard; once the time is over, others see the message.
            logger.warning("%s", error)
            hold.lost = now > hold.deadline
        if hold.lost:
            logger.info("message %s: not ours any more", hold.message.message_id)
