"""When extracts changed: which reductions follow? One subject, one volunteer, or all of them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from zooassist_plugin.sandbox.caesar.filters import MissingGroupingField
from zooassist_plugin.sandbox.caesar.outbound import Breaker, Remote
from zooassist_plugin.sandbox.caesar.reduction import (
    Outcome,
    ReductionFailed,
    Result,
    reduce_extracts,
    split_answer,
)
from zooassist_plugin.sandbox.caesar.rendering import extract_json
from zooassist_plugin.sandbox.caesar.rule_checks import enqueue_checks
from zooassist_plugin.sandbox.caesar.tables import (
    CaesarSubject,
    CaesarWorkflow,
    Extract,
    Reducer,
    Reduction,
    SubjectReduction,
    UserReduction,
)
from zooassist_plugin.sandbox.context import Sandbox

log = logging.getLogger(__name__)

REDUCE_JOB = "caesar.reduce"
RERUN_JOB = "caesar.rerun_reducers"
# Subjects per transaction when everything is reduced again.
_CHUNK = 500


@dataclass(frozen=True)
class Topic:
    """What reductions are about: a table, its column, and the same column of extracts."""

    kind: str
    word: str
    table: type[SubjectReduction] | type[UserReduction]
    target: InstrumentedAttribute[int]
    of_extract: InstrumentedAttribute[Any]


SUBJECTS = Topic(
    "subject",
    "reduce_by_subject",
    SubjectReduction,
    SubjectReduction.subject_id,
    Extract.subject_id,
)
USERS = Topic("user", "reduce_by_user", UserReduction, UserReduction.user_id, Extract.user_id)


@dataclass(frozen=True)
class _Work:
    """Everything needed to reduce some targets, read in one transaction."""

    workflow: CaesarWorkflow
    reducers: list[Reducer]
    extracts: dict[int, list[Extract]]
    stored: dict[tuple[int, str], dict[str, Reduction]]
    training: dict[int, bool]


Results = dict[tuple[int, str], list[Result]]


def _stored(
    session: Session, topic: Topic, workflow_id: int, targets: Sequence[int]
) -> dict[tuple[int, str], dict[str, Reduction]]:
    rows = session.scalars(
        select(topic.table).where(topic.table.workflow_id == workflow_id, topic.target.in_(targets))
    )
    found: dict[tuple[int, str], dict[str, Reduction]] = defaultdict(dict)
    for row in rows:
        found[(getattr(row, topic.target.key), row.reducer_key)][row.subgroup] = row
    return found


def _training(session: Session, subject_ids: Sequence[int]) -> dict[int, bool]:
    rows = session.execute(
        select(CaesarSubject.id, CaesarSubject.metadata_).where(CaesarSubject.id.in_(subject_ids))
    )
    return {
        number: str((metadata or {}).get("#training_subject", "")).lower() == "true"
        for number, metadata in rows
    }


def _read(session: Session, topic: Topic, workflow_id: int, targets: Sequence[int]) -> _Work | None:
    """Read what reducing `targets` needs; None when there is nothing to do."""
    workflow = session.get(CaesarWorkflow, workflow_id)
    reducers = list(
        session.scalars(
            select(Reducer)
            .where(Reducer.workflow_id == workflow_id, Reducer.topic == topic.word)
            .order_by(Reducer.id)
        )
    )
    if workflow is None or not reducers or not targets:
        return None
    extracts: dict[int, list[Extract]] = {target: [] for target in targets}
    for extract in session.scalars(
        select(Extract)
        .where(Extract.workflow_id == workflow_id, topic.of_extract.in_(targets))
        .order_by(Extract.classification_at, Extract.id)
    ):
        extracts[getattr(extract, topic.of_extract.key)].append(extract)
    training: dict[int, bool] = {}
    if any("training_behavior" in reducer.filters for reducer in reducers):
        subjects = {one.subject_id for found in extracts.values() for one in found}
        training = _training(session, sorted(subjects))
    return _Work(
        workflow, reducers, extracts, _stored(session, topic, workflow_id, targets), training
    )


def _write(
    session: Session, topic: Topic, workflow: CaesarWorkflow, results: Results, now: datetime
) -> None:
    """Insert new reductions and update changed ones; what is as before stays untouched."""
    targets = sorted({target for target, _key in results})
    stored = _stored(session, topic, workflow.id, targets)
    inserts: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    for (target, key), found in results.items():
        for result in found:
            values = {
                "data": result.data,
                "store": result.store,
                "extract_ids": list(result.extract_ids),
                "updated_at": now,
            }
            known = stored.get((target, key), {}).get(result.subgroup)
            if known is None:
                identity = {topic.target.key: target, "reducer_key": key}
                owner = {"workflow_id": workflow.id, "project_id": workflow.project_id}
                place = {"subgroup": result.subgroup, "lock_version": 0, "created_at": now}
                inserts.append({**identity, **owner, **place, **values})
            elif (known.data, known.store, known.extract_ids) != (
                values["data"],
                values["store"],
                values["extract_ids"],
            ):
                updates.append({"id": known.id, "lock_version": known.lock_version + 1, **values})
    if inserts:
        session.execute(insert(topic.table), inserts)
    if updates:
        session.execute(update(topic.table), updates)


class Reducing:
    """The reduce jobs of one sandbox."""

    def __init__(self, sandbox: Sandbox, remote: Remote, breaker: Breaker) -> None:
        self._sandbox, self._remote, self._breaker = sandbox, remote, breaker

    def _ask(self, reducer: Reducer, extracts: Sequence[Extract], before: Outcome) -> Outcome:
        listed = [extract_json(extract) for extract in extracts]
        running = reducer.reduction_mode == "running_reduction"
        payload = {"extracts": listed, "store": before.store} if running else listed
        with self._breaker.guard(f"reducer-{reducer.id}"):
            return split_answer(self._remote.ask(reducer.config.get("url"), payload))

    def _reduce(self, work: _Work, target: int, reducers: Sequence[Reducer]) -> Results:
        results: Results = {}
        for reducer in reducers:
            stored = work.stored.get((target, reducer.key), {})
            results[(target, reducer.key)] = reduce_extracts(
                reducer, work.extracts[target], stored, work.training, self._ask
            )
        return results

    def _reduce_one(self, topic: Topic, workflow_id: int, target: int) -> None:
        with self._sandbox.store.session() as session:
            work = _read(session, topic, workflow_id, [target])
        # No transaction is open here: an external reducer may take its time, or call us back.
        results = self._reduce(work, target, work.reducers) if work else {}
        with self._sandbox.store.session() as session:
            if work:
                _write(session, topic, work.workflow, results, self._sandbox.config.clock())
            enqueue_checks(self._sandbox, session, workflow_id, topic.kind, [target])

    def reduce(self, payload: dict[str, Any]) -> None:
        """Job: reduce one subject, and the volunteer who classified it."""
        workflow_id = payload["workflow_id"]
        if payload.get("subject_id") is not None:
            self._reduce_one(SUBJECTS, workflow_id, payload["subject_id"])
        if payload.get("user_id") is not None:
            self._reduce_one(USERS, workflow_id, payload["user_id"])

    def rerun(self, payload: dict[str, Any]) -> None:
        """Job: reduce every subject and every volunteer of a workflow again, in bulk."""
        for topic in (SUBJECTS, USERS):
            for targets in self._targets(topic, payload["workflow_id"]):
                self._rerun_some(topic, payload["workflow_id"], targets)

    def _targets(self, topic: Topic, workflow_id: int) -> Iterator[list[int]]:
        last = -1
        while True:
            with self._sandbox.store.session() as session:
                targets = list(
                    session.scalars(
                        select(topic.of_extract)
                        .where(Extract.workflow_id == workflow_id, topic.of_extract > last)
                        .distinct()
                        .order_by(topic.of_extract)
                        .limit(_CHUNK)
                    )
                )
            if not targets:
                return
            yield targets
            last = targets[-1]

    def _rerun_some(self, topic: Topic, workflow_id: int, targets: Sequence[int]) -> None:
        with self._sandbox.store.session() as session:
            work = _read(session, topic, workflow_id, targets)
        if work is None:
            return
        local = [reducer for reducer in work.reducers if reducer.type != "external"]
        # External reducers get a job per target, so that each is retried on its own.
        alone = list(targets) if len(local) < len(work.reducers) else []
        results: Results = {}
        for target in targets:
            try:
                results.update(self._reduce(work, target, local))
            except (ReductionFailed, MissingGroupingField) as error:
                log.warning("%s %s of workflow %s: %s", topic.kind, target, workflow_id, error)
                if target not in alone:
                    alone.append(target)  # fails again by itself, and is recorded there
        with self._sandbox.store.session() as session:
            _write(session, topic, work.workflow, results, self._sandbox.config.clock())
            enqueue_checks(self._sandbox, session, workflow_id, topic.kind, targets)
            for target in alone:
                self._sandbox.jobs.enqueue(
                    session, REDUCE_JOB, {"workflow_id": workflow_id, f"{topic.kind}_id": target}
                )
