"""Which files hang on a resource? /api/<resource>/:id/attached_images, avatar, background."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import select

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    enforce_conventions,
    read_envelope,
)
from zooassist_plugin.sandbox.panoptes.envelope import answer, etag_of, page_meta, stamp
from zooassist_plugin.sandbox.panoptes.media import EXTENSIONS, media_url, new_path, upload_url
from zooassist_plugin.sandbox.panoptes.resource import Includable, Registry, Resource
from zooassist_plugin.sandbox.panoptes.schemas import OBJECT, TEXT, Schema
from zooassist_plugin.sandbox.panoptes.tables import Entity, Medium
from zooassist_plugin.sandbox.problems import ApiError

# Resource -> medium type -> whether there may be several.
ATTACHABLE: dict[str, dict[str, bool]] = {
    "projects": {"avatar": False, "background": False, "attached_images": True},
    "workflows": {"attached_images": True},
    "subject_sets": {"attached_images": True},
    "subjects": {"attached_images": True},
    "tutorials": {"attached_images": True},
    "field_guides": {"attached_images": True},
}
MEDIUM = Schema(
    "media",
    {"content_type": TEXT, "src": TEXT, "external_link": (bool,), "metadata": OBJECT},
    required=("content_type",),
)


def represent_medium(row: Medium, src: str, href: str) -> Body:
    """Return one medium as JSON."""
    return {
        "id": str(row.id),
        "href": href,
        "src": src,
        "content_type": row.content_type,
        "media_type": row.medium_type,
        "external_link": bool(row.external_url),
        "metadata": row.metadata_,
        "created_at": stamp(row.created_at),
        "updated_at": stamp(row.updated_at),
        "links": {
            "linked": {
                "id": str(row.linked_id),
                "type": row.linked_type,
                "href": f"/{row.linked_type}/{row.linked_id}",
            }
        },
    }


def _item(call: Call, row: Medium, upload: bool = False) -> Body:
    address = upload_url if upload else media_url
    src = row.external_url or address(call.sandbox, row.path)
    href = f"/{row.linked_type}/{row.linked_id}/{row.medium_type}"
    if ATTACHABLE[row.linked_type][row.medium_type]:
        href = f"{href}/{row.id}"
    return represent_medium(row, src, href)


def _rows(call: Call, resource: str, owner_id: int, kind: str) -> list[Medium]:
    return list(
        call.session.scalars(
            select(Medium)
            .where(
                Medium.linked_type == resource,
                Medium.linked_id == owner_id,
                Medium.medium_type == kind,
            )
            .order_by(Medium.id)
        )
    )


def includable_medium(resource: str, kind: str) -> Includable[Any]:
    """Return what ``include=<kind>`` adds to an answer: the files of all its rows."""

    def load(call: Call, rows: Sequence[Entity]) -> list[Body]:
        query = select(Medium).where(
            Medium.linked_type == resource,
            Medium.linked_id.in_([row.id for row in rows]),
            Medium.medium_type == kind,
        )
        return [_item(call, medium) for medium in call.session.scalars(query.order_by(Medium.id))]

    return Includable(f"{kind}s", load)


def _new_medium(call: Call, resource: str, owner_id: int, kind: str, body: Body) -> Medium:
    MEDIUM.check(body)
    mime, external = body["content_type"], body.get("external_link", False)
    if mime not in EXTENSIONS:
        raise ApiError(422, f"media.content_type: {mime!r} is not an allowed media type")
    if external and not body.get("src", "").startswith(("http://", "https://")):
        raise ApiError(422, "media.src: expected an http(s) URL for an external link")
    row = Medium(
        linked_type=resource,
        linked_id=owner_id,
        medium_type=kind,
        content_type=mime,
        path="" if external else new_path(kind, mime),
        external_url=body["src"] if external else "",
        metadata_=body.get("metadata", {}),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    call.session.flush()
    return row


def _checked(registry: Registry, resource: str, kind: str) -> Resource[Any]:
    if kind not in ATTACHABLE.get(resource, {}):
        raise ApiError(404, f"Not found: /{resource}/:id/{kind}")
    return registry[resource]


def attached_blueprint(sandbox: Sandbox, registry: Registry) -> Blueprint:
    """Return the media sub-resources of every resource in `ATTACHABLE`."""
    blueprint = Blueprint("attached", __name__, url_prefix="/api/<resource>/<int:owner_id>")

    @blueprint.get("/<any(attached_images, avatar, background):kind>")
    def list_media(resource: str, owner_id: int, kind: str) -> Response:
        owners = _checked(registry, resource, kind)
        with open_call(sandbox) as call:
            owner = owners.find(call, as_id(owner_id))
            rows = _rows(call, resource, owner.id, kind)
            if not rows and not ATTACHABLE[resource][kind]:
                raise ApiError(404, f"No {kind} exists for {owners.singular} #{owner_id}")
            items = [_item(call, row) for row in rows]
            meta = page_meta(1, max(len(items), 1), len(items), len(items))
            return answer("media", items, meta=meta)

    @blueprint.post("/<any(attached_images, avatar, background):kind>")
    def create_medium(resource: str, owner_id: int, kind: str) -> Response:
        owners = _checked(registry, resource, kind)
        with open_call(sandbox) as call:
            owner = owners.find_editable(call, as_id(owner_id))
            if not ATTACHABLE[resource][kind]:
                for old in _rows(call, resource, owner.id, kind):
                    call.session.delete(old)
            row = _new_medium(call, resource, owner.id, kind, read_envelope("media")[0])
            items = [_item(call, row, upload=True)]
            return answer("media", items, etag=etag_of(row), status=201)

    @blueprint.delete("/<any(attached_images):kind>/<int:medium_id>")
    def delete_medium(resource: str, owner_id: int, kind: str, medium_id: int) -> Response:
        owners = _checked(registry, resource, kind)
        with open_call(sandbox) as call:
            owner = owners.find_editable(call, as_id(owner_id))
            found = [row for row in _rows(call, resource, owner.id, kind) if row.id == medium_id]
            if not found:
                raise ApiError(404, f"Could not find medium with id='{medium_id}'")
            call.session.delete(found[0])
            return Response(status=204)

    return enforce_conventions(blueprint)
