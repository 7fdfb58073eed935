"""From when on do volunteers see a proposal? Caesar is asked, as their page asks it.

Our answer is only an answer: whether Caesar kept it, and unchanged, is seen by the classifier's own
query. What is seen there is marked in the ledger, and nothing else is.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.errors import ZooassistError
from zooassist_plugin.presenters import Unpresentable, canonical
from zooassist_plugin.proposal_keeping import ProposalKeeper

logger = logging.getLogger(__name__)

LOOKS: Final = (0.5, 2.0, 10.0, 60.0, 600.0)
"""Seconds after an answer at which it is looked for; Caesar may be minutes behind."""
MOST: Final = 10_000


@dataclass(frozen=True)
class Watched:
    """A payload that was answered, and the ledger's row that it belongs to."""

    workflow_id: int
    subject_id: int
    model_version: str
    payload: Mapping[str, Any]


class ReadBack:
    """Looks for answered payloads in one thread, which starts with the first of them.

    What is forgotten when the process ends is found again by the subject's next call.
    """

    def __init__(
        self,
        caesar: Caesar,
        keeper: ProposalKeeper,
        looks: tuple[float, ...] = LOOKS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._caesar, self._keeper, self._looks, self._clock = caesar, keeper, looks, clock
        self._order = itertools.count()
        self._due: list[tuple[float, int, int, Watched]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False

    def watch(self, watched: Watched) -> None:
        """Look for a payload from now on."""
        with self._changed:
            if len(self._due) >= MOST:
                return
            self._push(watched, 0)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="read-back", daemon=True)
                self._thread.start()
            self._changed.notify()

    def look(self, watched: Watched) -> bool:
        """Look once; returns whether volunteers see the payload, which then is noted."""
        found = self._caesar.visible_proposals(watched.workflow_id, watched.subject_id)
        try:
            if canonical(list(found.payloads)) != canonical([watched.payload]):
                return False
        except Unpresentable:  # somebody else wrote what is no JSON
            return False
        self._keeper.seen(watched.workflow_id, watched.subject_id, watched.model_version)
        return True

    def close(self) -> None:
        """End the thread after the look it is at."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _push(self, watched: Watched, look: int) -> None:
        due = self._clock() + self._looks[look]
        heapq.heappush(self._due, (due, next(self._order), look, watched))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ended and (not self._due or self._due[0][0] > self._clock()):
                    wait = self._due[0][0] - self._clock() if self._due else None
                    self._changed.wait(wait)
                if self._ended:
                    return
                _, _, look, watched = heapq.heappop(self._due)
            try:
                seen = self.look(watched)
            except ZooassistError as error:
                seen = False
                logger.warning("subject %s: not looked at: %s", watched.subject_id, error)
            except Exception:  # a door of its own: the next subject is looked at all the same
                seen = False
                logger.exception("subject %s: not looked at", watched.subject_id)
            with self._changed:
                if not seen and look + 1 < len(self._looks):
                    self._push(watched, look + 1)
                elif not seen:
                    logger.warning(
                        "subject %s of workflow %s: volunteers do not see its proposal; look with "
                        "`zooassist status %s`",
                        watched.subject_id,
                        watched.workflow_id,
                        watched.workflow_id,
                    )
