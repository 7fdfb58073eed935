"""Who may read or change what belongs to a project? Clauses to put into queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, or_, select, true

from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.tables import Project, ProjectRole, Subject
from zooassist_plugin.sandbox.problems import ApiError

EDITOR_ROLES = frozenset({"owner", "collaborator"})
# Databases limit how many values one statement may hold.
MOST_VALUES = 1000
READER_ROLES = EDITOR_ROLES | {"expert", "scientist", "moderator", "tester", "translator"}


def projects_with(call: Call, roles: Iterable[str]) -> list[int]:
    """Ids of projects in which the caller holds one of `roles` (one query per request)."""
    if call.principal is None:
        return []
    wanted = set(roles)
    rows = call.session.execute(
        select(ProjectRole.project_id, ProjectRole.roles).where(
            ProjectRole.user_id == call.principal.user_id
        )
    )
    return [project_id for project_id, held in rows if wanted & set(held)]


def readable_project(call: Call) -> ColumnElement[bool]:
    """Projects that exist and are public, or in which the caller has a role."""
    if call.acting_admin:
        return Project.active == true()
    shown = or_(Project.private.is_(False), Project.id.in_(projects_with(call, READER_ROLES)))
    return and_(Project.active == true(), shown)


def editable_project(call: Call) -> ColumnElement[bool]:
    """Projects of which the caller is owner or collaborator; 401 for anonymous callers."""
    if call.user and call.acting_admin:
        return Project.active == true()
    return and_(Project.active == true(), Project.id.in_(projects_with(call, EDITOR_ROLES)))


def in_readable_project(call: Call, column: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows whose project column names a readable project."""
    return column.in_(select(Project.id).where(readable_project(call)))


def in_editable_project(call: Call, column: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows whose project column names an editable project."""
    return column.in_(select(Project.id).where(editable_project(call)))


def unreadable_subjects(call: Call, numbers: Sequence[int]) -> list[int]:
    """Return those of the ids that name no subject the caller may read."""
    readable: set[int] = set()
    for start in range(0, len(numbers), MOST_VALUES):
        readable.update(
            call.session.scalars(
                select(Subject.id).where(
                    Subject.id.in_(numbers[start : start + MOST_VALUES]),
                    Subject.active,
                    in_readable_project(call, Subject.project_id.expression),
                )
            )
        )
    return [number for number in numbers if number not in readable]


def require_editor(call: Call, project_id: int) -> Project:
    """Return the project if the caller may change it.

    Raises
    ------
    ApiError
        401 for anonymous callers, 404 without permission (the real one hides the reason, too).
    """
    project = call.session.scalars(
        select(Project).where(Project.id == project_id, editable_project(call))
    ).first()
    if project is None:
        raise ApiError(404, f"Could not find project with id='{project_id}'")
    return project
