"""Which routes and jobs make up the Panoptes half? Literal tables."""

from __future__ import annotations

from flask import Blueprint

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.absent import absent_blueprint
from zooassist_plugin.sandbox.panoptes.attached import attached_blueprint
from zooassist_plugin.sandbox.panoptes.authorize import authorize_blueprint
from zooassist_plugin.sandbox.panoptes.classifications import (
    CLASSIFICATIONS,
    classification_scopes_blueprint,
)
from zooassist_plugin.sandbox.panoptes.exports import (
    EXPORT_JOB,
    EXPORT_TRIES,
    export_files_blueprint,
    export_task,
    exports_blueprint,
    failed_export,
)
from zooassist_plugin.sandbox.panoptes.guidance import FIELD_GUIDES, TUTORIALS
from zooassist_plugin.sandbox.panoptes.media import media_blueprint
from zooassist_plugin.sandbox.panoptes.oauth import oauth_blueprint
from zooassist_plugin.sandbox.panoptes.preferences import (
    PROJECT_PREFERENCES,
    preference_settings_blueprint,
)
from zooassist_plugin.sandbox.panoptes.project_roles import PROJECT_ROLES
from zooassist_plugin.sandbox.panoptes.projects import PROJECTS, project_pages_blueprint
from zooassist_plugin.sandbox.panoptes.queue import queue_blueprint
from zooassist_plugin.sandbox.panoptes.recents import recents_blueprint
from zooassist_plugin.sandbox.panoptes.resource import Registry, resources_blueprint
from zooassist_plugin.sandbox.panoptes.retirement import (
    RETIRE_JOB,
    UNRETIRE_JOB,
    retire_task,
    retirement_blueprint,
    unretire_task,
)
from zooassist_plugin.sandbox.panoptes.set_member_subjects import SET_MEMBER_SUBJECTS
from zooassist_plugin.sandbox.panoptes.signin import signin_blueprint
from zooassist_plugin.sandbox.panoptes.statuses import STATUSES
from zooassist_plugin.sandbox.panoptes.subject_set_imports import (
    IMPORT_JOB,
    SUBJECT_SET_IMPORTS,
    import_task,
)
from zooassist_plugin.sandbox.panoptes.subject_sets import SUBJECT_SETS
from zooassist_plugin.sandbox.panoptes.subjects import SUBJECTS
from zooassist_plugin.sandbox.panoptes.translations import translations_blueprint
from zooassist_plugin.sandbox.panoptes.users import USERS, me_blueprint
from zooassist_plugin.sandbox.panoptes.workflow_versions import workflow_versions_blueprint
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS

RESOURCES: Registry = {
    "projects": PROJECTS,
    "project_roles": PROJECT_ROLES,
    "project_preferences": PROJECT_PREFERENCES,
    "workflows": WORKFLOWS,
    "subject_sets": SUBJECT_SETS,
    "subject_set_imports": SUBJECT_SET_IMPORTS,
    "set_member_subjects": SET_MEMBER_SUBJECTS,
    "subjects": SUBJECTS,
    "subject_workflow_statuses": STATUSES,
    "classifications": CLASSIFICATIONS,
    "tutorials": TUTORIALS,
    "field_guides": FIELD_GUIDES,
    "users": USERS,
}


def blueprints(sandbox: Sandbox) -> list[Blueprint]:
    """Return every route of the Panoptes half."""
    return [
        signin_blueprint(sandbox),
        oauth_blueprint(sandbox),
        authorize_blueprint(sandbox),
        me_blueprint(sandbox),
        media_blueprint(sandbox),
        export_files_blueprint(sandbox),
        workflow_versions_blueprint(sandbox),
        retirement_blueprint(sandbox),
        queue_blueprint(sandbox),
        classification_scopes_blueprint(sandbox, RESOURCES),
        preference_settings_blueprint(sandbox),
        translations_blueprint(sandbox),
        project_pages_blueprint(sandbox),
        recents_blueprint(sandbox),
        attached_blueprint(sandbox, RESOURCES),
        exports_blueprint(sandbox, RESOURCES),
        resources_blueprint(sandbox, RESOURCES),
        absent_blueprint(),
    ]


def register_jobs(sandbox: Sandbox) -> None:
    """Name the Panoptes half's background work."""
    sandbox.jobs.register(RETIRE_JOB, retire_task(sandbox))
    sandbox.jobs.register(UNRETIRE_JOB, unretire_task(sandbox))
    sandbox.jobs.register(EXPORT_JOB, export_task(sandbox), EXPORT_TRIES, failed_export(sandbox))
    sandbox.jobs.register(IMPORT_JOB, import_task(sandbox))
