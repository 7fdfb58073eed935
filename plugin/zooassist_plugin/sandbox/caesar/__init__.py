"""Caesar: extracts, reductions, rules, and the query that pre-fills the classifier.

A classification (or an import) leads to extracts, extracts to reductions, reductions to checks of
the rules, and rules to effects: each step is a background job that orders the next one.

Where it differs from the real one, on purpose:

- external addresses may be plain http on this machine; elsewhere https only;
- reducers ``rectangle`` and ``sqs``, relevant reductions, reducers of whole projects and
  collections are refused (422): they need services that are not here;
- the circuit breaker counts calls to other services only, not failures of our own reducers;
- a rerun starts at once and is not spread over minutes;
- classifications made before Caesar knew the workflow are not fetched by themselves: set
  ``{"workflow": {"rerun": "extractors"}}``.
"""

from __future__ import annotations

from flask import Blueprint

from zooassist_plugin.sandbox.caesar import (
    data_requests,
    extracting,
    extractors,
    graphql,
    imports,
    reducers,
    reducing,
    reductions,
    rule_checks,
    rules,
    workflows,
)
from zooassist_plugin.sandbox.caesar.effects import Effects
from zooassist_plugin.sandbox.caesar.outbound import Breaker, Remote
from zooassist_plugin.sandbox.context import Sandbox

# Sidekiq's default number of tries, which Caesar keeps for effects.
_EFFECT_TRIES = 25


def blueprints(sandbox: Sandbox) -> list[Blueprint]:
    """Return every route of Caesar; they live at the root of the server."""
    return [
        workflows.blueprint(sandbox),
        extractors.blueprint(sandbox),
        reducers.blueprint(sandbox),
        rules.blueprint(sandbox),
        imports.blueprint(sandbox),
        reductions.blueprint(sandbox),
        data_requests.blueprint(sandbox),
        graphql.blueprint(sandbox),
    ]


def register_jobs(sandbox: Sandbox) -> None:
    """Register Caesar's background work."""
    remote, breaker = Remote(sandbox.config.callback_timeout), Breaker(sandbox.config.clock)
    extract = extracting.Extracting(sandbox, remote, breaker)
    reduce = reducing.Reducing(sandbox, remote, breaker)
    jobs = sandbox.jobs
    jobs.register(extracting.CLASSIFICATION_JOB, extract.classification)
    jobs.register(extracting.RERUN_JOB, extract.rerun)
    jobs.register(reducing.REDUCE_JOB, reduce.reduce)
    jobs.register(reducing.RERUN_JOB, reduce.rerun)
    jobs.register(rule_checks.JOB, rule_checks.RuleChecks(sandbox).check)
    jobs.register(rule_checks.EFFECT_JOB, Effects(sandbox, remote, breaker).perform, _EFFECT_TRIES)
    jobs.register(imports.JOB, imports.Imports(sandbox).run, imports.TRIES)
    jobs.register(data_requests.JOB, data_requests.job(sandbox))
