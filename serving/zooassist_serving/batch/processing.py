"""What is done about one message? The same for a worker, a function, and a run without a queue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zooassist_plugin.errors import BadInput, Refused
from zooassist_serving.batch.committing import (
    Now,
    commit_part,
    commit_success,
    is_next_done,
    note_next_done,
    note_part,
    part_place,
    read_success,
)
from zooassist_serving.batch.config import BatchConfig, Route
from zooassist_serving.batch.events import Arrived, ForeignMessage, ShardOrder, read_message
from zooassist_serving.batch.expanding import Limits, is_single, rows_of_object
from zooassist_serving.batch.fetching import Fetching
from zooassist_serving.batch.jobs import Job, Plan
from zooassist_serving.batch.models import Models
from zooassist_serving.batch.next_steps.steps import take_next_steps
from zooassist_serving.batch.outcomes import Poison, Superseded
from zooassist_serving.batch.places import Seen
from zooassist_serving.batch.planning import make_plan, read_plan, rows_of_shard
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.shard_run import Predictor, predict_shard
from zooassist_serving.batch.stage_times import StageTimes
from zooassist_serving.batch.stores.store import Busy, ObjectProblem, Store

logger = logging.getLogger(__name__)

# Below so many failures a shard is no poison, whatever their share: a bad image is a bad row.
FEW_FAILURES = 10
GoOn = Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a message.

    Attributes
    ----------
    rows, failed : int
        Of the parts that this process wrote.
    shards : int
        Messages for shards that were sent.
    """

    rows: int = 0
    failed: int = 0
    shards: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.rows + other.rows, self.failed + other.failed, self.shards + other.shards
        )


@dataclass(frozen=True)
class Tools:
    """What the work is done with.

    Attributes
    ----------
    send : callable
        Puts messages into the queue.
    worker : str
        Name of this process, for reports.
    """

    config: BatchConfig
    store: Store
    models: Models
    fetching: Fetching
    send: Callable[[Sequence[str]], None]
    now: Now
    worker: str

    @property
    def limits(self) -> Limits:
        """What is not looked into."""
        return Limits(self.config.max_image_bytes, self.config.max_container_bytes)


def handle(body: str, tools: Tools, go_on: GoOn, attempt: int = 1) -> Outcome:
    """Do what a message asks for; done twice, it does nothing the second time.

    Parameters
    ----------
    go_on : callable
        Raises `Abandoned` where the message is no longer ours.
    attempt : int
        Which delivery this is, from 1.

    Raises
    ------
    Poison
        When no retry mends it.
    Superseded
        When the object was replaced meanwhile.
    Busy
        When a retry may mend it.
    Refused
        When nothing can be done at all: credentials, region, clock.
    """
    try:
        message = read_message(body)
    except ForeignMessage as error:
        raise Poison(str(error)) from error
    if message.shard is not None:
        return _planned_shard(message.shard, tools, go_on, attempt)
    outcome = Outcome()
    for arrived in message.arrived:
        outcome += _object(arrived, tools, go_on, attempt)
    return outcome


def _object(arrived: Arrived, tools: Tools, go_on: GoOn, attempt: int) -> Outcome:
    seen = _confirmed(arrived, tools.store)
    route = tools.config.route_for(seen.place)
    if route is None:
        logger.info("%s: no route takes it", seen.place.uri)
        return Outcome()
    predictor = tools.models.predictor(route.model, embedding=route.embedding)
    job = _job(seen, predictor, route)
    single = is_single(seen, predictor.card)
    plan, rows = (None if single else read_plan(tools.store, job)), None
    if plan is None:
        plan, rows = _planned(job, route, predictor, tools)
    if rows is None:
        return _send_shards(plan, tools, route)
    outcome = work_on(plan, 0, rows, route, predictor, tools, go_on)
    finish(plan, route, tools, again=attempt > 1 or not outcome.rows)
    return outcome


def _confirmed(arrived: Arrived, store: Store) -> Seen:
    """Return the object of an event: of the spelling of its key that exists, in its last state."""
    seen = arrived.seen
    if arrived.otherwise is None and seen.state and seen.version in ("", "null"):
        return seen
    looked = store.look(seen.place)
    if looked is None and arrived.otherwise is not None:
        looked = store.look(arrived.otherwise)
    if looked is None:
        return seen
    if looked.seen.place == seen.place and seen.version not in ("", looked.seen.version):
        raise Superseded(f"{seen.place.uri}: has a newer version, which has its own event")
    return looked.seen if not seen.etag or looked.seen.place != seen.place else seen


def _job(seen: Seen, predictor: Predictor, route: Route) -> Job:
    return Job(seen, predictor.card.name, predictor.card.version, route.output)


