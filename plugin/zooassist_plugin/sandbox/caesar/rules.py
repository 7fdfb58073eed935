"""Which rules and effects does a workflow have? ``/workflows/:id/subject_rules`` and user rules.

Both kinds answer alike; only the words in addresses and bodies differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy import delete, func, select

from zooassist_plugin.sandbox.caesar.access import Call, open_call
from zooassist_plugin.sandbox.caesar.answers import (
    ID,
    body_object,
    new_blueprint,
    no_content,
    required_part,
    row_json,
)
from zooassist_plugin.sandbox.caesar.effects import CHECKS
from zooassist_plugin.sandbox.caesar.expressions import InvalidCondition, compile_condition
from zooassist_plugin.sandbox.caesar.tables import Rule, RuleEffect
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json


def _condition(part: Mapping[str, Any]) -> list[Any]:
    """Read the condition; it comes as text. An empty one is accepted and never matches."""
    told = part.get("condition_string", part.get("condition"))
    if isinstance(told, str):
        try:
            told = parse_json(told)
        except ValueError as error:
            raise ApiError(422, f"condition_string is not JSON: {error}") from None
    if not isinstance(told, list):
        raise ApiError(422, f"condition_string must hold a JSON list; got {told!r:.80}")
    if told:
        try:
            compile_condition(told)
        except InvalidCondition as error:
            raise ApiError(422, f"Condition {error}") from None
    return told


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {**row_json(rule), "topic": f"evaluate_by_{rule.kind}"}


def _effect_json(kind: str, effect: RuleEffect) -> dict[str, Any]:
    plain = row_json(effect)
    plain[f"{kind}_rule_id"] = plain.pop("rule_id")
    return plain


def _find_rule(call: Call, workflow_id: int, kind: str, rule_id: int) -> Rule:
    call.workflow(workflow_id)
    found = call.session.get(Rule, rule_id)
    if found is None or (found.workflow_id, found.kind) != (workflow_id, kind):
        raise ApiError(404, f"Couldn't find {kind.capitalize()}Rule with 'id'={rule_id}")
    return found


def _find_effect(call: Call, rule: Rule, effect_id: int) -> RuleEffect:
    found = call.session.get(RuleEffect, effect_id)
    if found is None or found.rule_id != rule.id:
        raise ApiError(
            404, f"Couldn't find {rule.kind.capitalize()}RuleEffect with 'id'={effect_id}"
        )
    return found


def _action(call: Call, kind: str, part: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the checked action word and configuration of an effect."""
    action, config = part.get("action"), part.get("config") or {}
    if action not in CHECKS[kind]:
        allowed = ", ".join(CHECKS[kind])
        raise ApiError(422, f"{action!r} is not a valid action; expected one of {allowed}")
    if not isinstance(config, dict):
        raise ApiError(422, f"config must be an object; got {config!r:.80}")
    CHECKS[kind][str(action)](call, config)
    return str(action), config


