from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.jobs.store import LEASE, JobItem, JobStore
from zooassist_serving.jobs.worker import BATCH, Jobs


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def store(url, clock):
    made = JobStore(url, clock)
    yield made
    made.close()


@pytest.fixture(scope="module")
def plane(tiny_folder):
    return DataPlane([tiny_folder], threads=1)


class Media:
    """Hands out one picture under every address, and remembers which were asked for."""

    def __init__(self, picture: bytes) -> None:
        self.picture, self.asked = picture, []

    def __call__(self, url):
        def fetch():
            self.asked.append(url)
            if "gone" in url:
                raise ItemFailed(url, "expected the file, got status 404", "upload it again")
            return self.picture

        return fetch


@pytest.fixture
def media(png):
    return Media(png("red"))


def items(count: int, gone: tuple[int, ...] = ()) -> list[JobItem]:
    return [
        JobItem(i, 100 + i, 0, f"https://media/{'gone' if i in gone else 'a'}-{i}.png")
        for i in range(count)
    ]


def test_a_job_from_beginning_to_end(store, plane, media):
    jobs = Jobs(store, plane, media)
    identity, new = jobs.add("tiny", "v", items(40, gone=(3,)), None)
    assert new
    job = store.job(identity)
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("queued", 40, 0, 0)
    assert jobs.run_one()
    job = store.job(identity)
    assert (job["state"], job["done"], job["failed"]) == ("done", 39, 1)
    rows = store.results(identity, 0, 1000)
    assert [row["subject_id"] for row in rows] == list(range(100, 140))
    assert "404" in rows[3]["error"]
    assert rows[4]["questions"]["bar"]["asked"] == pytest.approx(2 / 35)
    assert store.results(identity, 38, 1000) == rows[38:]
    assert not jobs.run_one(), "nothing is left"


def test_the_same_key_is_the_same_job(store, plane, media):
    jobs = Jobs(store, plane, media)
    first, new = jobs.add("tiny", "v", items(2), "mine")
    again, second = jobs.add("tiny", "v", items(3), "mine")
    other, third = jobs.add("tiny", "v", items(2), "yours")
    assert (first, new, second) == (again, True, False)
    assert other != first
    assert third
    assert store.job(first)["total"] == 2


def test_a_killed_process_leaves_the_rest_to_another(store, plane, media, clock, url):
    dying = Jobs(store, plane, media, holder="dying")
    identity, _ = dying.add("tiny", "v", items(3 * BATCH), None)
    assert store.claim("dying") == identity
    todo = store.waiting(identity, BATCH)
    assert store.settle(identity, "dying", [(each.position, row(each)) for each in todo])
    # Killed here. Another process looks at once, and again when the lease has run out.
    other_store = JobStore(url, clock)
    other = Jobs(other_store, plane, media, holder="other")
    assert not other.run_one(), "the lease still holds"
    clock.now += timedelta(seconds=LEASE + 1)
    assert other.run_one()
    other_store.close()
    assert store.job(identity)["state"] == "done"
    assert store.job(identity)["done"] == 3 * BATCH
    assert len(media.asked) == 2 * BATCH, "what was done is not done again"
    # And had it only been slow, nothing of its own would count any more.
    assert not store.settle(identity, "dying", ())
    store.finish(identity, "dying", "should not be written")
    assert store.job(identity)["state"] == "done"


def row(item: JobItem) -> dict:
    return {"subject_id": item.subject_id, "error": None}


def test_a_job_that_waits_is_cancelled_at_once(store, plane, media):
    jobs = Jobs(store, plane, media)
    identity, _ = jobs.add("tiny", "v", items(5), None)
    assert store.cancel(identity)["state"] == "cancelled"
    assert not jobs.run_one()
    assert media.asked == []
    assert store.cancel("no such job") is None


def test_a_running_job_is_cancelled_between_batches(store, plane, media):
    cancelling = []

    def fetch(url):
        if not cancelling:
            cancelling.append(store.cancel(identity)["state"])
        return media(url)

    jobs = Jobs(store, plane, fetch)
    identity, _ = jobs.add("tiny", "v", items(3 * BATCH), None)
    assert jobs.run_one()
    assert cancelling == ["cancelling"]
    job = store.job(identity)
    assert (job["state"], job["done"]) == ("cancelled", BATCH)
    assert len(store.results(identity, 0, 1000)) == BATCH


def test_a_server_that_ends_gives_its_job_back(store, plane, media):
    jobs = Jobs(store, plane, lambda url: (jobs._stop.set(), media(url))[1], holder="first")
    identity, _ = jobs.add("tiny", "v", items(2 * BATCH), None)
    assert jobs.run_one()
    assert store.job(identity)["done"] == BATCH
    assert store.job(identity)["state"] == "running"
    second = Jobs(store, plane, media, holder="second")
    assert second.run_one(), "without waiting for the lease"
    assert store.job(identity)["state"] == "done"


def test_a_model_that_is_gone_fails_the_job_with_the_reason(store, plane, media):
    jobs = Jobs(store, plane, media)
    identity, _ = jobs.add("other", "v", items(2), None)
    assert jobs.run_one()
    job = store.job(identity)
    assert job["state"] == "failed"
    assert "expected one of tiny" in job["error"]


def test_the_thread_does_what_is_added(store, plane, media):
    import time

    jobs = Jobs(store, plane, media, idle=0.01)
    jobs.start()
    try:
        identity, _ = jobs.add("tiny", "v", items(3), None)
        end = time.monotonic() + 30
        while store.job(identity)["state"] != "done":
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        jobs.stop()
    assert [job["id"] for job in store.latest(10)] == [identity]


def test_a_ledger_that_is_none():
    with pytest.raises(BadInput, match="expected a database URL"):
        JobStore("nonsense")
