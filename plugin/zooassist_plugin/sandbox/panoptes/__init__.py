"""Panoptes: the REST API under /api, sign-in, OAuth and media, one file per question."""

from __future__ import annotations

from flask import Blueprint

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.media import media_blueprint
from zooassist_plugin.sandbox.panoptes.oauth import oauth_blueprint
from zooassist_plugin.sandbox.panoptes.projects import PROJECTS
from zooassist_plugin.sandbox.panoptes.resource import Registry, resource_blueprint
from zooassist_plugin.sandbox.panoptes.set_member_subjects import SET_MEMBER_SUBJECTS
from zooassist_plugin.sandbox.panoptes.signin import signin_blueprint
from zooassist_plugin.sandbox.panoptes.subject_sets import SUBJECT_SETS
from zooassist_plugin.sandbox.panoptes.subjects import SUBJECTS
from zooassist_plugin.sandbox.panoptes.users import USERS, me_blueprint
from zooassist_plugin.sandbox.panoptes.workflow_versions import workflow_versions_blueprint
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS

RESOURCES: Registry = {
    resource.name: resource
    for resource in (PROJECTS, WORKFLOWS, SUBJECT_SETS, SUBJECTS, SET_MEMBER_SUBJECTS, USERS)
}


def blueprints(sandbox: Sandbox) -> list[Blueprint]:
    """Return every route of the Panoptes half."""
    return [
        signin_blueprint(sandbox),
        oauth_blueprint(sandbox),
        me_blueprint(sandbox),
        media_blueprint(sandbox),
        workflow_versions_blueprint(sandbox),
        *(resource_blueprint(sandbox, resource, RESOURCES) for resource in RESOURCES.values()),
    ]


def register_jobs(sandbox: Sandbox) -> None:
    """Name the Panoptes half's background work."""
