"""What did volunteers say? /api/classifications: POST for everybody, lists by scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flask import Blueprint, Response, request
from sqlalchemy import ColumnElement, and_, false, or_, select

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.access import (
    in_editable_project,
    in_readable_project,
    require_editor,
    unreadable_subjects,
)
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.classification_lifecycle import complete
from zooassist_plugin.sandbox.panoptes.classification_schema import (
    CLASSIFICATION,
    check_annotations,
    check_metadata,
    read_links,
)
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    enforce_conventions,
)
from zooassist_plugin.sandbox.panoptes.envelope import ids, stamp
from zooassist_plugin.sandbox.panoptes.resource import Registry, Resource, index
from zooassist_plugin.sandbox.panoptes.tables import (
    Classification,
    Project,
    ProjectRole,
    Workflow,
)
from zooassist_plugin.sandbox.problems import ApiError

EXPERT_ROLES = frozenset({"owner", "collaborator", "expert"})


def _represent(_call: Call, rows: Sequence[Classification]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "annotations": row.annotations,
            "metadata": row.metadata_,
            "completed": row.completed,
            "gold_standard": row.gold_standard or None,
            "workflow_version": row.workflow_version,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/classifications/{row.id}",
            "links": {
                "project": str(row.project_id),
                "user": None if row.user_id is None else str(row.user_id),
                "user_group": None,
                "workflow": str(row.workflow_id),
                "subjects": ids(row.subject_ids),
            },
        }
        for row in rows
    ]


def _sender_address() -> str:
    """Return the volunteer's IP address; behind a proxy the one the proxy saw."""
    forwarded = request.headers.get("X-Forwarded-For", "").partition(",")[0].strip()
    return forwarded or request.remote_addr or ""


def _check_expert(call: Call, project_id: int) -> None:
    held = call.session.scalar(
        select(ProjectRole.roles).where(
            ProjectRole.project_id == project_id,
            ProjectRole.user_id == (call.principal.user_id if call.principal else -1),
        )
    )
    if not EXPERT_ROLES & set(held or []):
        raise ApiError(
            400, "Validation failed: Gold standard can not be set for non-expert classifications"
        )


def _create(call: Call, body: Body) -> Classification:
    CLASSIFICATION.check(body)
    check_annotations(body["annotations"])
    check_metadata(body["metadata"])
    links = read_links(body)
    found = call.session.execute(
        select(Workflow, Project)
        .join(Project, Project.id == Workflow.project_id)
        .where(
            Workflow.id == links.workflow_id,
            Workflow.project_id == links.project_id,
            Workflow.activated,
            in_readable_project(call, Workflow.project_id.expression),
        )
    ).first()
    if found is None:
        raise ApiError(
            422,
            f"Couldn't find linked workflow {links.workflow_id} in project {links.project_id} "
            "for current user",
        )
    workflow, project = found
    missing = unreadable_subjects(call, links.subject_ids)
    if missing:
        raise ApiError(422, f"Couldn't find linked subjects for current user: {missing[0]}")
    if body.get("gold_standard"):
        _check_expert(call, project.id)
    row = Classification(
        project_id=project.id,
        workflow_id=workflow.id,
        workflow_version=body["metadata"]["workflow_version"],
        user_id=call.principal.user_id if call.principal else None,
        user_ip=_sender_address(),
        subject_ids=links.subject_ids,
        annotations=body["annotations"],
        metadata_=body["metadata"] | {"live_project": project.live},
        completed=body.get("completed", True),
        gold_standard=bool(body.get("gold_standard")),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    call.session.flush()
    if row.completed:
        complete(call, row)
    return row


def _update(call: Call, row: Classification, body: Body) -> None:
    """Go on with an incomplete classification; nobody changes a completed one."""
    CLASSIFICATION.check(body, creating=False)
    if "annotations" in body:
        check_annotations(body["annotations"])
        row.annotations = body["annotations"]
    if "metadata" in body:
        check_metadata(body["metadata"])
        row.metadata_ = body["metadata"] | {"live_project": row.metadata_.get("live_project")}
    if body.get("completed"):
        row.completed = True
        complete(call, row)


def _own(call: Call) -> ColumnElement[bool]:
    return Classification.user_id == call.user.user_id


def _visible(call: Call) -> ColumnElement[bool]:
    return or_(_own(call), in_editable_project(call, Classification.project_id.expression))


def _after(_call: Call, text: str) -> ColumnElement[bool]:
    number = as_id(text, "last_id")
    # An id beyond any row (-1 here) has nothing after it.
    return false() if number < 0 else Classification.id > number


def _resource(visible: Callable[[Call], ColumnElement[bool]]) -> Resource[Classification]:
    return Resource(
        name="classifications",
        singular="classification",
        table=Classification,
        visible=visible,
        editable=lambda call: and_(_own(call), Classification.completed.is_(False)),
        represent=_represent,
        link_types={"project": "projects", "workflow": "workflows", "user": "users"},
        filters={
            "project_id": lambda _call, text: Classification.project_id.in_(as_ids(text)),
            "workflow_id": lambda _call, text: Classification.workflow_id.in_(as_ids(text)),
            "user_id": lambda _call, text: Classification.user_id.in_(as_ids(text)),
            "last_id": _after,
        },
        sorts={"id": Classification.id, "created_at": Classification.created_at},
        create=_create,
        update=_update,
        counted=False,
    )


CLASSIFICATIONS = _resource(_visible)


def _of_project(call: Call) -> ColumnElement[bool]:
    project_id = request.args.get("project_id")
    if project_id is None and "last_id" in request.args:
        raise ApiError(422, "last_id needs a project_id")
    for number in as_ids(project_id or ""):
        require_editor(call, number)
    return in_editable_project(call, Classification.project_id.expression)


def _gold_standard(call: Call) -> ColumnElement[bool]:
    public = select(Workflow.id).where(
        Workflow.public_gold_standard, in_readable_project(call, Workflow.project_id.expression)
    )
    return and_(Classification.gold_standard, Classification.workflow_id.in_(public))


def _of_groups(_call: Call) -> ColumnElement[bool]:
    return false()  # the sandbox has no user groups


SCOPES: dict[str, Callable[[Call], ColumnElement[bool]]] = {
    "project": _of_project,
    "incomplete": lambda call: and_(_own(call), Classification.completed.is_(False)),
    "gold_standard": _gold_standard,
    "group": _of_groups,
}


def classification_scopes_blueprint(sandbox: Sandbox, registry: Registry) -> Blueprint:
    """Return /api/classifications/<scope>."""
    blueprint = Blueprint("scopes", __name__, url_prefix="/api/classifications")

    @blueprint.get("/<any(project, incomplete, gold_standard, group):scope>")
    def scoped(scope: str) -> Response:
        with open_call(sandbox) as call:
            return index(call, registry, _resource(SCOPES[scope]))

    return enforce_conventions(blueprint)
