from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import select

from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.jobs import Job
from zooassist_plugin.sandbox.table_base import Base


@pytest.fixture
def sandbox(state, clock, database):
    options = {"database_url": database} if database else {}
    opened = Sandbox.open(SandboxConfig(state, "http://sandbox.test", clock=clock, **options))
    opened.store.create_tables(Base)
    yield opened
    opened.store.close()


def enqueue(sandbox, name, payload=None, delay=0.0):
    with sandbox.store.session() as session:
        sandbox.jobs.enqueue(session, name, payload or {}, delay)


def jobs(sandbox):
    with sandbox.store.session() as session:
        return list(session.scalars(select(Job).order_by(Job.id)))


def test_due_jobs_run_in_order_and_once(sandbox, clock):
    seen = []
    sandbox.jobs.register("note", lambda payload: seen.append(payload["n"]))
    enqueue(sandbox, "note", {"n": 1}, delay=10)
    enqueue(sandbox, "note", {"n": 2})
    assert sandbox.jobs.drain() == 1
    clock.forward(seconds=10)
    assert sandbox.jobs.drain() == 1
    assert sandbox.jobs.drain() == 0
    assert seen == [2, 1]


def test_failures_are_retried_later_and_later_then_dead(sandbox, clock):
    moments = []

    def fail(_payload):
        moments.append(clock())
        raise ValueError("planted")

    sandbox.jobs.register("fail", fail, tries=3)
    enqueue(sandbox, "fail")
    for _ in range(1000):
        sandbox.jobs.drain()
        clock.forward(seconds=1)
    waited = [(b - a).total_seconds() for a, b in pairwise(moments)]
    assert waited == [16, 271]  # count^8 + 15
    (job,) = jobs(sandbox)
    assert (job.state, job.attempts, job.error) == ("dead", 3, "ValueError: planted")


def test_the_last_failure_is_told_once_in_the_transaction_that_gives_up(sandbox, clock):
    told = []

    def fail(_payload):
        raise ValueError("planted")

    def note(session, payload):
        told.append((payload, session.scalar(select(Job.state))))

    sandbox.jobs.register("fail", fail, tries=2, when_dead=note)
    enqueue(sandbox, "fail", {"n": 1})
    sandbox.jobs.drain()
    assert told == []
    clock.forward(seconds=16)
    sandbox.jobs.drain()
    assert told == [({"n": 1}, "dead")]


def test_a_job_exists_only_if_its_transaction_commits(sandbox):
    sandbox.jobs.register("note", lambda payload: None)
    with sandbox.store.session() as session:
        sandbox.jobs.enqueue(session, "note", {})
        session.rollback()
    assert jobs(sandbox) == []


def test_unknown_names_are_refused_and_old_ones_fail(sandbox, clock):
    with pytest.raises(KeyError, match="no job named 'nothing'"):
        enqueue(sandbox, "nothing")
    with sandbox.store.session() as session:
        session.add(Job(name="of an older version", payload={}, run_at=clock()))
    sandbox.jobs.drain()
    (job,) = jobs(sandbox)
    assert job.state == "dead"
    sandbox.jobs.register("twice", print)
    with pytest.raises(ValueError, match="already registered"):
        sandbox.jobs.register("twice", print)


def test_what_a_killed_process_left_running_runs_again(sandbox, clock):
    seen = []
    sandbox.jobs.register("note", lambda payload: seen.append(1))
    with sandbox.store.session() as session:
        session.add(Job(name="note", payload={}, run_at=clock(), state="running"))
    assert sandbox.jobs.drain() == 0
    sandbox.jobs.start()
    sandbox.jobs.stop()
    sandbox.jobs.drain()
    assert seen == [1]