def _planned(
    job: Job, route: Route, predictor: Predictor, tools: Tools
) -> tuple[Plan, list[ShardRow] | None]:
    try:
        rows = rows_of_object(
            job.source, predictor.card, tools.store, tools.config.rules, tools.limits
        )
        return make_plan(tools.store, job, rows, route.shard_rows)
    except ObjectProblem as problem:
        if problem.trouble == "changed":
            raise Superseded(str(problem)) from problem
        raise Poison(str(problem)) from problem
    except BadInput as error:
        raise Poison(str(error)) from error


def _send_shards(plan: Plan, tools: Tools, route: Route) -> Outcome:
    """Ask for the shards whose parts are not there; at a second delivery most may be."""
    there = {seen.place.name for seen in tools.store.list(plan.job.folder.child("part-"))}
    missing = [shard for shard, part in enumerate(plan.parts) if part not in there]
    tools.send([ShardOrder(plan.job.source, shard).to_text() for shard in missing])
    logger.info(
        "%s: %d images in %d shards, %d to do",
        plan.job.source.place.uri,
        plan.rows,
        len(plan.shards),
        len(missing),
    )
    if not missing:
        finish(plan, route, tools, again=True)
    return Outcome(shards=len(missing))


def _planned_shard(order: ShardOrder, tools: Tools, go_on: GoOn, attempt: int) -> Outcome:
    route = tools.config.route_for(order.source.place)
    if route is None:
        raise Poison(f"{order.source.place.uri}: no route takes it any more; mend assist.toml")
    predictor = tools.models.predictor(route.model, embedding=route.embedding)
    plan = read_plan(tools.store, _job(order.source, predictor, route))
    if plan is None or order.shard >= len(plan.shards):
        raise Poison(
            f"{order.source.place.uri}: shard {order.shard} is in no plan under "
            f"{route.output.uri}; was the model or the output changed? Send the object again"
        )
    outcome = work_on(plan, order.shard, None, route, predictor, tools, go_on)
    finish(plan, route, tools, again=attempt > 1 or not outcome.rows)
    return outcome


def work_on(
    plan: Plan,
    shard: int,
    rows: Sequence[ShardRow] | None,
    route: Route,
    predictor: Predictor,
    tools: Tools,
    go_on: GoOn,
) -> Outcome:
    """Predict a shard and commit its part; a part that is there is left as it is.

    Parameters
    ----------
    rows : sequence of ShardRow, or None
        None: as they were planned.

    Raises
    ------
    Poison
        When more rows failed than the route's budget allows.
    """
    if tools.store.look(part_place(plan, shard)) is not None:
        return Outcome()
    times = StageTimes()
    if rows is None:
        rows = rows_of_shard(tools.store, plan, shard)
    predicted = predict_shard(rows, predictor, tools.fetching, times, go_on)
    if predicted.changed and len(rows) == 1:
        raise Superseded(f"{rows[0].name}: was replaced; the new one has its own event")
    if predicted.failed > max(FEW_FAILURES - 1, route.failure_budget * predicted.rows):
        worst, count = next(iter(predicted.causes.items()))
        raise Poison(
            f"{plan.job.source.place.uri} shard {shard}: {predicted.failed} of {predicted.rows} "
            f"images failed, the budget is {route.failure_budget:.0%}; {count} of them: {worst}"
        )
    go_on()
    with times.stage("write", 0):
        won = commit_part(tools.store, plan, shard, predicted)
    if not won:
        return Outcome()
    note_part(tools.store, plan, shard, predicted, times, tools.worker)
    return Outcome(predicted.rows, predicted.failed)


def finish(plan: Plan, route: Route, tools: Tools, *, again: bool) -> None:
    """Commit the job if all parts are there, and take its next step.

    The step is taken by whoever committed; or by whoever finds all done already, since the first
    may have died in between.

    Parameters
    ----------
    again : bool
        Whether the work was found done.

    Raises
    ------
    Busy, Poison
        When the step fails: for now, or for good.
    """
    won = commit_success(tools.store, plan, tools.now)
    if route.next.is_empty or not (won or again) or is_next_done(tools.store, plan.job):
        return
    success = read_success(tools.store, plan.job.folder)
    if success is None:
        return
    try:
        take_next_steps(success, plan.job, route, tools.store, tools.now)
    except Refused as error:
        # The predictions are there: another delivery tries the step alone.
        raise Busy(f"{plan.job.folder.uri}: next step: {error}") from error
    except BadInput as error:
        raise Poison(f"{plan.job.folder.uri}: next step: {error}") from error
    note_next_done(tools.store, plan.job, tools.now)
