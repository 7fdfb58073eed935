"""``/label-studio/<model>/predict``, ``/setup``, ``/health``: as Label Studio calls a backend.

Source: label_studio/ml/api_connector.py of Label Studio, and label_studio_ml/api.py of its backend
SDK, whose answers Label Studio expects.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.model_card import first_problem
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.label_studio.addresses import TaskImages
from zooassist_serving.http.label_studio.as_workflow import Asked, ask_as_workflow
from zooassist_serving.http.label_studio.label_config import LabelConfig, read_label_config
from zooassist_serving.http.label_studio.regions import numbers_of, results_of
from zooassist_serving.http.problems import Problem
from zooassist_serving.items import Item
from zooassist_serving.served_model import ServedModel

logger = logging.getLogger(__name__)

MAX_TASKS = 1000
MAX_BYTES = 64 * 2**20
BASE = "/label-studio/<name>"


Body = TypeVar("Body", bound=BaseModel)


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Task(_Sent):
    """A task; `id` is only used to name it, and tasks that are not saved yet have none."""

    id: int | str | None = None
    data: dict[str, Any]


class PredictBody(_Sent):
    """What `/predict` is sent."""

    tasks: tuple[Task, ...] = Field(max_length=MAX_TASKS)
    label_config: str | None = None


class SetupBody(_Sent):
    """What `/setup` is sent; the label config is called `schema` there."""

    schema_: str | None = Field(default=None, alias="schema")


def label_studio_routes(plane: DataPlane, images: TaskImages) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("label_studio", __name__)

    @routes.get(BASE)
    @routes.get(f"{BASE}/")
    @routes.get(f"{BASE}/health")
    def health(name: str) -> Response:
        return _json({"status": "UP", "model_class": _model(plane, name).card.name})

    @routes.get(f"{BASE}/versions")
    def versions(name: str) -> Response:
        return _json({"versions": [_version(_model(plane, name))]})

    @routes.post(f"{BASE}/setup")
    def setup(name: str) -> Response:
        model = _model(plane, name)
        text = _body(SetupBody).schema_ or ""
        config = read_label_config(text) if text.strip() else LabelConfig({}, ())
        # A project that is being made asks nothing yet.
        if config.controls:
            _check_answers(model, config)
        return _json({"model_version": _version(model)})

    @routes.post(f"{BASE}/predict")
    def predict(name: str) -> Response:
        model = _model(plane, name)
        body = _body(PredictBody)
        if body.label_config is None:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "expected the project's label_config")
        config = read_label_config(body.label_config)
        asked = _check_answers(model, config)
        model.check_room()
        return _json({"results": [_predicted(model, t, config, asked, images) for t in body.tasks]})

    @routes.post(f"{BASE}/webhook")
    def webhook(name: str) -> Response:
        _model(plane, name)
        # Training takes hours and belongs to whoever runs it; nothing starts because of a click.
        return _json({"status": "ignored: this server does not train"})

    return routes


def _predicted(
    model: ServedModel, task: Task, config: LabelConfig, asked: Asked, images: TaskImages
) -> dict[str, Any]:
    """Predict one task; one that fails has no results, and the others go on."""
    name = f"task {task.id}"
    answer: dict[str, Any] = {"result": [], "score": 0.0, "model_version": _version(model)}
    try:
        item = Item(name, _image(task, config, images, name), _subject_id(task))
        if model.card.kind == "values":
            prediction = model.predict_one(item)
            answer["result"] = numbers_of(prediction, model.card, config.controls)
            answer["score"] = 1.0
            error = prediction.error
        else:
            (proposed,) = model.propose([item], asked.workflow, asked.match)
            answer["result"] = results_of(proposed, asked)
            if proposed.proposal is not None:
                answer["score"] = proposed.proposal.confidence
            error = proposed.prediction.error
        if error is not None:
            raise ItemFailed(name, error, "send a whole image")
    except ItemFailed as failure:
        logger.warning("Label Studio's %s", failure)
        return {**answer, "score": 0.0, "error": str(failure)}
    return answer


def _subject_id(task: Task) -> int:
    """Return what decides which version answers; a task that is not saved has no id."""
    return task.id if isinstance(task.id, int) and task.id > 0 else 1


def _image(
    task: Task, config: LabelConfig, images: TaskImages, name: str
) -> bytes | Callable[[], bytes]:
    """Return the image that the controls are about; of several, the first."""
    about = {control.to_name for control in config.controls}
    key = next(key for tag, key in config.images.items() if tag in about)
    return images.find(task.data.get(key), name)


def _check_answers(model: ServedModel, config: LabelConfig) -> Asked:
    """Match a model with what a project asks.

    Raises
    ------
    Problem
        422 when it answers nothing of it: a project full of empty predictions helps nobody.
    """
    card = model.card
    asked = ask_as_workflow(config, card)
    targets = {target.name for target in card.targets}
    if card.kind == "values":
        answers = any(c.type == "number" and c.name in targets for c in config.controls)
    else:
        answers = card.kind in ("votes", "mask") and asked.is_answered
    if not answers:
        reasons = "; ".join(asked.misfits) or "it has no control that this kind of model answers"
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"model {card.name} ({card.kind}) answers nothing of this label config: {reasons}",
        )
    return asked


def _model(plane: DataPlane, name: str) -> ServedModel:
    try:
        return plane.at(name)
    except BadInput as error:
        raise Problem(HTTPStatus.NOT_FOUND, f"{error}; see /v1/models") from error


def _version(model: ServedModel) -> str:
    return f"{model.card.name} {model.card.version}"


def _body(kind: type[Body]) -> Body:
    request.max_content_length = MAX_BYTES
    try:
        return kind.model_validate(orjson.loads(request.get_data(cache=False)))
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"expected JSON, got: {error}") from error
    except ValidationError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, first_problem(error)) from error


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), content_type="application/json")
