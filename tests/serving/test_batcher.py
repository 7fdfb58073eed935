from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from zooassist_serving.batcher import Batcher, Limits, Overloaded, TooLate


class Graph:
    """Doubles numbers; a run waits until it is let go, and remembers what it was given."""

    def __init__(self, *, held: bool = False) -> None:
        self.runs: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.held = held
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def run(self, items):
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.runs.append(list(items))
        self.entered.release()
        if self.held:
            assert self.let_go.acquire(timeout=30)
        with self._lock:
            self.at_once -= 1
        if "bad" in items:
            raise ZeroDivisionError("bad")
        return [2 * item for item in items]

    @property
    def taken(self) -> list[int]:
        return [item for run in self.runs for item in run]


def finish(raw, _items):
    return raw


class Sizes:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def batch(self, size: int) -> None:
        self.seen.append(size)


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "did not happen within 30 s"
        time.sleep(0.001)


def test_one_item_alone_runs_in_its_own_thread():
    seen = []
    batcher = Batcher(
        lambda items: (seen.append(threading.get_ident()), list(items))[1], finish, Limits()
    )
    assert batcher.submit(3) == 3
    assert seen == [threading.get_ident()]
    assert batcher.waiting == 0


def test_what_waits_shares_the_next_run():
    graph, sizes = Graph(held=True), Sizes()
    batcher = Batcher(graph.run, finish, Limits(batch=4), sizes)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.submit, 0)
        assert graph.entered.acquire(timeout=30)
        others = []
        for item in range(1, 7):
            others.append(pool.submit(batcher.submit, item))
            until(lambda item=item: batcher.waiting == item)
        for _ in range(3):
            graph.let_go.release()
        assert [each.result(30) for each in (first, *others)] == [2 * n for n in range(7)]
    assert graph.runs == [[0], [1, 2, 3, 4], [5, 6]]
    assert sizes.seen == [1, 4, 2]
    assert graph.most_at_once == 1


def test_several_runs_at_once_where_allowed():
    graph = Graph(held=True)
    batcher = Batcher(graph.run, finish, Limits(runs=2))
    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(batcher.submit, n) for n in range(2)]
        for _ in range(2):
            assert graph.entered.acquire(timeout=30)
        results += [pool.submit(batcher.submit, n) for n in (2, 3, 4)]
        until(lambda: batcher.waiting == 3)
        for _ in range(5):
            graph.let_go.release()
        assert sorted(each.result(30) for each in results) == [0, 2, 4, 6, 8]
    assert graph.most_at_once == 2
    assert sorted(graph.taken) == [0, 1, 2, 3, 4]


def test_a_full_queue_refuses_at_once_and_takes_again_afterwards():
    graph = Graph(held=True)
    batcher = Batcher(graph.run, finish, Limits(queue=2))
    with ThreadPoolExecutor(8) as pool:
        taken = [pool.submit(batcher.submit, 0)]
        assert graph.entered.acquire(timeout=30)
        assert not batcher.is_full()
        taken += [pool.submit(batcher.submit, n) for n in (1, 2)]
        until(lambda: batcher.waiting == 2)
        with pytest.raises(Overloaded, match="which is full") as refused:
            batcher.submit(3)
        assert refused.value.retry_after > 0
        with pytest.raises(Overloaded):
            batcher.check_room()
        for _ in range(2):
            graph.let_go.release()
        assert sorted(each.result(30) for each in taken) == [0, 2, 4]
    graph.let_go.release()
    assert batcher.submit(5) == 10
    assert 3 not in graph.taken


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_would_wait_too_long_is_refused():
    clock, graph = Clock(), Graph(held=True)

    def run(items):
        answers = graph.run(items)
        clock.now += 0.5 * len(items)  # half a second an item
        return answers

    batcher = Batcher(run, finish, Limits(wait=0.9), clock=clock)
    graph.let_go.release()
    batcher.submit(0)
    with ThreadPoolExecutor(4) as pool:
        one = pool.submit(batcher.submit, 1)
        until(lambda: len(graph.runs) == 2)
        assert batcher.expected_wait() == pytest.approx(0.5)
        two = pool.submit(batcher.submit, 2)
        until(lambda: batcher.waiting == 1)
        assert batcher.expected_wait() == pytest.approx(1.0)
        with pytest.raises(Overloaded) as refused:
            batcher.submit(3)
        assert refused.value.retry_after == pytest.approx(0.5)
        for _ in range(2):
            graph.let_go.release()
        assert (one.result(30), two.result(30)) == (2, 4)


def test_a_deadline_that_passes_in_the_queue_costs_no_run():
    graph = Graph(held=True)
    batcher = Batcher(graph.run, finish, Limits())
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.submit, 0)
        assert graph.entered.acquire(timeout=30)
        with pytest.raises(TooLate):
            batcher.submit(1, deadline=time.monotonic() + 0.01)
        assert batcher.waiting == 0
        graph.let_go.release()
        assert first.result(30) == 0
    assert graph.runs == [[0]]


def test_items_past_their_deadline_are_dropped_when_the_batch_is_made():
    clock, graph = Clock(), Graph(held=True)
    batcher = Batcher(graph.run, finish, Limits(), clock=clock)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(batcher.submit, 0)
        assert graph.entered.acquire(timeout=30)
        late = pool.submit(batcher.submit, 1, 120.0)
        until(lambda: batcher.waiting == 1)
        good = pool.submit(batcher.submit, 2, 1000.0)
        until(lambda: batcher.waiting == 2)
        clock.now = 130.0
        for _ in range(2):
            graph.let_go.release()
        assert first.result(30) == 0
        assert good.result(30) == 4
        with pytest.raises(TooLate):
            late.result(30)
    assert graph.runs == [[0], [2]]


def test_an_error_reaches_all_of_its_run_and_nobody_else():
    graph = Graph(held=True)
    batcher = Batcher(graph.run, finish, Limits(batch=2))
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(batcher.submit, 0)
        assert graph.entered.acquire(timeout=30)
        rest = []
        for place, item in enumerate((1, "bad", 2), 1):
            rest.append(pool.submit(batcher.submit, item))
            until(lambda place=place: batcher.waiting == place)
        for _ in range(3):
            graph.let_go.release()
        assert first.result(30) == 0
        for failed in rest[:2]:
            with pytest.raises(ZeroDivisionError):
                failed.result(30)
        assert rest[2].result(30) == 4


def test_many_threads_get_their_own_answers():
    graph, sizes = Graph(), Sizes()
    batcher = Batcher(graph.run, finish, Limits(batch=8, runs=2), sizes)

    def client(number):
        return [batcher.submit(number * 1000 + i) for i in range(200)]

    with ThreadPoolExecutor(12) as pool:
        for number, answers in enumerate(pool.map(client, range(12))):
            assert answers == [2 * (number * 1000 + i) for i in range(200)]
    assert sum(sizes.seen) == 12 * 200
    assert max(sizes.seen) <= 8
    assert graph.most_at_once <= 2
    assert batcher.waiting == 0


@pytest.mark.parametrize("limits", [{"batch": 0}, {"queue": 0}, {"runs": 0}, {"wait": 0}])
def test_limits_are_checked(limits):
    with pytest.raises(ValueError, match=next(iter(limits))):
        Limits(**limits)
