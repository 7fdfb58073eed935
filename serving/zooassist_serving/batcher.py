"""Which images share a run of the graph? Those that wait when it gets free; nobody waits for more.

There is no thread of its own. Who comes while the graph is idle runs it at once, in its own thread,
so that one image alone pays for a lock and nothing else. Who comes meanwhile queues, and when the
run ends the first in the queue takes all that wait, up to the largest batch, as the next run. What
is made of the answers happens after the graph was handed on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from zooassist_plugin.errors import ZooassistError

Item = TypeVar("Item")
Raw = TypeVar("Raw")
Answer = TypeVar("Answer")

NO_DEADLINE: Final = float("inf")
SMOOTHING: Final = 0.2
"""Weight of the latest run in the time that an item is expected to take."""


class Overloaded(ZooassistError):
    """The queue is full: come again later.

    Attributes
    ----------
    retry_after : float
        Seconds after which there should be room.
    """

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"expected a place in the queue, which is full; ask again in {retry_after:.2f} s"
        )


class TooLate(ZooassistError):
    """The deadline of an item passed before its turn came, so it was not run."""


class Observer(Protocol):
    """Told of what happens in a batcher; called between two runs, so it has to be quick."""

    def batch(self, size: int) -> None:
        """Be told how many items a run took."""
        ...


@dataclass(frozen=True)
class Limits:
    """How much may wait.

    Attributes
    ----------
    batch : int
        Items of one run at most.
    queue : int
        Items that wait for a run at most, beside those in it.
    wait : float
        Seconds that an item may be expected to wait; who would wait longer is refused at once.
    runs : int
        Runs at the same time.
    """

    batch: int = 32
    queue: int = 256
    wait: float = 1.0
    runs: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "queue", "runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if not self.wait > 0:
            raise ValueError(f"wait: expected more than 0 seconds, got {self.wait}")


class _Ticket(Generic[Item, Answer]):
    """One item in the queue. Its bell rings once: it was answered, or it is its turn to run."""

    __slots__ = ("answer", "bell", "deadline", "dropped", "error", "item", "leads")

    def __init__(self, item: Item, deadline: float) -> None:
        self.item, self.deadline = item, deadline
        self.answer: Answer | None = None
        self.error: BaseException | None = None
        self.leads = False
        self.dropped = False
        self.bell = threading.Lock()
        self.bell.acquire()


class Batcher(Generic[Item, Raw, Answer]):
    """Gathers items of many threads into runs.

    Parameters
    ----------
    run : callable
        Items -> what the graph says of them all. One call at a time (`Limits.runs`).
    finish : callable
        That, and the items -> one answer per item. Called after the graph was handed on.
    clock : callable, optional
        Seconds that only grow.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Raw],
        finish: Callable[[Raw, Sequence[Item]], Sequence[Answer]],
        limits: Limits,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run, self._finish = run, finish
        self._limits, self._observer, self._clock = limits, observer, clock
        self._lock = threading.Lock()
        self._queue: deque[_Ticket[Item, Answer]] = deque()
        self._running = 0
        self._in_runs = 0
        # Seconds of one more item in a run; learnt from the runs themselves.
        self._pace = 0.0

    @property
    def waiting(self) -> int:
        """Items that wait for a run."""
        return len(self._queue)

    def expected_wait(self) -> float:
        """Seconds that an item which comes now will probably wait for its answer."""
        ahead = len(self._queue) + self._in_runs
        return ahead * self._pace / self._limits.runs

    def is_full(self) -> bool:
        """Whether an item which comes now would be refused; asked before it is even decoded."""
        if self._running < self._limits.runs:
            return False
        return len(self._queue) >= self._limits.queue or self.expected_wait() > self._limits.wait

    def check_room(self) -> None:
        """Refuse where `is_full`.

        Raises
        ------
        Overloaded
        """
        if self.is_full():
            raise Overloaded(max(self.expected_wait() / 2, 0.01))

    def submit(self, item: Item, deadline: float = NO_DEADLINE) -> Answer:
        """Wait for the answer to an item.

        Parameters
        ----------
        deadline : float
            By the batcher's clock; an item whose turn comes later is never run.

        Raises
        ------
        Overloaded
            At once, when too many wait.
        TooLate
            When the deadline passed.
        """
        ticket: _Ticket[Item, Answer] = _Ticket(item, deadline)
        with self._lock:
            self.check_room()
            if self._running < self._limits.runs:
                self._running += 1
                ticket.leads = True
            else:
                self._queue.append(ticket)
        if not ticket.leads:
            self._wait(ticket)
        if ticket.leads:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        if ticket.dropped or ticket.answer is None:
            raise TooLate("its turn came after the deadline, so it was not run; ask again")
        return ticket.answer

    def _wait(self, ticket: _Ticket[Item, Answer]) -> None:
        """Wait for the bell, but not past the deadline while still in the queue."""
        if ticket.deadline == NO_DEADLINE:
            ticket.bell.acquire()
        elif not ticket.bell.acquire(timeout=max(0.0, ticket.deadline - self._clock())):
            with self._lock:
                if ticket in self._queue:
                    self._queue.remove(ticket)
                    ticket.dropped = True
                    return
            # It was taken into a run, or called to lead one, at the last moment.
            ticket.bell.acquire()

    def _lead(self, leader: _Ticket[Item, Answer]) -> None:
        """Run the graph once on what waits, hand it on, and give out the answers."""
        with self._lock:
            batch = [leader, *self._take(self._limits.batch - 1)]
            self._in_runs += len(batch)
        items = [ticket.item for ticket in batch]
        begun = self._clock()
        try:
            try:
                raw = self._run(items)
            finally:
                self._hand_on(len(batch), self._clock() - begun)
            for ticket, answer in zip(batch, self._finish(raw, items), strict=True):
                ticket.answer = answer
        except Exception as problem:  # noqa: BLE001 - each that waits is told, and raises it
            for ticket in batch:
                ticket.error = problem
        finally:
            for ticket in batch[1:]:
                ticket.bell.release()

    def _take(self, most: int) -> list[_Ticket[Item, Answer]]:
        """Take what waits, except what nobody waits for any more. Needs the lock."""
        now = self._clock()
        batch: list[_Ticket[Item, Answer]] = []
        while self._queue and len(batch) < most:
            ticket = self._queue.popleft()
            if ticket.deadline < now:
                ticket.dropped = True
                ticket.bell.release()
            else:
                batch.append(ticket)
        return batch

    def _hand_on(self, size: int, seconds: float) -> None:
        with self._lock:
            self._in_runs -= size
            pace = seconds / size
            self._pace += (pace - self._pace) * (SMOOTHING if self._pace else 1.0)
            following = self._take(1)
            if following:
                following[0].leads = True
                following[0].bell.release()
            else:
                self._running -= 1
        if self._observer is not None:
            self._observer.batch(size)
