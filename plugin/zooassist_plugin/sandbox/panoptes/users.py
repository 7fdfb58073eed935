"""Who are the users? /api/users and /api/me."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Response
from sqlalchemy import ColumnElement, and_, func, select, true

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import Body, enforce_conventions
from zooassist_plugin.sandbox.panoptes.envelope import answer, etag_of, page_meta, stamp
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.tables import Subject, User
from zooassist_plugin.sandbox.problems import ApiError


def represent_user(user: User, own: bool = False) -> Body:
    """Return one account; e-mail, rights and limits only to its owner."""
    body: Body = {
        "id": str(user.id),
        "login": user.login,
        "display_name": user.display_name,
        "credited_name": user.display_name,
        "avatar_src": None,
        "created_at": stamp(user.created_at),
        "updated_at": stamp(user.updated_at),
        "type": "users",
        "href": f"/users/{user.id}",
        "links": {},
    }
    if own:
        body |= {
            "email": user.email,
            "admin": user.admin,
            "valid_email": True,
            "upload_whitelist": False,
            "subject_limit": user.subject_limit,
        }
    return body


def _represent(call: Call, rows: Sequence[User]) -> list[Body]:
    own = call.principal.user_id if call.principal else None
    return [represent_user(row, own=row.id == own) for row in rows]


def _by_email(call: Call, text: str) -> ColumnElement[bool]:
    """Accounts by address: only one's own, or nobody could keep an address to oneself."""
    found = func.lower(User.email).in_(text.lower().split(","))
    if call.acting_admin:
        return found
    return and_(found, User.id == (call.principal.user_id if call.principal else -1))


USERS = Resource(
    name="users",
    singular="user",
    table=User,
    visible=lambda _call: true(),
    represent=_represent,
    filters={
        "login": lambda _call, text: func.lower(User.login).in_(text.lower().split(",")),
        "email": _by_email,
        "display_name": lambda _call, text: User.display_name.in_(text.split(",")),
    },
)


def me_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /api/me."""
    blueprint = Blueprint("me", __name__, url_prefix="/api/me")

    @blueprint.get("")
    def me() -> Response:
        with open_call(sandbox) as call:
            user = call.session.scalars(select(User).where(User.id == call.user.user_id)).first()
            if user is None:
                raise ApiError(401, "You must be logged in to access this resource.")
            body = represent_user(user, own=True)
            uploaded = call.session.scalar(
                select(func.count()).select_from(Subject).where(Subject.uploader_id == user.id)
            )
            body["uploaded_subjects_count"] = uploaded
            meta = page_meta(1, 20, 1, 1)
            return answer("users", [body], meta=meta, etag=etag_of(user))

    return enforce_conventions(blueprint)
