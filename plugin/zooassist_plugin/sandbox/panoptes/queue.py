"""What does a volunteer see next? /api/subjects/queued, /selection and /grouped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Select, and_, exists, func, not_, select

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    enforce_conventions,
)
from zooassist_plugin.sandbox.panoptes.envelope import answer, page_meta, paging, stamp
from zooassist_plugin.sandbox.panoptes.membership import members_of_workflow
from zooassist_plugin.sandbox.panoptes.subjects import represent_subjects
from zooassist_plugin.sandbox.panoptes.tables import (
    SeenSubject,
    SetMemberSubject,
    Subject,
    SubjectWorkflowStatus,
    Workflow,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS
from zooassist_plugin.sandbox.problems import ApiError

DEFAULT_QUEUE = 10
MOST_SELECTED = 10
MOST_IN_GROUP = 100


@dataclass(frozen=True)
class Selection:
    """Subjects in the order they are shown, and how they were found."""

    subject_ids: list[int]
    state: str


def workflow_of_request(call: Call) -> Workflow:
    """Return the workflow that the request names; 422 without one, 404 for an unreadable one."""
    if not request.args.get("workflow_id"):
        raise ApiError(422, "workflow_id parameter missing")
    return WORKFLOWS.find(call, as_id(request.args["workflow_id"], "workflow_id"))


def _pool(call: Call, workflow: Workflow) -> Select[int]:
    """Return the query of member subjects to choose from, each set's priorities with them."""
    set_ids = as_ids(request.args.get("subject_set_id", ""), "subject_set_id")
    if workflow.grouped and not set_ids:
        raise ApiError(422, "subject_set_id parameter missing for grouped workflow")
    linked = call.session.scalars(
        select(WorkflowSubjectSet.subject_set_id).where(
            WorkflowSubjectSet.workflow_id == workflow.id
        )
    ).all()
    if not linked:
        raise ApiError(404, "no subject set is associated with this workflow")
    if not set(set_ids) <= set(linked):
        raise ApiError(404, f"subject set {set_ids[0]} is not linked to workflow {workflow.id}")
    return (
        select(SetMemberSubject.subject_id)
        .join(Subject, and_(Subject.id == SetMemberSubject.subject_id, Subject.active))
        .where(SetMemberSubject.subject_set_id.in_(set_ids or linked))
        .group_by(SetMemberSubject.subject_id)
    )


def select_subjects(call: Call, workflow: Workflow, count: int) -> Selection:
    """Choose up to `count` subjects: unretired and unseen ones, or any when there are none left.

    Prioritized workflows go by ascending ``#priority``, the others at random.
    """
    pool = _pool(call, workflow)
    retired = exists().where(
        SubjectWorkflowStatus.workflow_id == workflow.id,
        SubjectWorkflowStatus.subject_id == SetMemberSubject.subject_id,
        SubjectWorkflowStatus.retired_at.is_not(None),
    )
    waiting = pool.where(not_(retired))
    if call.principal is not None:
        seen = exists().where(
            SeenSubject.user_id == call.principal.user_id,
            SeenSubject.workflow_id == workflow.id,
            SeenSubject.subject_id == SetMemberSubject.subject_id,
        )
        waiting = waiting.where(not_(seen))
    if workflow.prioritized:
        waiting = waiting.order_by(
            func.min(SetMemberSubject.priority).asc().nulls_last(), SetMemberSubject.subject_id
        )
    else:
        waiting = waiting.order_by(func.random())
    chosen = list(call.session.scalars(waiting.limit(count)))
    if chosen:
        return Selection(chosen, "normal")
    # A finished workflow still shows something; the flags tell the classifier what it is.
    rest = list(call.session.scalars(pool.order_by(func.random()).limit(count)))
    if not rest:
        raise ApiError(404, "No data available for selection")
    return Selection(rest, "internal_fallback")


def _retired(call: Call, workflow: Workflow, subject_ids: Sequence[int]) -> set[int]:
    return set(
        call.session.scalars(
            select(SubjectWorkflowStatus.subject_id).where(
                SubjectWorkflowStatus.workflow_id == workflow.id,
                SubjectWorkflowStatus.subject_id.in_(subject_ids),
                SubjectWorkflowStatus.retired_at.is_not(None),
            )
        )
    )


def _seen(call: Call, workflow: Workflow, subject_ids: Sequence[int]) -> tuple[set[int], bool]:
    """Return which of the subjects the volunteer has seen, and whether it has seen them all."""
    if call.principal is None:
        return set(), False
    mine = select(SeenSubject.subject_id).where(
        SeenSubject.user_id == call.principal.user_id,
        SeenSubject.workflow_id == workflow.id,
    )
    seen = set(call.session.scalars(mine.where(SeenSubject.subject_id.in_(subject_ids))))
    members = members_of_workflow(workflow.id)
    unseen = call.session.scalar(
        select(func.count()).select_from(
            members.where(SetMemberSubject.subject_id.not_in(mine)).subquery()
        )
    )
    return seen, not unseen


