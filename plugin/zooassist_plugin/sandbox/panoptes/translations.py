"""What is written on the screen? /api/translations: the texts of a resource, by language.

The classifier shows no text of the workflow itself: it waits for this answer and looks each text
up under its key. The resource's own language needs no row, its texts are read from the resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import select

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    check_etag,
    enforce_conventions,
    read_envelope,
)
from zooassist_plugin.sandbox.panoptes.envelope import answer, etag_of, page_meta, stamp
from zooassist_plugin.sandbox.panoptes.guidance import FIELD_GUIDES, TUTORIALS
from zooassist_plugin.sandbox.panoptes.projects import PROJECTS
from zooassist_plugin.sandbox.panoptes.resource import Resource
from zooassist_plugin.sandbox.panoptes.tables import (
    FieldGuide,
    Project,
    Translation,
    Tutorial,
    Workflow,
)
from zooassist_plugin.sandbox.panoptes.workflow_strings import extract_strings
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS
from zooassist_plugin.sandbox.problems import ApiError


def workflow_strings(row: Workflow) -> dict[str, str]:
    """Return ``display_name`` and ``tasks.<path>`` of a workflow."""
    _, strings = extract_strings(row.tasks)
    return {"display_name": row.display_name} | {f"tasks.{key}": v for key, v in strings.items()}


def project_strings(row: Project) -> dict[str, str]:
    """Return the texts of a project's pages."""
    names = (
        "title", "description", "workflow_description", "introduction", "researcher_quote",
    )  # fmt: skip
    texts = {"display_name": row.display_name} | {name: getattr(row, name) for name in names}
    texts["title"] = row.title or row.display_name
    for index, url in enumerate(row.urls):
        if isinstance(url, Mapping) and isinstance(url.get("label"), str):
            texts[f"url_labels.{index}.label"] = url["label"]
    return texts


def tutorial_strings(row: Tutorial) -> dict[str, str]:
    """Return the texts of a tutorial's steps."""
    texts = {"display_name": row.display_name}
    for index, step in enumerate(row.steps):
        texts[f"steps.{index}.content"] = str(step.get("content", ""))
    return texts


def field_guide_strings(row: FieldGuide) -> dict[str, str]:
    """Return titles and contents of a field guide."""
    return {
        f"items.{index}.{name}": str(item.get(name, ""))
        for index, item in enumerate(row.items)
        for name in ("title", "content")
    }


# translated_type -> its resource, how its own texts are read, and the column of its language.
TRANSLATED: dict[str, tuple[Resource[Any], Callable[[Any], dict[str, str]], str]] = {
    "project": (PROJECTS, project_strings, "primary_language"),
    "workflow": (WORKFLOWS, workflow_strings, "primary_language"),
    "tutorial": (TUTORIALS, tutorial_strings, "language"),
    "field_guide": (FIELD_GUIDES, field_guide_strings, "language"),
}


def _kind_of_request() -> str:
    kind = request.args.get("translated_type", "").lower()
    if kind not in TRANSLATED:
        raise ApiError(
            422, f"translated_type: expected one of {', '.join(TRANSLATED)}, got {kind!r}"
        )
    return kind


def _represent(
    kind: str, owner_id: int, number: str, language: str, strings: Body, changed: datetime
) -> Body:
    return {
        "id": number,
        "translated_id": owner_id,
        "translated_type": "".join(part.title() for part in kind.split("_")),
        "language": language,
        "strings": strings,
        "string_versions": {},
        "created_at": stamp(changed),
        "updated_at": stamp(changed),
        "href": f"/translations/{number}",
        "links": {kind: str(owner_id), "published_version": None},
    }


def _items_of(call: Call, kind: str, owner_id: int) -> list[Body]:
    resource, read_strings, language_column = TRANSLATED[kind]
    owner = resource.find(call, owner_id)
    rows = call.session.scalars(
        select(Translation)
        .where(Translation.translated_type == kind, Translation.translated_id == owner_id)
        .order_by(Translation.id)
    )
    own = getattr(owner, language_column)
    # The own language's number cannot collide with a stored row's.
    number = f"{kind}-{owner_id}"
    return [
        _represent(kind, owner_id, number, own, read_strings(owner), owner.updated_at),
        *(
            _represent(kind, owner_id, str(row.id), row.language, row.strings, row.updated_at)
            for row in rows
            if row.language != own
        ),
    ]


def _list(call: Call) -> Response:
    kind = _kind_of_request()
    # The classifier asks for the volunteer's language and English at once: ``language=fr,en``.
    wanted = {part.strip() for part in request.args.get("language", "").lower().split(",")} - {""}
    items = [
        item
        for owner_id in as_ids(request.args.get("translated_id", ""), "translated_id")
        for item in _items_of(call, kind, owner_id)
        if not wanted or item["language"].lower() in wanted
    ]
    meta = page_meta(1, max(len(items), 1), len(items), len(items))
    return answer("translations", items, meta=meta)


def _editable_owner(call: Call, kind: str, owner_id: int) -> None:
    TRANSLATED[kind][0].find_editable(call, owner_id)


def _save(call: Call, body: Body, row: Translation | None) -> Translation:
    strings = body.get("strings")
    if not isinstance(strings, dict):
        raise ApiError(422, f"translations.strings: expected object, got {strings!r}")
    if row is None:
        kind = _kind_of_request()
        owner_id = as_id(request.args.get("translated_id"), "translated_id")
        _editable_owner(call, kind, owner_id)
        if not isinstance(body.get("language"), str):
            raise ApiError(422, "translations.language: expected string")
        row = Translation(
            translated_type=kind,
            translated_id=owner_id,
            language=body["language"].lower(),
            created_at=call.now,
            updated_at=call.now,
        )
        call.session.add(row)
    row.strings = strings
    call.session.flush()
    return row


def _answer_row(row: Translation, status: int) -> Response:
    item = _represent(
        row.translated_type,
        row.translated_id,
        str(row.id),
        row.language,
        row.strings,
        row.updated_at,
    )
    return answer("translations", [item], etag=etag_of(row), status=status)


def translations_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /api/translations."""
    blueprint = Blueprint("translations", __name__, url_prefix="/api/translations")

    @blueprint.get("")
    def list_translations() -> Response:
        with open_call(sandbox) as call:
            return _list(call)

    @blueprint.get("/<int:row_id>")
    def show_translation(row_id: int) -> Response:
        with open_call(sandbox) as call:
            row = call.session.get(Translation, as_id(row_id))
            if row is None:
                raise ApiError(404, f"Could not find translation with id='{row_id}'")
            TRANSLATED[row.translated_type][0].find(call, row.translated_id)
            return _answer_row(row, 200)

    @blueprint.post("")
    def create_translation() -> Response:
        with open_call(sandbox) as call:
            return _answer_row(_save(call, read_envelope("translations")[0], None), 201)

    @blueprint.put("/<int:row_id>")
    def update_translation(row_id: int) -> Response:
        with open_call(sandbox) as call:
            row = call.session.get(Translation, as_id(row_id))
            if row is None:
                raise ApiError(404, f"Could not find translation with id='{row_id}'")
            _editable_owner(call, row.translated_type, row.translated_id)
            check_etag(etag_of(row))
            _save(call, read_envelope("translations")[0], row)
            row.touch(call.now)
            call.session.flush()
            return _answer_row(row, 200)

    return enforce_conventions(blueprint)
