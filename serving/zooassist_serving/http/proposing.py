"""``POST /v1/models/<name>/proposals``: what would a workflow's volunteers see of subjects?"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelMatch, match_labels
from zooassist_plugin.label_schema import schema_from_tasks
from zooassist_plugin.presenters import PRESENTERS, Unpresentable
from zooassist_plugin.workflow import Workflow
from zooassist_serving.dataplane import Item, Proposed
from zooassist_serving.http.bodies import MAX_SUBJECTS, SubjectBody, items_of_subjects, json_of
from zooassist_serving.http.context import Context
from zooassist_serving.http.problems import Problem
from zooassist_serving.http.writing import json_response, stream_lines, wants_lines
from zooassist_serving.served_model import ServedModel

EXAMPLE: dict[str, Any] = {
    "workflow": {
        "id": "12",
        "version": "3.4",
        "first_task": "T0",
        "tasks": {
            "T0": {
                "type": "drawing",
                "instruction": "Outline the galaxy",
                "tools": [{"type": "ellipse", "label": "Galaxy", "details": []}],
            }
        },
        "links": {"project": "1"},
    },
    "subjects": [
        {
            "id": "5678",
            "locations": [{"image/jpeg": "https://panoptes-uploads.zooniverse.org/a.jpeg"}],
        }
    ],
}


class ProposalsRequest(BaseModel):
    """A workflow as Panoptes' API has it, and subjects to propose for.

    Attributes
    ----------
    map : mapping
        Task key -> the model's question, where the words differ (as ``--map`` of `propose`).
    presenters : tuple of str
        For which the proposals are made ready; all when left out.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [EXAMPLE]}
    )

    workflow: dict[str, Any]
    subjects: tuple[SubjectBody, ...] = Field(min_length=1, max_length=MAX_SUBJECTS)
    map: dict[str, str] = Field(default_factory=dict)
    presenters: tuple[str, ...] = tuple(PRESENTERS)


def proposal_routes(context: Context) -> Blueprint:
    """Make the group of routes."""
    routes = Blueprint("proposing", __name__)

    @routes.post("/v1/models/<name>/proposals")
    def proposals(name: str) -> Response:
        model = context.model(name)
        body = json_of(request, ProposalsRequest)
        workflow = _workflow(body.workflow)
        for presenter in body.presenters:
            if presenter not in PRESENTERS:
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"presenters: expected some of {', '.join(PRESENTERS)}, got {presenter[:40]!r}",
                )
        match = _match(model, workflow, body.map)
        frames = {subject.id: len(subject.locations) for subject in body.subjects}
        items = _items(model, body, context)
        with context.large.inside():
            rows = [
                _row(made, workflow, frames, body.presenters)
                for made in model.propose(items, workflow, match)
            ]
        if wants_lines(request):
            return stream_lines(request, rows, model.card.version)
        return json_response(
            {
                "model": model.card.name,
                "model_version": model.card.version,
                "misfits": list(match.misfits),
                "proposals": rows,
            }
        )

    return routes


def _workflow(resource: dict[str, Any]) -> Workflow:
    try:
        return Workflow.from_json(resource)
    except (BadInput, TypeError, AttributeError, ValueError) as error:
        # What is no workflow fails in as many ways as there are things that are none.
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"workflow: expected one as Panoptes' API has it (/workflows/12): {error}",
        ) from error


def _match(model: ServedModel, workflow: Workflow, named: dict[str, str]) -> LabelMatch:
    schema = model.card.label_schema
    if schema is None:
        return LabelMatch((), ())
    try:
        asked = schema_from_tasks(workflow.tasks, workflow.first_task, steps=workflow.steps)
        return match_labels(schema, asked, named)
    except BadInput:
        raise
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"workflow: its tasks are not as Panoptes has them ({type(error).__name__}: {error})",
        ) from error


def _items(model: ServedModel, body: ProposalsRequest, context: Context) -> Iterator[Item]:
    """Return the frames that the model looks at: the first, or all where it outlines."""
    items = items_of_subjects(body.subjects, context.fetcher)
    every = model.card.kind == "mask"
    return (
        Item(f"subject {item.subject_id}", item.data, item.subject_id, item.frame)
        for item in items
        if every or item.frame == 0
    )


def _row(
    made: Proposed, workflow: Workflow, frames: dict[int, int], presenters: tuple[str, ...]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "subject_id": made.prediction.subject_id,
        "error": made.prediction.error,
        "proposal": None,
        "presented": {},
    }
    proposal = made.proposal
    if proposal is None:
        return row
    row["proposal"] = proposal.model_dump(mode="json")
    for name in presenters:
        try:
            presented = PRESENTERS[name](
                proposal, workflow, frames=frames[proposal.subject_id], sizes=made.sizes
            )
        except Unpresentable as error:
            row["presented"][name] = {"payload": None, "notes": [], "refused": str(error)}
        else:
            row["presented"][name] = {
                "payload": presented.payload,
                "notes": list(presented.notes),
                "refused": None,
            }
    return row
