"""What is a subject? /api/subjects: locations with signed uploads, metadata, quota."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, delete, func, select, update

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.access import (
    in_editable_project,
    in_readable_project,
    require_editor,
)
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import ids, stamp
from zooassist_plugin.sandbox.panoptes.media import EXTENSIONS, media_url, new_path, upload_url
from zooassist_plugin.sandbox.panoptes.membership import (
    add_subjects,
    members_of_workflow,
    priority_of,
    remove_subjects,
)
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.schemas import SUBJECT
from zooassist_plugin.sandbox.panoptes.tables import SetMemberSubject, Subject, SubjectSet, User
from zooassist_plugin.sandbox.problems import ApiError

MOST_LOCATIONS = 50


def locations_of(sandbox: Sandbox, subject: Subject, upload: bool = False) -> list[dict[str, str]]:
    """Return ``[{mime: url}]``; with `upload` the signed PUT URLs of files to be stored here."""
    address = upload_url if upload else media_url
    return [
        {place["mime"]: place.get("url") or address(sandbox, place["path"])}
        for place in subject.locations
    ]


def represent_subjects(call: Call, rows: Sequence[Subject], upload: bool = False) -> list[Body]:
    """Return subjects as JSON, with their sets loaded in one query."""
    sets: dict[int, list[int]] = defaultdict(list)
    members: dict[int, list[int]] = defaultdict(list)
    for subject_id, set_id, member_id in call.session.execute(
        select(
            SetMemberSubject.subject_id, SetMemberSubject.subject_set_id, SetMemberSubject.id
        ).where(SetMemberSubject.subject_id.in_([row.id for row in rows]))
    ):
        sets[subject_id].append(set_id)
        members[subject_id].append(member_id)
    return [
        {
            "id": str(row.id),
            "metadata": row.metadata_,
            "locations": locations_of(call.sandbox, row, upload),
            "zooniverse_id": None,
            "external_id": row.external_id,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/subjects/{row.id}",
            "links": {
                "project": str(row.project_id),
                "collections": [],
                "subject_sets": ids(sets[row.id]),
                "set_member_subjects": ids(members[row.id]),
                "attached_images": {
                    "href": f"/subjects/{row.id}/attached_images",
                    "type": "attached_images",
                },
            },
        }
        for row in rows
    ]


def _location(item: object) -> dict[str, str]:
    """Read one given location: a MIME type to be uploaded, or a MIME type with a URL elsewhere."""
    if isinstance(item, str):
        return {"mime": item, "path": new_path("subject_location", item)}
    if not isinstance(item, Mapping) or len(item) != 1:
        raise ApiError(
            422, f"locations: expected a MIME type or one {{MIME type: URL}}, got {item!r}"
        )
    ((mime, url),) = item.items()
    if mime not in EXTENSIONS:
        raise ApiError(422, f"locations: {mime!r} is not an allowed media type")
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise ApiError(422, f"locations: expected an http(s) URL for {mime}, got {url!r}")
    return {"mime": mime, "url": url}


def lower_priority_key(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``#Priority`` in lower case, as Panoptes does on saving."""
    return {
        ("#priority" if key.lower() == "#priority" else key): value
        for key, value in metadata.items()
    }


def check_quota(call: Call, adding: int = 1) -> None:
    """Refuse with 403 when the caller would own more subjects than allowed."""
    user = call.session.get_one(User, call.user.user_id)
    limit = call.sandbox.config.subject_limit if user.subject_limit is None else user.subject_limit
    uploaded = call.session.scalar(
        select(func.count()).select_from(Subject).where(Subject.uploader_id == user.id)
    )
    if not user.admin and (uploaded or 0) + adding > limit:
        raise ApiError(403, f"User has uploaded {uploaded} subjects of {limit} maximum")


