"""Caesar: extracts, reductions, rules, and the query that pre-fills the classifier."""

from __future__ import annotations

from flask import Blueprint

from zooassist_plugin.sandbox.caesar import data_requests, graphql, reducers, workflows
from zooassist_plugin.sandbox.context import Sandbox


def blueprints(sandbox: Sandbox) -> list[Blueprint]:
    """Return every route of Caesar; they live at the root of the server."""
    return [
        workflows.blueprint(sandbox),
        reducers.blueprint(sandbox),
        data_requests.blueprint(sandbox),
        graphql.blueprint(sandbox),
    ]


def register_jobs(sandbox: Sandbox) -> None:
    """Register Caesar's background work."""
    sandbox.jobs.register(data_requests.JOB, data_requests.job(sandbox))
    sandbox.jobs.register("caesar.classification", lambda payload: None)
