"""How is a folder, prefix or manifest predicted without a queue? Shard by shard, resumable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from zooassist_plugin.errors import BadInput
from zooassist_plugin.progress import Show
from zooassist_serving.batch.committing import Success, read_success
from zooassist_serving.batch.config import Route
from zooassist_serving.batch.jobs import Job, Plan
from zooassist_serving.batch.listings import rows_of_source, seen_source
from zooassist_serving.batch.planning import make_plan, read_plan
from zooassist_serving.batch.processing import Outcome, Tools, finish, work_on
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.shard_run import Predictor
from zooassist_serving.batch.stores.store import Busy

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Share:
    """Which shards of a job this process does: one of `size` with this remainder.

    An AWS Batch array job of as many children as there are shards does one each.
    """

    index: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.size:
            raise BadInput(
                f"array: expected an index from 0 to {self.size - 1}, got {self.index}; give "
                "--array-index and --array-size together"
            )

    def of(self, plan: Plan) -> list[int]:
        """Return the numbers of the shards."""
        return list(range(self.index, len(plan.shards), self.size))


@dataclass(frozen=True)
class Run:
    """A job that is planned and may be worked on.

    Attributes
    ----------
    rows : list of ShardRow, or None
        Of the only shard.
    """

    plan: Plan
    rows: list[ShardRow] | None
    route: Route
    predictor: Predictor


@dataclass(frozen=True)
class RunOutcome:
    """What came of a run.

    Attributes
    ----------
    success : Success or None
        None when parts are missing: of shards that failed, or that others still work on.
    rows : int
        That this run predicted.
    failures : tuple of str
        Shards that failed, and why.
    """

    success: Success | None
    rows: int
    failures: tuple[str, ...]


def plan_run(route: Route, tools: Tools) -> Run:
    """Divide what the route is from into shards; an earlier run's plan is taken up.

    Raises
    ------
    BadInput
        When nothing is there.
    """
    predictor = tools.models.predictor(route.model, embedding=route.embedding)
    source = seen_source(route.source, tools.store)
    job = Job(source, predictor.card.name, predictor.card.version, route.output)
    plan, rows = read_plan(tools.store, job), None
    if plan is None:
        found = rows_of_source(
            source, predictor.card, tools.store, tools.config.rules, tools.limits
        )
        plan, rows = make_plan(tools.store, job, found, route.shard_rows)
    return Run(plan, rows, route, predictor)


def run_shards(
    run: Run,
    tools: Tools,
    shards: Iterable[int],
    show: Show,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[int, tuple[str, ...]]:
    """Work on shards, some beside each other; return rows, and what failed."""
    todo = list(shards)
    done = rows = 0
    failures: list[str] = []
    with ThreadPoolExecutor(tools.config.slots, thread_name_prefix="slot") as slots:
        running = [slots.submit(run_shard, run, tools, shard, sleep) for shard in todo]
        try:
            for shard, each in zip(todo, running, strict=True):
                try:
                    rows += each.result().rows
                except (BadInput, Busy) as error:
                    # One shard; whatever concerns all of them is no `BadInput`.
                    failures.append(str(error))
                done += run.plan.shards[shard].rows
                show("predict", done, sum(run.plan.shards[each].rows for each in todo))
        except BaseException:
            slots.shutdown(cancel_futures=True)
            raise
    return rows, tuple(failures)


def run_shard(
    run: Run, tools: Tools, shard: int, sleep: Callable[[float], None] = time.sleep
) -> Outcome:
    """Work on one shard; a store that is busy is asked again, as a queue would do.

    Raises
    ------
    Poison, Busy
    """
    attempts = tools.config.attempts
    for attempt in range(attempts):
        try:
            return work_on(
                run.plan, shard, run.rows, run.route, run.predictor, tools, go_on=_for_ever
            )
        except Busy as error:
            if attempt == attempts - 1:
                raise
            logger.warning("%s", error)
            sleep(2.0**attempt)
    raise AssertionError("not reached")


def finish_run(run: Run, tools: Tools) -> Success | None:
    """Commit the job if all its parts are there; return what was committed.

    Raises
    ------
    BadInput, Refused
        When the next step fails.
    """
    finish(run.plan, run.route, tools, again=True)
    return read_success(tools.store, run.plan.job.folder)


def failed_rows(success: Success, tools: Tools) -> Iterable[str]:
    """Yield one line for every row that failed."""
    from zooassist_serving.batch.results import parts_of

    for table in parts_of(tools.store, success):
        for name, error in zip(
            table.column("image").to_pylist(), table.column("error").to_pylist(), strict=True
        ):
            if error is not None:
                yield error if str(error).startswith(f"{name}:") else f"{name}: {error}"


def _for_ever() -> None:
    """Nobody takes the work of a run without a queue away."""
