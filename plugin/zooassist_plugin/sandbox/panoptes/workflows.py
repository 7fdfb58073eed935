"""What is a workflow? /api/workflows: tasks, versions, locks of live projects, subject sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from flask import request
from sqlalchemy import ColumnElement, and_, delete, func, select

from zooassist_plugin.sandbox.panoptes.access import (
    in_editable_project,
    in_readable_project,
    require_editor,
    unreadable_subjects,
)
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.conventions import Body, as_id, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.envelope import ids, stamp
from zooassist_plugin.sandbox.panoptes.membership import (
    ensure_statuses,
    members_of_workflow,
    reopen,
)
from zooassist_plugin.sandbox.panoptes.resource import LinkDoor, Resource
from zooassist_plugin.sandbox.panoptes.schemas import WORKFLOW
from zooassist_plugin.sandbox.panoptes.tables import (
    Project,
    SetMemberSubject,
    SubjectSet,
    Workflow,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.panoptes.workflow_strings import extract_strings
from zooassist_plugin.sandbox.panoptes.workflow_versions import (
    bump_version,
    record_version,
    structure_of,
)
from zooassist_plugin.sandbox.problems import ApiError

PLAIN = (
    "display_name", "primary_language", "first_task", "tasks", "steps", "configuration",
    "retirement", "aggregation", "active", "grouped", "pairwise", "prioritized",
    "public_gold_standard", "mobile_friendly",
)  # fmt: skip
CRITERIA = ("classification_count", "never_retire")
DEFAULT_RETIREMENT: Body = {"criteria": "classification_count", "options": {"count": 15}}


def retirement_of(workflow: Workflow) -> Body:
    """Return the retirement rule; an empty one means 15 classifications."""
    return workflow.retirement or DEFAULT_RETIREMENT


def _check_retirement(rule: Body) -> None:
    if not rule:
        return
    unknown = [name for name in rule if name not in ("criteria", "options")]
    if unknown:
        raise ApiError(
            422,
            f"workflows.retirement: found unpermitted parameter: {unknown[0]}; "
            "known are criteria, options",
        )
    if rule.get("criteria") not in CRITERIA:
        raise ApiError(
            400, f"Validation failed: Retirement criteria must be one of {', '.join(CRITERIA)}"
        )
    options = rule.get("options") or {}
    if not isinstance(options, dict):
        raise ApiError(400, f"Validation failed: Retirement options must be an object: {options!r}")
    count = str(options.get("count", 15))
    counted = rule["criteria"] == "classification_count"
    if counted and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise ApiError(400, f"Validation failed: Retirement count must be a number, got {count!r}")


def _set_links(call: Call, workflow_ids: Sequence[int]) -> dict[int, list[int]]:
    links: dict[int, list[int]] = defaultdict(list)
    for workflow_id, set_id in call.session.execute(
        select(WorkflowSubjectSet.workflow_id, WorkflowSubjectSet.subject_set_id)
        .where(WorkflowSubjectSet.workflow_id.in_(workflow_ids))
        .order_by(WorkflowSubjectSet.subject_set_id)
    ):
        links[workflow_id].append(set_id)
    return links


def _subject_counts(call: Call, workflow_ids: Sequence[int]) -> dict[int, int]:
    return dict(
        call.session.execute(
            select(
                WorkflowSubjectSet.workflow_id,
                func.count(SetMemberSubject.subject_id.distinct()),
            )
            .join(
                SetMemberSubject,
                SetMemberSubject.subject_set_id == WorkflowSubjectSet.subject_set_id,
            )
            .where(WorkflowSubjectSet.workflow_id.in_(workflow_ids))
            .group_by(WorkflowSubjectSet.workflow_id)
        ).all()
    )


def _represent(call: Call, rows: Sequence[Workflow]) -> list[Body]:
    numbers = [row.id for row in rows]
    sets, counts = _set_links(call, numbers), _subject_counts(call, numbers)
    with_strings = "strings" in request.args.get("fields", "").split(",") or (
        request.args.get("strings", "").lower() == "true"
    )
    items = []
    for row in rows:
        subjects = counts.get(row.id, 0)
        item: Body = {"id": str(row.id), "href": f"/workflows/{row.id}", "version": row.version}
        item |= {name: getattr(row, name) for name in PLAIN}
        item |= {
            "retirement": retirement_of(row),
            "content_language": row.primary_language,
            "classifications_count": row.classifications_count,
            "subjects_count": subjects,
            "retired_set_member_subjects_count": row.retired_subjects_count,
            "completeness": min(row.retired_subjects_count / subjects, 1.0) if subjects else 0.0,
            "finished_at": stamp(row.finished_at),
            "created_at": stamp(row.created_at),
            "updated_at": stamp(row.updated_at),
            "links": {
                "project": str(row.project_id),
                "subject_sets": ids(sets[row.id]),
                "tutorial_subject": str(row.tutorial_subject_id)
                if row.tutorial_subject_id
                else None,
                "published_version": None,
            }
            | {
                kind: {"href": f"/workflows/{row.id}/{kind}", "type": kind}
                for kind in ("attached_images", "classifications_export")
            },
        }
        if with_strings:
            item["strings"] = extract_strings(row.tasks)[1]
        items.append(item)
    return items


def _link_sets(call: Call, row: Workflow, set_ids: list[int]) -> None:
    found = call.session.scalars(
        select(SubjectSet.id).where(
            SubjectSet.id.in_(set_ids), SubjectSet.project_id == row.project_id
        )
    ).all()
    missing = sorted(set(set_ids) - set(found))
    if missing:
        raise ApiError(
            422,
            f"Couldn't find linked subject_sets for current user: {missing[0]} is not a "
            f"subject set of project {row.project_id}",
        )
    known = set(_set_links(call, [row.id])[row.id])
    for set_id in set_ids:
        if set_id not in known:
            call.session.add(WorkflowSubjectSet(workflow_id=row.id, subject_set_id=set_id))
    call.session.flush()
    subjects = call.session.scalars(members_of_workflow(row.id)).all()
    if subjects:
        ensure_statuses(call.session, [row.id], subjects, call.now)
        reopen(call.session, [row.id])


def _unlink_sets(call: Call, row: Workflow, set_ids: list[int]) -> None:
    call.session.execute(
        delete(WorkflowSubjectSet).where(
            WorkflowSubjectSet.workflow_id == row.id,
            WorkflowSubjectSet.subject_set_id.in_(set_ids),
        )
    )


def _assign(row: Workflow, body: Body) -> None:
    for name in PLAIN:
        if name in body:
            setattr(row, name, body[name])
    row.mobile_friendly = bool(row.mobile_friendly)


def _replace_links(call: Call, row: Workflow, links: Body) -> None:
    """Apply the ``links`` of a body: the given subject sets replace the present ones."""
    if "subject_sets" in links:
        wanted = as_ids(links["subject_sets"] or [], "links.subject_sets")
        present = _set_links(call, [row.id])[row.id]
        _unlink_sets(call, row, [number for number in present if number not in wanted])
        _link_sets(call, row, wanted)
    if "tutorial_subject" in links:
        row.tutorial_subject_id = _tutorial_subject(call, links["tutorial_subject"])


def _tutorial_subject(call: Call, value: object) -> int | None:
    if value is None:
        return None
    number = as_id(value, "links.tutorial_subject")
    if unreadable_subjects(call, [number]):
        raise ApiError(422, f"Couldn't find linked tutorial_subject for current user: {number}")
    return number


def _create(call: Call, body: Body) -> Workflow:
    WORKFLOW.check(body)
    project = require_editor(call, linked_id(body, "project"))
    _check_retirement(body.get("retirement", {}))
    row = Workflow(
        project_id=project.id,
        first_task=None,
        tasks={},
        steps=[],
        configuration={},
        retirement={},
        aggregation={},
        active=True,
        major_version=1,
        minor_version=1,
        created_at=call.now,
        updated_at=call.now,
    )
    _assign(row, body)
    # A new workflow of a live project starts switched off, or volunteers would see it half-built.
    if project.live and "active" not in body:
        row.active = False
    call.session.add(row)
    call.session.flush()
    record_version(call.session, row, call.now)
    _replace_links(call, row, body["links"])
    return row


def _update(call: Call, row: Workflow, body: Body) -> None:
    WORKFLOW.check(body, creating=False)
    _check_retirement(body.get("retirement", {}))
    structure, strings = structure_of(row), extract_strings(row.tasks)[1]
    locked = row.active and call.session.get_one(Project, row.project_id).live
    _assign(row, body)
    if locked and structure_of(row) != structure:
        changed = [name for name, value in structure_of(row).items() if value != structure[name]]
        raise ApiError(
            403,
            f"Can't change an active workflow's {', '.join(changed)} when the project is live",
        )
    bump_version(call.session, row, (structure, strings), call.now)
    _replace_links(call, row, body.get("links", {}))


def _complete(call: Call, text: str) -> ColumnElement[bool]:
    """Workflows with (or, for ``false``, without) a retirement for each of their subjects."""
    retired = dict(call.session.execute(select(Workflow.id, Workflow.retired_subjects_count)).all())
    counts = _subject_counts(call, list(retired))
    done = [number for number, count in counts.items() if retired[number] >= count]
    return Workflow.id.in_(done) if text.lower() == "true" else Workflow.id.not_in(done)


def _delete(call: Call, row: Workflow) -> None:
    row.activated = row.active = False


def _visible(call: Call) -> ColumnElement[bool]:
    return and_(Workflow.activated, in_readable_project(call, Workflow.project_id.expression))


WORKFLOWS = Resource(
    name="workflows",
    singular="workflow",
    table=Workflow,
    visible=_visible,
    editable=lambda call: and_(
        Workflow.activated, in_editable_project(call, Workflow.project_id.expression)
    ),
    represent=_represent,
    link_types={"project": "projects", "subject_sets": "subject_sets"},
    filters={
        "project_id": lambda _call, text: Workflow.project_id.in_(as_ids(text)),
        "complete": _complete,
        "active": lambda _call, text: Workflow.active.is_(text.lower() == "true"),
        "display_name": lambda _call, text: Workflow.display_name == text,
        "subject_set_id": lambda _call, text: Workflow.id.in_(
            select(WorkflowSubjectSet.workflow_id).where(
                WorkflowSubjectSet.subject_set_id.in_(as_ids(text))
            )
        ),
    },
    sorts={"id": Workflow.id, "display_name": Workflow.display_name},
    create=_create,
    update=_update,
    delete=_delete,
    links={"subject_sets": LinkDoor(_link_sets, _unlink_sets)},
    page_limit=25,
)
