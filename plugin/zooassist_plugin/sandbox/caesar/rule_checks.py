"""When reductions changed: which rules match, and which effects are due?"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.caesar.expressions import (
    Bindings,
    Condition,
    ConditionFailed,
    compile_condition,
    truthy,
)
from zooassist_plugin.sandbox.caesar.tables import (
    CaesarSubject,
    CaesarWorkflow,
    Rule,
    RuleAction,
    RuleEffect,
    SubjectReduction,
    UserReduction,
)
from zooassist_plugin.sandbox.context import Sandbox

log = logging.getLogger(__name__)

JOB = "caesar.check_rules"
EFFECT_JOB = "caesar.effect"


@dataclass(frozen=True)
class _Compiled:
    rule: Rule
    condition: Condition
    effects: list[RuleEffect]


def _rules(session: Session, workflow_id: int, kind: str) -> list[Rule]:
    """Return a workflow's rules in order; a rule with an empty condition never matches."""
    found = session.scalars(
        select(Rule)
        .where(Rule.workflow_id == workflow_id, Rule.kind == kind)
        .order_by(Rule.row_order, Rule.id)
    )
    return [rule for rule in found if rule.condition]


def enqueue_checks(
    sandbox: Sandbox, session: Session, workflow_id: int, kind: str, targets: Sequence[int]
) -> None:
    """Order a check of `targets` if the workflow has rules of this kind and applies them."""
    workflow = session.get(CaesarWorkflow, workflow_id)
    if workflow is None or workflow.rules_applied == "no_rules" or not targets:
        return
    if _rules(session, workflow_id, kind):
        payload = {"workflow_id": workflow_id, "kind": kind, "target_ids": list(targets)}
        sandbox.jobs.enqueue(session, JOB, payload)


def _compiled(session: Session, workflow_id: int, kind: str) -> list[_Compiled]:
    rules = _rules(session, workflow_id, kind)
    effects: dict[int, list[RuleEffect]] = defaultdict(list)
    for effect in session.scalars(
        select(RuleEffect)
        .where(RuleEffect.rule_id.in_([rule.id for rule in rules]))
        .order_by(RuleEffect.id)
    ):
        effects[effect.rule_id].append(effect)
    return [_Compiled(rule, compile_condition(rule.condition), effects[rule.id]) for rule in rules]


def _subject_bindings(
    session: Session, workflow_id: int, targets: Sequence[int]
) -> dict[int, Bindings]:
    tables: dict[int, dict[str, Any]] = {target: {} for target in targets}
    rows = session.scalars(
        select(SubjectReduction)
        .where(
            SubjectReduction.workflow_id == workflow_id, SubjectReduction.subject_id.in_(targets)
        )
        .order_by(SubjectReduction.id)
    )
    for row in rows:
        tables[row.subject_id][row.reducer_key] = row.data
    for subject in session.scalars(select(CaesarSubject).where(CaesarSubject.id.in_(targets))):
        known = {**(subject.metadata_ or {}), "zooniverse_subject_id": subject.id}
        tables[subject.id]["subject"] = known
    return {target: Bindings(table) for target, table in tables.items()}


def _user_bindings(
    session: Session, workflow_id: int, targets: Sequence[int]
) -> dict[int, Bindings]:
    tables: dict[int, dict[str, Any]] = {target: {} for target in targets}
    rows = session.scalars(
        select(UserReduction)
        .where(UserReduction.workflow_id == workflow_id, UserReduction.user_id.in_(targets))
        .order_by(UserReduction.id)
    )
    for row in rows:
        tables[row.user_id][row.reducer_key] = row.data
    return {target: Bindings(table) for target, table in tables.items()}


_BINDINGS = {"subject": _subject_bindings, "user": _user_bindings}


def _matching(rules: Sequence[_Compiled], bindings: Bindings, first_only: bool) -> list[_Compiled]:
    matching = []
    for rule in rules:
        if truthy(rule.condition(bindings)):
            matching.append(rule)
            if first_only:
                break
    return matching


class RuleChecks:
    """The check jobs of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def check(self, payload: dict[str, Any]) -> None:
        """Job: check the rules for some subjects or volunteers, and order the effects due."""
        kind, targets = payload["kind"], payload["target_ids"]
        with self._sandbox.store.session() as session:
            workflow = session.get(CaesarWorkflow, payload["workflow_id"])
            if workflow is None or workflow.rules_applied == "no_rules":
                return
            rules = _compiled(session, workflow.id, kind)
            first_only = workflow.rules_applied == "first_matching_rule"
            for target, bindings in _BINDINGS[kind](session, workflow.id, targets).items():
                try:
                    matching = _matching(rules, bindings, first_only)
                except ConditionFailed as error:
                    if len(targets) == 1:
                        raise
                    log.warning("%s %s of workflow %s: %s", kind, target, workflow.id, error)
                    # Alone it fails again, and is retried and recorded there.
                    self._sandbox.jobs.enqueue(session, JOB, {**payload, "target_ids": [target]})
                    continue
                self._order(session, workflow.id, kind, target, matching)

    def _order(
        self, session: Session, workflow_id: int, kind: str, target: int, matching: list[_Compiled]
    ) -> None:
        now = self._sandbox.config.clock()
        for rule in matching:
            for effect in rule.effects:
                action = RuleAction(
                    kind=kind,
                    workflow_id=workflow_id,
                    rule_id=rule.rule.id,
                    target_id=target,
                    effect_type=effect.action,
                    config=effect.config,
                    created_at=now,
                    updated_at=now,
                )
                session.add(action)
                session.flush()
                self._sandbox.jobs.enqueue(session, EFFECT_JOB, {"action_id": action.id})
