"""What has a volunteer seen lately? /api/users/:id/recents, for one's own page in a project."""

from __future__ import annotations

from flask import Blueprint, Response, request
from sqlalchemy import select

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, enforce_conventions
from zooassist_plugin.sandbox.panoptes.envelope import answer, page_meta, paging, stamp
from zooassist_plugin.sandbox.panoptes.subjects import locations_of, represent_subjects
from zooassist_plugin.sandbox.panoptes.tables import Classification, Subject
from zooassist_plugin.sandbox.problems import ApiError

LINKS = {"project": "projects", "workflow": "workflows", "subject": "subjects"}


def _seen(call: Call, user_id: int) -> list[tuple[Classification, int]]:
    """Return the volunteer's classifications with each of their subjects, in order."""
    query = select(Classification).where(
        Classification.user_id == user_id, Classification.completed
    )
    for name in ("project_id", "workflow_id"):
        if request.args.get(name):
            query = query.where(getattr(Classification, name).in_(as_ids(request.args[name], name)))
    order = Classification.id.desc()
    if not request.args.get("sort", "").startswith("-"):
        order = Classification.id.asc()
    return [
        (row, subject_id)
        for row in call.session.scalars(query.order_by(order))
        for subject_id in row.subject_ids
    ]


def _represent(call: Call, row: Classification, place: int, subject: Subject) -> Body:
    # The platform numbers them by themselves; here the classification's number says it all.
    number = f"{row.id}{place:03}"
    return {
        "id": number,
        "locations": locations_of(call.sandbox, subject),
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "href": f"/users/{row.user_id}/recents/{number}",
        "links": {
            "project": str(row.project_id),
            "workflow": str(row.workflow_id),
            "subject": str(subject.id),
        },
    }


def _list(call: Call, user_id: int) -> Response:
    if call.user.user_id != user_id:
        raise ApiError(404, f"Could not find user with id='{user_id}'")
    seen = _seen(call, user_id)
    page, page_size = paging(100)
    shown = seen[(page - 1) * page_size : page * page_size]
    subjects = {
        subject.id: subject
        for subject in call.session.scalars(
            select(Subject).where(Subject.id.in_([number for _, number in shown]))
        )
    }
    items = [
        _represent(call, row, row.subject_ids.index(number), subjects[number])
        for row, number in shown
    ]
    linked = None
    if "subject" in request.args.get("include", "").split(","):
        linked = {"subjects": represent_subjects(call, list(subjects.values()))}
    meta = page_meta(page, page_size, len(seen), len(items))
    return answer("recents", items, links=LINKS, meta=meta, linked=linked)


def recents_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /api/users/:id/recents; nobody sees another's."""
    blueprint = Blueprint("recents", __name__, url_prefix="/api/users/<int:user_id>/recents")

    @blueprint.get("")
    def list_recents(user_id: int) -> Response:
        with open_call(sandbox) as call:
            return _list(call, user_id)

    return enforce_conventions(blueprint)
