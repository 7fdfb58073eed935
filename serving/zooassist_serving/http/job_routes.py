"""``/v1/jobs``: many subjects at once, without waiting for the answer."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request, url_for
from pydantic import BaseModel, ConfigDict, Field

from zooassist_serving.http.bodies import SubjectBody, items_of_subjects, json_of
from zooassist_serving.http.context import Context
from zooassist_serving.http.problems import Problem
from zooassist_serving.http.writing import json_response, stream_lines, wants_lines
from zooassist_serving.jobs.store import JobItem
from zooassist_serving.jobs.worker import Jobs

MAX_JOB_SUBJECTS = 20_000
PAGE = 1000
KEY_HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class JobRequest(BaseModel):
    """A model and the subjects that it is to predict."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "model": "galaxy-zoo",
                    "subjects": [
                        {
                            "id": "5678",
                            "locations": [
                                {"image/jpeg": "https://panoptes-uploads.zooniverse.org/a.jpeg"}
                            ],
                        }
                    ],
                }
            ]
        },
    )

    model: str = Field(min_length=1, max_length=200)
    subjects: tuple[SubjectBody, ...] = Field(min_length=1, max_length=MAX_JOB_SUBJECTS)


def job_routes(context: Context) -> Blueprint:
    """Make the group of routes."""
    routes = Blueprint("jobs", __name__)

    def jobs() -> Jobs:
        if context.jobs is None:
            raise Problem(
                HTTPStatus.NOT_IMPLEMENTED,
                "this server keeps no jobs; start it with --ledger URL, such as "
                "sqlite:///assist-ledger.sqlite",
            )
        return context.jobs

    def known(job: dict[str, Any] | None, identity: str) -> dict[str, Any]:
        if job is None:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no job {identity[:60]!r}; see /v1/jobs")
        return job

    @routes.post("/v1/jobs")
    def add() -> Response:
        body = json_of(request, JobRequest)
        model = context.model(body.model)
        model.card.answers  # noqa: B018 - refuses a model that draws
        key = request.headers.get(KEY_HEADER)
        if key is not None and not _KEY.fullmatch(key):
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"{KEY_HEADER}: expected 1 to 200 printable characters",
            )
        items = [
            JobItem(place, item.subject_id or 0, item.frame, item.name)
            for place, item in enumerate(items_of_subjects(body.subjects, context.fetcher))
        ]
        keeper = jobs()
        identity, _ = keeper.add(body.model, model.card.version, items, key)
        response = json_response(
            known(keeper.store.job(identity), identity), HTTPStatus.ACCEPTED.value
        )
        response.headers["Location"] = url_for("jobs.show", identity=identity)
        return response

    @routes.get("/v1/jobs")
    def latest() -> Response:
        return json_response({"jobs": jobs().store.latest(100)})

    @routes.get("/v1/jobs/<identity>")
    def show(identity: str) -> Response:
        job = known(jobs().store.job(identity), identity)
        response = json_response(job)
        response.headers["Cache-Control"] = "no-store"
        return response

    @routes.delete("/v1/jobs/<identity>")
    def cancel(identity: str) -> Response:
        return json_response(known(jobs().store.cancel(identity), identity))

    @routes.get("/v1/jobs/<identity>/results")
    def results(identity: str) -> Response:
        job = known(jobs().store.job(identity), identity)
        start = _number("start", 0, 0, 2**31)
        count = _number("count", PAGE, 1, PAGE)
        rows = jobs().store.results(identity, start, count)
        if wants_lines(request):
            return stream_lines(request, rows, str(job["model_version"]))
        following = start + len(rows)
        ended = following >= job["total"] or job["state"] in ("cancelled", "failed")
        at_end = (ended and len(rows) < count) or following >= job["total"]
        return json_response(
            {"start": start, "next": None if at_end else following, "predictions": rows}
        )

    return routes


def _number(name: str, default: int, low: int, high: int) -> int:
    given = request.args.get(name)
    if given is None:
        return default
    if not given.isascii() or not given.isdecimal() or not low <= int(given[:20]) <= high:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name}: expected a number from {low} to {high}, got {given[:40]!r}",
        )
    return int(given)
