"""What has the platform's API that the sandbox has not? A literal table, refused with a reason."""

from __future__ import annotations

from flask import Blueprint, Response

from zooassist_plugin.sandbox.panoptes.conventions import enforce_conventions
from zooassist_plugin.sandbox.problems import ApiError

COLLECTIONS = "no collections: put subjects into a subject set of their own instead"
AGGREGATIONS = (
    "no batch aggregations (Zooniverse's handle question and survey tasks only): use a reducer of "
    "Caesar, or reduce the classification export"
)
ORGANIZATIONS = "no organizations: use projects on their own"
GROUPS = "no user groups: give people a role in the project (/project_roles)"

# First part of the path below /api -> what is missing and what to do instead.
ABSENT: dict[str, str] = {
    "aggregations": AGGREGATIONS,
    "collection_preferences": COLLECTIONS,
    "collection_roles": COLLECTIONS,
    "collections": COLLECTIONS,
    "inaturalist": "no import from iNaturalist: import a manifest (/subject_set_imports)",
    "membership": GROUPS,
    "memberships": GROUPS,
    "organization_pages": ORGANIZATIONS,
    "organization_preferences": ORGANIZATIONS,
    "organization_roles": ORGANIZATIONS,
    "organizations": ORGANIZATIONS,
    "project_contents": "no project contents: the texts are attributes of /projects",
    "project_pages": "no project pages: none are shown while classifying",
    "recents": "no recents of everybody: ask /users/:id/recents",
    "subject_group": "no subject groups by name: ask /subjects/grouped",
    "user_groups": GROUPS,
    "workflow_contents": "no workflow contents: the texts are in the tasks of /workflows",
}
METHODS = ("GET", "POST", "PUT", "DELETE")


def absent_blueprint() -> Blueprint:
    """Return routes that say what is missing: 404, the one status whose message clients show."""
    blueprint = Blueprint("absent", __name__, url_prefix="/api")
    names = ", ".join(ABSENT)

    @blueprint.route(f"/<any({names}):name>", methods=METHODS, defaults={"_rest": ""})
    @blueprint.route(f"/<any({names}):name>/<path:_rest>", methods=METHODS)
    def missing(name: str, _rest: str) -> Response:
        raise ApiError(404, f"The sandbox has {ABSENT[name]}")

    @blueprint.post("/projects/<int:_project_id>/copy")
    def copy(_project_id: int) -> Response:
        raise ApiError(
            404,
            "The sandbox copies no projects: make a new one and link the workflows and subject "
            "sets to it (/projects/:id/links/workflows), which copies them",
        )

    return enforce_conventions(blueprint)
