"""How does a worker spend its time? Message after message, several at once, until it is told."""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import dataclass, field
from typing import Final

from zooassist_plugin.errors import Refused, ZooassistError
from zooassist_serving.batch.heartbeats import Heartbeats, Hold
from zooassist_serving.batch.outcomes import Abandoned, Poison, Superseded
from zooassist_serving.batch.processing import Outcome, Tools, handle
from zooassist_serving.batch.queues import LONG_POLL, Queue, Received, bury
from zooassist_serving.batch.stores.store import Busy

logger = logging.getLogger(__name__)

LONGEST_DELAY: Final = 900  # seconds
# Seconds between two looks whether the queue is empty.
SHORT_POLL: Final = 1
PAUSE_AFTER_TROUBLE: Final = 2.0


@dataclass
class Tally:
    """What a worker did.

    Attributes
    ----------
    superseded : int
        Messages about objects that were replaced since.
    """

    messages: int = 0
    rows: int = 0
    failed: int = 0
    buried: int = 0
    superseded: int = 0
    retried: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, outcome: Outcome) -> None:
        """Add what came of a message."""
        with self._lock:
            self.messages += 1
            self.rows += outcome.rows
            self.failed += outcome.failed

    def more(self, what: str) -> None:
        """Count one of something."""
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)


class Worker:
    """Works on the messages of a queue.

    Parameters
    ----------
    until_empty : bool
        End when nothing is waiting and nobody works on anything.
    """

    def __init__(
        self,
        queue: Queue,
        dead_letters: Queue,
        tools: Tools,
        *,
        until_empty: bool = False,
    ) -> None:
        self._queue, self._dead_letters, self._tools = queue, dead_letters, tools
        self._until_empty = until_empty
        self.stopping = threading.Event()
        self.tally = Tally()
        self._fatal: Exception | None = None

    def run(self) -> Tally:
        """Work until `stopping` is set, or the queue is empty.

        Raises
        ------
        Refused
            When nothing can be done at all: credentials, region, clock, no queue.
        """
        config = self._tools.config
        with Heartbeats(self._queue, config.visibility, self.stopping) as heartbeats:
            slots = [
                threading.Thread(target=self._slot, args=(heartbeats,), name=f"slot-{number}")
                for number in range(config.slots)
            ]
            for slot in slots:
                slot.start()
            for slot in slots:
                slot.join()
        if self._fatal is not None:
            raise self._fatal
        return self.tally

    def _slot(self, heartbeats: Heartbeats) -> None:
        wait = SHORT_POLL if self._until_empty else LONG_POLL
        while not self.stopping.is_set():
            try:
                messages = self._queue.receive(self._tools.config.visibility, wait=wait)
                if not messages and self._until_empty and not self._queue.waiting():
                    return
            except Busy as error:
                logger.warning("%s", error)
                self.stopping.wait(PAUSE_AFTER_TROUBLE)
                continue
            except Exception as error:  # noqa: BLE001 - a door: it ends the worker, not a thread
                self._stop(error)
                return
            for message in messages:
                hold = heartbeats.hold(message)
                try:
                    self._work_on(message, hold)
                except Refused as error:
                    # The queue did not hear the end: the message comes again and finds it done.
                    logger.warning("%s", error)
                finally:
                    heartbeats.let_go(hold)

    def _work_on(self, message: Received, hold: Hold) -> None:
        try:
            outcome = handle(message.body, self._tools, hold.check, message.attempt)
        except Abandoned as reason:
            logger.info("%s", reason)
            if not hold.lost:
                self._queue.hide(message, 0)
        except Superseded as reason:
            logger.info("%s", reason)
            self.tally.more("superseded")
            self._queue.delete(message)
        except Poison as error:
            self._bury(message, str(error))
        except Busy as error:
            self._again(message, str(error))
        except Refused as error:
            self._queue.hide(message, 0)
            self._stop(error)
        except ZooassistError as error:
            self._bury(message, str(error))
        except Exception as error:  # a door: one message must not end the worker
            logger.exception("message %s", message.message_id)
            self._again(message, f"unexpected {type(error).__name__}: {error}")
        else:
            self.tally.count(outcome)
            self._queue.delete(message)

    def _again(self, message: Received, reason: str) -> None:
        """Leave a message for later; for ever, after so many tries."""
        if message.attempt >= self._tools.config.attempts:
            self._bury(message, reason)
            return
        logger.warning("%s", reason)
        self.tally.more("retried")
        longest = min(LONGEST_DELAY, self._tools.config.visibility * 2**message.attempt)
        # Not all workers at the same moment again.
        self._queue.hide(message, 1 + secrets.randbelow(max(1, longest // 4)))

    def _bury(self, message: Received, reason: str) -> None:
        logger.error("%s", reason)
        self.tally.more("buried")
        bury(message, reason, self._queue, self._dead_letters)

    def _stop(self, error: Exception) -> None:
        self._fatal = self._fatal or error
        self.stopping.set()
