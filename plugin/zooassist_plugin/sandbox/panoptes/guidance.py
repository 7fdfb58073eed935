"""What explains the task? /api/tutorials and /api/field_guides."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select

from zooassist_plugin.sandbox.panoptes.access import (
    in_editable_project,
    in_readable_project,
    require_editor,
)
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import ids, stamp
from zooassist_plugin.sandbox.panoptes.resource import LinkDoor, Resource
from zooassist_plugin.sandbox.panoptes.schemas import ARRAY, OBJECT, OPTIONAL_TEXT, TEXT, Schema
from zooassist_plugin.sandbox.panoptes.tables import (
    FieldGuide,
    Tutorial,
    TutorialWorkflow,
    Workflow,
)
from zooassist_plugin.sandbox.problems import ApiError

TUTORIAL = Schema(
    "tutorials",
    {
        "display_name": OPTIONAL_TEXT,
        "kind": OPTIONAL_TEXT,
        "language": TEXT,
        "steps": ARRAY,
        "configuration": OBJECT,
        "links": OBJECT,
    },
    required=("steps", "language", "links"),
    objects=("steps",),
)
FIELD_GUIDE = Schema(
    "field_guides",
    {"language": TEXT, "items": ARRAY, "links": OBJECT},
    required=("items", "language", "links"),
    objects=("items",),
)


def _represent_tutorials(call: Call, rows: Sequence[Tutorial]) -> list[Body]:
    workflows: dict[int, list[int]] = {row.id: [] for row in rows}
    for tutorial_id, workflow_id in call.session.execute(
        select(TutorialWorkflow.tutorial_id, TutorialWorkflow.workflow_id)
        .where(TutorialWorkflow.tutorial_id.in_(list(workflows)))
        .order_by(TutorialWorkflow.workflow_id)
    ):
        workflows[tutorial_id].append(workflow_id)
    return [
        {
            "id": str(row.id),
            "display_name": row.display_name,
            "kind": row.kind,
            "language": row.language,
            "steps": row.steps,
            "configuration": row.configuration,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/tutorials/{row.id}",
            "links": {
                "project": str(row.project_id),
                "workflows": ids(workflows[row.id]),
                "attached_images": {
                    "href": f"/tutorials/{row.id}/attached_images",
                    "type": "attached_images",
                },
            },
        }
        for row in rows
    ]


def _link_workflows(call: Call, row: Tutorial, workflow_ids: list[int]) -> None:
    found = set(
        call.session.scalars(
            select(Workflow.id).where(
                Workflow.id.in_(workflow_ids), Workflow.project_id == row.project_id
            )
        )
    )
    missing = [number for number in workflow_ids if number not in found]
    if missing:
        raise ApiError(422, f"Couldn't find linked workflows for current user: {missing[0]}")
    for number in workflow_ids:
        call.session.merge(TutorialWorkflow(tutorial_id=row.id, workflow_id=number))


def _unlink_workflows(call: Call, row: Tutorial, workflow_ids: list[int]) -> None:
    for number in workflow_ids:
        link = call.session.get(TutorialWorkflow, (row.id, number))
        if link is not None:
            call.session.delete(link)


def _create_tutorial(call: Call, body: Body) -> Tutorial:
    TUTORIAL.check(body)
    project = require_editor(call, linked_id(body, "project"))
    row = Tutorial(
        project_id=project.id,
        display_name=body.get("display_name") or "",
        kind=body.get("kind"),
        language=body["language"],
        steps=body["steps"],
        configuration=body.get("configuration", {}),
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    call.session.flush()
    _link_workflows(call, row, as_ids(body["links"].get("workflows", []), "links.workflows"))
    return row


def _update_tutorial(_call: Call, row: Tutorial, body: Body) -> None:
    TUTORIAL.check(body, creating=False)
    for name in ("kind", "language", "steps", "configuration"):
        if name in body:
            setattr(row, name, body[name])
    row.display_name = body.get("display_name", row.display_name) or ""


def _delete(call: Call, row: Tutorial | FieldGuide) -> None:
    call.session.delete(row)


def _of_workflows(_call: Call, text: str) -> ColumnElement[bool]:
    linked = select(TutorialWorkflow.tutorial_id).where(
        TutorialWorkflow.workflow_id.in_(as_ids(text))
    )
    return Tutorial.id.in_(linked)


TUTORIALS = Resource(
    name="tutorials",
    singular="tutorial",
    table=Tutorial,
    visible=lambda call: in_readable_project(call, Tutorial.project_id.expression),
    editable=lambda call: in_editable_project(call, Tutorial.project_id.expression),
    represent=_represent_tutorials,
    link_types={"project": "projects", "workflows": "workflows"},
    filters={
        "project_id": lambda _call, text: Tutorial.project_id.in_(as_ids(text)),
        "workflow_id": _of_workflows,
        "kind": lambda _call, text: Tutorial.kind == text,
    },
    sorts={"id": Tutorial.id},
    create=_create_tutorial,
    update=_update_tutorial,
    delete=_delete,
    links={"workflows": LinkDoor(_link_workflows, _unlink_workflows)},
)


def _represent_guides(_call: Call, rows: Sequence[FieldGuide]) -> list[Body]:
    return [
        {
            "id": str(row.id),
            "language": row.language,
            "items": row.items,
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "href": f"/field_guides/{row.id}",
            "links": {
                "project": str(row.project_id),
                "attached_images": {
                    "href": f"/field_guides/{row.id}/attached_images",
                    "type": "attached_images",
                },
            },
        }
        for row in rows
    ]


def _create_guide(call: Call, body: Body) -> FieldGuide:
    FIELD_GUIDE.check(body)
    project = require_editor(call, linked_id(body, "project"))
    row = FieldGuide(
        project_id=project.id,
        language=body["language"],
        items=body["items"],
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    return row


def _update_guide(_call: Call, row: FieldGuide, body: Body) -> None:
    FIELD_GUIDE.check(body, creating=False)
    row.language = body.get("language", row.language)
    row.items = body.get("items", row.items)


FIELD_GUIDES = Resource(
    name="field_guides",
    singular="field_guide",
    table=FieldGuide,
    visible=lambda call: in_readable_project(call, FieldGuide.project_id.expression),
    editable=lambda call: in_editable_project(call, FieldGuide.project_id.expression),
    represent=_represent_guides,
    link_types={"project": "projects"},
    filters={
        "project_id": lambda _call, text: FieldGuide.project_id.in_(as_ids(text)),
        "language": lambda _call, text: FieldGuide.language == text,
    },
    sorts={"id": FieldGuide.id},
    create=_create_guide,
    update=_update_guide,
    delete=_delete,
)
