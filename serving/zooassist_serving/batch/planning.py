"""How is an object divided into shards? Row by row, however many; who plans first decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from zooassist_serving.batch.jobs import PLAN, Distinct, Job, Plan, PlannedShard, planned
from zooassist_serving.batch.outcomes import Poison
from zooassist_serving.batch.places import Seen
from zooassist_serving.batch.shard_rows import ShardRow, read_rows, write_rows
from zooassist_serving.batch.stores.store import Store

# The rows of 5,000 images, or a list of all shards.
MAX_PLAN_BYTES = 2**30


def read_plan(store: Store, job: Job) -> Plan | None:
    """Return the plan of a job; None when it has none (yet, or because it has one shard)."""
    place = job.folder.child(PLAN)
    if store.look(place) is None:
        return None
    return Plan.from_bytes(store.read(Seen(place), MAX_PLAN_BYTES), job)


def make_plan(
    store: Store, job: Job, rows: Iterable[ShardRow], shard_rows: int
) -> tuple[Plan, list[ShardRow] | None]:
    """Divide the rows of a job and keep the plan; of one shard it is not kept.

    Returns
    -------
    plan : Plan
        Ours, or that of a worker who was first.
    rows : list of ShardRow, or None
        Of the only shard.

    Raises
    ------
    Poison
        When there are no rows.
    """
    distinct = Distinct()
    runs = _runs(distinct.rows(rows), shard_rows)
    first = next(runs, None)
    if first is None:
        raise Poison(f"{job.source.place.uri}: expected images, got none; give it some")
    second = next(runs, None)
    if second is None:
        return Plan(job, (planned(first),), distinct.duplicates), first
    shards: list[PlannedShard] = []
    for run in chain((first, second), runs):
        shards.append(planned(run))
        place = Plan(job, tuple(shards)).shard_place(len(shards) - 1)
        # Its name says what it holds: there already means the same.
        store.put_new(place, write_rows(run), {})
    plan = Plan(job, tuple(shards), distinct.duplicates)
    if store.put_new(job.folder.child(PLAN), plan.to_bytes(), {}):
        return plan, None
    return read_plan(store, job) or plan, None


def rows_of_shard(store: Store, plan: Plan, shard: int) -> list[ShardRow]:
    """Read the rows of a planned shard."""
    return read_rows(store.read(Seen(plan.shard_place(shard)), MAX_PLAN_BYTES))


def _runs(rows: Iterator[ShardRow], size: int) -> Iterator[list[ShardRow]]:
    while run := list(islice(rows, size)):
        yield run
