"""What has a volunteer set in a project? /api/project_preferences; `settings` is the owner's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import ColumnElement, select

from zooassist_plugin.database import insert_missing
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.access import require_editor
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    enforce_conventions,
    linked_id,
    read_envelope,
)
from zooassist_plugin.sandbox.panoptes.envelope import answer, etag_of, page_meta, paging, stamp
from zooassist_plugin.sandbox.panoptes.projects import PROJECTS
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.schemas import FLAG, OBJECT, Schema
from zooassist_plugin.sandbox.panoptes.tables import ProjectPreference, User
from zooassist_plugin.sandbox.problems import ApiError

PREFERENCE = Schema(
    "project_preferences",
    {
        "preferences": OBJECT,
        "settings": OBJECT,
        "email_communication": FLAG,
        "links": OBJECT,
    },
)


def preference_of(call: Call, project_id: int, user_id: int) -> ProjectPreference:
    """Return a volunteer's preferences in a project, made the first time."""
    query = (
        select(ProjectPreference)
        .where(ProjectPreference.project_id == project_id, ProjectPreference.user_id == user_id)
        .with_for_update()
    )
    row = call.session.scalars(query).first()
    if row is None:
        values: Body = {"project_id": project_id, "user_id": user_id}
        values |= {"preferences": {}, "settings": {}, "email_communication": True}
        values |= {"activity_count": 0, "revision": 1}
        values |= {"created_at": call.now, "updated_at": call.now}
        insert_missing(call.session, ProjectPreference, [values])
        row = call.session.scalars(query).one()
    return row


def _represent(_call: Call, rows: Sequence[ProjectPreference]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "preferences": row.preferences,
            "settings": row.settings,
            "email_communication": row.email_communication,
            "activity_count": row.activity_count,
            "activity_count_by_workflow": {},
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/project_preferences/{row.id}",
            "links": {"user": str(row.user_id), "project": str(row.project_id)},
        }
        for row in rows
    ]


def _own(call: Call) -> ColumnElement[bool]:
    return ProjectPreference.user_id == call.user.user_id


def _create(call: Call, body: Body) -> ProjectPreference:
    PREFERENCE.check(body)
    project = PROJECTS.find(call, linked_id(body, "project"))
    row = preference_of(call, project.id, call.user.user_id)
    _update(call, row, body)
    return row


def _update(_call: Call, row: ProjectPreference, body: Body) -> None:
    PREFERENCE.check(body, creating=False)
    if body.get("settings", row.settings) != row.settings:
        raise ApiError(422, "settings belong to the project's owner; use update_settings")
    row.preferences = body.get("preferences", row.preferences)
    row.email_communication = body.get("email_communication", row.email_communication)


def _delete(call: Call, row: ProjectPreference) -> None:
    call.session.delete(row)


PROJECT_PREFERENCES = Resource(
    name="project_preferences",
    singular="project_preference",
    table=ProjectPreference,
    visible=_own,
    editable=_own,
    represent=_represent,
    link_types={"user": "users", "project": "projects"},
    filters={
        "project_id": lambda _call, text: ProjectPreference.project_id.in_(as_ids(text)),
        "user_id": lambda _call, text: ProjectPreference.user_id.in_(as_ids(text)),
    },
    sorts={"id": ProjectPreference.id, "updated_at": ProjectPreference.updated_at},
    create=_create,
    update=_update,
    delete=_delete,
)


def _read_settings(call: Call) -> Response:
    project = require_editor(call, as_id(request.args.get("project_id"), "project_id"))
    clauses: list[Any] = [ProjectPreference.project_id == project.id]
    if request.args.get("user_id"):
        clauses.append(ProjectPreference.user_id.in_(as_ids(request.args["user_id"])))
    page, page_size = paging(100)
    query = select(ProjectPreference, User.login).join(User, User.id == ProjectPreference.user_id)
    rows = call.session.execute(query.where(*clauses).order_by(ProjectPreference.id)).all()
    shown = rows[(page - 1) * page_size : page * page_size]
    items = [
        {
            "id": str(row.id),
            "settings": row.settings,
            "activity_count": row.activity_count,
            "login": login,
            "links": {"user": str(row.user_id), "project": str(row.project_id)},
        }
        for row, login in shown
    ]
    meta = page_meta(page, page_size, len(rows), len(shown))
    return answer("project_preferences", items, meta=meta)


def preference_settings_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return update_settings and read_settings: the owner assigns workflows and designations."""
    blueprint = Blueprint("settings", __name__, url_prefix="/api/project_preferences")

    @blueprint.post("/update_settings")
    def update_settings() -> Response:
        body = read_envelope("project_preferences")[0]
        with open_call(sandbox) as call:
            project = require_editor(call, as_id(body.get("project_id"), "project_id"))
            user = call.session.get(User, as_id(body.get("user_id"), "user_id"))
            if user is None or not isinstance(body.get("settings"), dict):
                raise ApiError(422, "expected project_id, user_id of a user, and settings")
            row = preference_of(call, project.id, user.id)
            row.settings = body["settings"]
            row.touch(call.now)
            items = _represent(call, [row])
            return answer("project_preferences", items, etag=etag_of(row))

    @blueprint.get("/read_settings")
    def read_settings() -> Response:
        with open_call(sandbox) as call:
            return _read_settings(call)

    return enforce_conventions(blueprint)