def make_subject(
    call: Call, project_id: int, locations: Sequence[object], metadata: Mapping[str, Any]
) -> Subject:
    """Add one subject row; 422 for locations the platform does not take."""
    if len(locations) > MOST_LOCATIONS:
        raise ApiError(422, f"locations: expected at most {MOST_LOCATIONS}, got {len(locations)}")
    row = Subject(
        project_id=project_id,
        uploader_id=call.user.user_id,
        locations=[_location(item) for item in locations],
        metadata_=lower_priority_key(metadata),
        external_id=None,
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    return row


def _create(call: Call, body: Body) -> Subject:
    SUBJECT.check(body)
    project = require_editor(call, linked_id(body, "project"))
    check_quota(call)
    row = make_subject(call, project.id, body["locations"], body.get("metadata", {}))
    row.external_id = body.get("external_id")
    call.session.flush()
    _place(call, row, as_ids(body["links"].get("subject_sets", []), "links.subject_sets"))
    return row


def _place(call: Call, row: Subject, set_ids: Sequence[int]) -> None:
    """Put a subject into sets that the caller may change."""
    for set_id in set_ids:
        owned = call.session.scalar(
            select(SubjectSet.id).where(
                SubjectSet.id == set_id,
                in_editable_project(call, SubjectSet.project_id.expression),
            )
        )
        if owned is None:
            raise ApiError(422, f"Couldn't find linked subject_sets for current user: {set_id}")
        add_subjects(call.session, set_id, [row.id], call.now)


def _replace_sets(call: Call, row: Subject, set_ids: Sequence[int]) -> None:
    """Leave a subject in the given sets alone, and in those that the caller may not change."""
    present = call.session.scalars(
        select(SetMemberSubject.subject_set_id)
        .join(SubjectSet, SubjectSet.id == SetMemberSubject.subject_set_id)
        .where(
            SetMemberSubject.subject_id == row.id,
            in_editable_project(call, SubjectSet.project_id.expression),
        )
    ).all()
    for set_id in set(present) - set(set_ids):
        remove_subjects(call.session, set_id, [row.id], call.now)
    _place(call, row, set_ids)


def _update(call: Call, row: Subject, body: Body) -> None:
    SUBJECT.check(body, creating=False)
    if "metadata" in body:
        row.metadata_ = lower_priority_key(body["metadata"])
        call.session.execute(
            update(SetMemberSubject)
            .where(SetMemberSubject.subject_id == row.id)
            .values(priority=priority_of(row.metadata_))
        )
    row.external_id = body.get("external_id", row.external_id)
    if "subject_sets" in body.get("links", {}):
        _replace_sets(call, row, as_ids(body["links"]["subject_sets"] or [], "links.subject_sets"))
    if "locations" in body:
        present = locations_of(call.sandbox, row)
        kept = {
            url: place
            for place, item in zip(row.locations, present, strict=True)
            for url in item.values()
        }
        row.locations = [
            kept.get(next(iter(item.values()))) or _location(item)
            if isinstance(item, Mapping) and len(item) == 1
            else _location(item)
            for item in body["locations"]
        ]


def _delete(call: Call, row: Subject) -> None:
    row.active = False
    row.touch(call.now)
    for set_id in call.session.scalars(
        select(SetMemberSubject.subject_set_id).where(SetMemberSubject.subject_id == row.id)
    ).all():
        subject_set = call.session.get_one(SubjectSet, set_id)
        subject_set.set_member_subjects_count -= 1
        subject_set.touch(call.now)
    call.session.execute(delete(SetMemberSubject).where(SetMemberSubject.subject_id == row.id))


def _in_sets(_call: Call, text: str) -> ColumnElement[bool]:
    members = select(SetMemberSubject.subject_id).where(
        SetMemberSubject.subject_set_id.in_(as_ids(text))
    )
    return Subject.id.in_(members)


def _in_workflow(_call: Call, text: str) -> ColumnElement[bool]:
    # One workflow, as in Panoptes' scope.
    return Subject.id.in_(members_of_workflow(as_ids(text)[0] if as_ids(text) else -1))


SUBJECTS = Resource(
    name="subjects",
    singular="subject",
    table=Subject,
    visible=lambda call: and_(
        Subject.active, in_readable_project(call, Subject.project_id.expression)
    ),
    editable=lambda call: and_(
        Subject.active, in_editable_project(call, Subject.project_id.expression)
    ),
    represent=represent_subjects,
    represent_created=lambda call, rows: represent_subjects(call, rows, upload=True),
    link_types={"project": "projects", "subject_sets": "subject_sets"},
    filters={
        "project_id": lambda _call, text: Subject.project_id.in_(as_ids(text)),
        "subject_set_id": _in_sets,
        "workflow_id": _in_workflow,
        "external_id": lambda _call, text: Subject.external_id == text,
    },
    sorts={"id": Subject.id, "created_at": Subject.created_at},
    create=_create,
    update=_update,
    delete=_delete,
)
