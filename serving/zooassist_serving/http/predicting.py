"""``POST /v1/models/<name>/predict``: what does a model say of these images?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Request, Response, request

from zooassist_serving.dataplane import Item
from zooassist_serving.http.bodies import FORM, JSON, items_of
from zooassist_serving.http.context import Context, deadline_of
from zooassist_serving.http.drawing import DRAWN, draw_png, mask_rows, volume_rows, wants_png
from zooassist_serving.http.problems import Problem
from zooassist_serving.http.writing import envelope, stream_lines, wants_lines
from zooassist_serving.predictions import json_of
from zooassist_serving.served_model import ServedModel

Row = dict[str, Any]


def prediction_routes(context: Context) -> Blueprint:
    """Make the group of routes."""
    routes = Blueprint("predicting", __name__)

    @routes.post("/v1/models/<name>/predict")
    def predict(name: str) -> Response:
        model = context.model(name)
        deadline = deadline_of(request)
        embedding = _wants_embedding(request)
        items = items_of(request, context.fetcher)
        if model.card.kind in DRAWN:
            return _drawn(context, model, items)
        if len(items) == 1:
            model.check_room()
            prediction = model.predict_one(items[0], deadline)
            row = json_of(prediction, model.card.answers, embedding=embedding)
            return _answer(model, [row])
        return _many(context, model, lambda: _rows(model, items, embedding))

    return routes


def _wants_embedding(request: Request) -> bool:
    if not request.environ.get("QUERY_STRING"):
        return False
    given = request.args.get("embedding", "false")
    if given not in ("true", "false"):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"embedding: expected true or false, got {given[:40]!r}",
        )
    return given == "true"


def _rows(model: ServedModel, items: Sequence[Item], embedding: bool) -> Iterator[Row]:
    model.card.answers  # noqa: B018 - refuses a model of another kind before the answer begins
    return (
        json_of(prediction, model.card.answers, embedding=embedding)
        for prediction in model.predict(items)
    )


def _drawn(context: Context, model: ServedModel, items: Sequence[Item]) -> Response:
    if wants_png(request):
        with context.large.inside():
            return draw_png(model, items)
    rows = volume_rows if model.card.kind == "volume" else mask_rows
    name = request.args.get("name")
    return _many(context, model, lambda: rows(model, items, name))


def _many(context: Context, model: ServedModel, rows: Callable[[], Iterator[Row]]) -> Response:
    if not wants_lines(request):
        with context.large.inside():
            return _answer(model, list(rows()))
    context.large.enter()
    left = False

    def leave() -> None:
        nonlocal left
        if not left:
            left = True
            context.large.leave()

    try:
        made = rows()
    except BaseException:
        leave()
        raise
    response = stream_lines(request, made, model.card.version)
    # Also when the client left before the first line.
    response.call_on_close(leave)
    return response


def _answer(model: ServedModel, rows: list[Row]) -> Response:
    # A single image has no row of its own in which an error could stand.
    if request.mimetype not in (FORM, JSON) and rows[0]["error"] is not None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, rows[0]["error"])
    card = model.card
    if wants_lines(request):
        return stream_lines(request, rows, card.version)
    return Response(envelope(card.name, card.version, rows), content_type=JSON)
