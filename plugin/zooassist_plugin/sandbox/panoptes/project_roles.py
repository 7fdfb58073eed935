"""Who may do what in a project? /api/project_roles."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from zooassist_plugin.sandbox.panoptes.access import (
    READER_ROLES,
    in_editable_project,
    in_readable_project,
    require_editor,
)
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import stamp
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.schemas import ARRAY, OBJECT, Schema
from zooassist_plugin.sandbox.panoptes.tables import ProjectRole, User
from zooassist_plugin.sandbox.problems import ApiError

# A project keeps the one owner who made it.
GIVEN = READER_ROLES - {"owner"}
ROLE = Schema("project_roles", {"roles": ARRAY, "links": OBJECT}, required=("roles", "links"))


def _represent(call: Call, rows: Sequence[ProjectRole]) -> list[Body]:
    logins: dict[int, str] = dict(
        call.session.execute(
            select(User.id, User.login).where(User.id.in_([row.user_id for row in rows]))
        ).all()
    )
    return [
        {
            "id": str(row.id),
            "roles": row.roles,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/project_roles/{row.id}",
            "links": {
                "project": str(row.project_id),
                "owner": {
                    "id": str(row.user_id),
                    "type": "users",
                    "display_name": logins.get(row.user_id),
                    "href": f"/users/{row.user_id}",
                },
            },
        }
        for row in rows
    ]


def _checked(roles: list[object]) -> list[object]:
    unknown = [role for role in roles if role not in GIVEN]
    if unknown:
        raise ApiError(422, f"roles: cannot give the role {unknown[0]!r}; use {sorted(GIVEN)}")
    return roles


def _create(call: Call, body: Body) -> ProjectRole:
    ROLE.check(body)
    project = require_editor(call, linked_id(body, "project"))
    user_id = linked_id(body, "user")
    if call.session.get(User, user_id) is None:
        raise ApiError(422, f"Couldn't find linked user for current user: {user_id}")
    row = ProjectRole(
        project_id=project.id,
        user_id=user_id,
        roles=_checked(body["roles"]),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    return row


def _update(_call: Call, row: ProjectRole, body: Body) -> None:
    ROLE.check(body, creating=False)
    if "owner" in row.roles:
        raise ApiError(422, "the owner's role cannot be changed")
    row.roles = _checked(body.get("roles", row.roles))


def _delete(call: Call, row: ProjectRole) -> None:
    if "owner" in row.roles:
        raise ApiError(422, "the owner's role cannot be removed")
    call.session.delete(row)


PROJECT_ROLES = Resource(
    name="project_roles",
    singular="project_role",
    table=ProjectRole,
    visible=lambda call: in_readable_project(call, ProjectRole.project_id.expression),
    editable=lambda call: in_editable_project(call, ProjectRole.project_id.expression),
    represent=_represent,
    link_types={"project": "projects", "owner": "users"},
    filters={
        "project_id": lambda _call, text: ProjectRole.project_id.in_(as_ids(text)),
        "user_id": lambda _call, text: ProjectRole.user_id.in_(as_ids(text)),
    },
    sorts={"id": ProjectRole.id},
    create=_create,
    update=_update,
    delete=_delete,
)