def represent_selected(call: Call, workflow: Workflow, selection: Selection) -> list[Body]:
    """Return subjects with the flags that the classifier shows and sends back."""
    rows = {
        row.id: row
        for row in call.session.scalars(
            select(Subject).where(Subject.id.in_(selection.subject_ids), Subject.active)
        )
    }
    found = [number for number in selection.subject_ids if number in rows]
    retired = _retired(call, workflow, found)
    seen, all_seen = _seen(call, workflow, found)
    items = represent_subjects(call, [rows[number] for number in found])
    for number, item in zip(found, items, strict=True):
        item |= {
            "retired": number in retired,
            "already_seen": number in seen,
            "finished_workflow": workflow.finished_at is not None,
            "user_has_finished_workflow": all_seen,
            "favorite": False,
            "selection_state": selection.state,
            "selected_at": stamp(call.now),
        }
    return items


def _queued(call: Call) -> Response:
    workflow = workflow_of_request(call)
    _, page_size = paging(100)
    count = page_size if "page_size" in request.args else DEFAULT_QUEUE
    selection = select_subjects(call, workflow, count)
    items = represent_selected(call, workflow, selection)
    return answer("subjects", items, meta=page_meta(1, count, None, len(items)))


def _chosen(call: Call) -> Response:
    workflow = workflow_of_request(call)
    subject_ids = as_ids(request.args.get("ids", ""), "ids")
    if not 1 <= len(subject_ids) <= MOST_SELECTED:
        raise ApiError(422, f"ids: expected 1 to {MOST_SELECTED} ids, got {len(subject_ids)}")
    members = set(
        call.session.scalars(
            members_of_workflow(workflow.id).where(SetMemberSubject.subject_id.in_(subject_ids))
        )
    )
    selection = Selection([number for number in subject_ids if number in members], "normal")
    items = represent_selected(call, workflow, selection)
    if not items:
        raise ApiError(404, f"none of the subjects {subject_ids} is in workflow {workflow.id}")
    return answer("subjects", items, meta=page_meta(1, MOST_SELECTED, None, len(items)))


def _group_subject(call: Call, workflow: Workflow, member_ids: list[int]) -> int:
    """Return the subject that stands for a grid of others; the same grid is the same subject."""
    key = "-".join(str(number) for number in member_ids)
    known = call.session.scalar(
        select(Subject.id).where(
            Subject.project_id == workflow.project_id, Subject.external_id == f"group:{key}"
        )
    )
    if known is not None:
        return known
    places: dict[int, list[Any]] = dict(
        call.session.execute(
            select(Subject.id, Subject.locations).where(Subject.id.in_(member_ids))
        ).all()
    )
    row = Subject(
        project_id=workflow.project_id,
        uploader_id=0,  # made by the platform: it counts towards nobody's quota
        locations=[place for number in member_ids for place in places[number]],
        metadata_={"#group_subject_ids": key},
        external_id=f"group:{key}",
        created_at=call.now,
        updated_at=call.now,
    )
    call.session.add(row)
    call.session.flush()
    row.metadata_ = {"#subject_group_id": str(row.id), "#group_subject_ids": key}
    return row.id


def _grouped(call: Call) -> Response:
    workflow = workflow_of_request(call)
    rows, columns = (as_id(request.args.get(name), name) for name in ("num_rows", "num_columns"))
    size = rows * columns
    if not 1 <= size <= MOST_IN_GROUP:
        raise ApiError(
            422, f"num_rows * num_columns: expected 1 to {MOST_IN_GROUP}, got {rows} * {columns}"
        )
    _, page_size = paging(10)
    groups = page_size if "page_size" in request.args else 1
    selection = select_subjects(call, workflow, size * groups)
    chosen = selection.subject_ids
    if len(chosen) < size:
        raise ApiError(404, f"No data available for selection: {len(chosen)} of {size} subjects")
    grids = [chosen[start : start + size] for start in range(0, len(chosen) - size + 1, size)]
    numbers = [_group_subject(call, workflow, grid) for grid in grids]
    items = represent_selected(call, workflow, Selection(numbers, selection.state))
    return answer("subjects", items, meta=page_meta(1, groups, None, len(items)))


def _after_the_first_page() -> Response | None:
    """Answer later pages with nothing.

    Every page is a fresh selection: whoever reads on until an empty page would never end.
    """
    page, page_size = paging(100)
    if page == 1:
        return None
    return answer("subjects", [], meta=page_meta(page, page_size, None, 0))


def queue_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return the three ways to get subjects for classifying."""
    blueprint = Blueprint("queue", __name__, url_prefix="/api/subjects")

    @blueprint.get("/queued")
    def queued() -> Response:
        with open_call(sandbox) as call:
            return _queued(call)

    @blueprint.get("/selection")
    def selection() -> Response:
        with open_call(sandbox) as call:
            return _chosen(call)

    @blueprint.get("/grouped")
    def grouped() -> Response:
        with open_call(sandbox) as call:
            return _grouped(call)

    enforce_conventions(blueprint)
    blueprint.before_request(_after_the_first_page)
    return blueprint