def _add_rule_routes(routes: Blueprint, sandbox: Sandbox, kind: str) -> None:
    name = f"{kind}_rule"
    path = f"/workflows/<{ID}:workflow_id>/{name}s"

    @routes.get(path, endpoint=f"{name}_index")
    def index(workflow_id: int) -> Response:
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            query = select(Rule).where(Rule.workflow_id == workflow_id, Rule.kind == kind)
            found = call.session.scalars(query.order_by(Rule.row_order, Rule.id))
            return jsonify([_rule_json(rule) for rule in found])

    @routes.post(path, endpoint=f"{name}_create")
    def create(workflow_id: int) -> Response:
        part = required_part(body_object(), name)
        with open_call(sandbox) as call:
            call.workflow(workflow_id)
            count = call.session.scalar(
                select(func.count()).where(Rule.workflow_id == workflow_id, Rule.kind == kind)
            )
            rule = Rule(
                workflow_id=workflow_id,
                kind=kind,
                condition=_condition(part),
                row_order=count or 0,
                created_at=call.now,
                updated_at=call.now,
            )
            call.session.add(rule)
            call.session.flush()
            return jsonify(_rule_json(rule))

    @routes.get(f"{path}/<{ID}:rule_id>", endpoint=f"{name}_show")
    def show(workflow_id: int, rule_id: int) -> Response:
        with open_call(sandbox) as call:
            return jsonify(_rule_json(_find_rule(call, workflow_id, kind, rule_id)))

    @routes.put(f"{path}/<{ID}:rule_id>", endpoint=f"{name}_update")
    def update(workflow_id: int, rule_id: int) -> Response:
        part = required_part(body_object(), name)
        with open_call(sandbox) as call:
            rule = _find_rule(call, workflow_id, kind, rule_id)
            rule.condition, rule.updated_at = _condition(part), call.now
            return jsonify(_rule_json(rule))

    @routes.delete(f"{path}/<{ID}:rule_id>", endpoint=f"{name}_delete")
    def remove(workflow_id: int, rule_id: int) -> Response:
        with open_call(sandbox) as call:
            rule = _find_rule(call, workflow_id, kind, rule_id)
            call.session.execute(delete(RuleEffect).where(RuleEffect.rule_id == rule.id))
            call.session.delete(rule)
            return no_content()


def _add_effect_routes(routes: Blueprint, sandbox: Sandbox, kind: str) -> None:
    name = f"{kind}_rule_effect"
    path = f"/workflows/<{ID}:workflow_id>/{kind}_rules/<{ID}:rule_id>/{name}s"

    @routes.get(path, endpoint=f"{name}_index")
    def index(workflow_id: int, rule_id: int) -> Response:
        with open_call(sandbox) as call:
            rule = _find_rule(call, workflow_id, kind, rule_id)
            found = call.session.scalars(
                select(RuleEffect).where(RuleEffect.rule_id == rule.id).order_by(RuleEffect.id)
            )
            return jsonify([_effect_json(kind, effect) for effect in found])

    @routes.post(path, endpoint=f"{name}_create")
    def create(workflow_id: int, rule_id: int) -> Response:
        part = required_part(body_object(), name)
        with open_call(sandbox) as call:
            rule = _find_rule(call, workflow_id, kind, rule_id)
            action, config = _action(call, kind, part)
            effect = RuleEffect(
                rule_id=rule.id,
                action=action,
                config=config,
                created_at=call.now,
                updated_at=call.now,
            )
            call.session.add(effect)
            call.session.flush()
            answer = jsonify(_effect_json(kind, effect))
            answer.status_code = 201
            return answer

    @routes.get(f"{path}/<{ID}:effect_id>", endpoint=f"{name}_show")
    def show(workflow_id: int, rule_id: int, effect_id: int) -> Response:
        with open_call(sandbox) as call:
            rule = _find_rule(call, workflow_id, kind, rule_id)
            return jsonify(_effect_json(kind, _find_effect(call, rule, effect_id)))

    @routes.put(f"{path}/<{ID}:effect_id>", endpoint=f"{name}_update")
    def update(workflow_id: int, rule_id: int, effect_id: int) -> Response:
        part = required_part(body_object(), name)
        with open_call(sandbox) as call:
            effect = _find_effect(call, _find_rule(call, workflow_id, kind, rule_id), effect_id)
            before = {"action": effect.action, "config": effect.config}
            effect.action, effect.config = _action(call, kind, {**before, **part})
            effect.updated_at = call.now
            return no_content()

    @routes.delete(f"{path}/<{ID}:effect_id>", endpoint=f"{name}_delete")
    def remove(workflow_id: int, rule_id: int, effect_id: int) -> Response:
        with open_call(sandbox) as call:
            rule = _find_rule(call, workflow_id, kind, rule_id)
            call.session.delete(_find_effect(call, rule, effect_id))
            return no_content()


def blueprint(sandbox: Sandbox) -> Blueprint:
    """Build the routes of both kinds."""
    routes = new_blueprint("rules")
    for kind in CHECKS:
        _add_rule_routes(routes, sandbox, kind)
        _add_effect_routes(routes, sandbox, kind)
    return routes
