"""The Flask application around a data plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from http import HTTPStatus

import orjson
from flask import Flask, Response, request

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.auth import require_token
from zooassist_serving.http.bodies import items_of
from zooassist_serving.http.media import MediaFetcher
from zooassist_serving.http.models_to_serve import SkippedModel
from zooassist_serving.http.problems import Problem, problem_response, register_problems
from zooassist_serving.predictions import json_of

MAX_BODY_BYTES = 64 * 2**20


def create_app(
    plane: DataPlane,
    *,
    token: str | None,
    media_origins: Sequence[str] = (),
    max_body: int = MAX_BODY_BYTES,
    skipped: Sequence[SkippedModel] = (),
) -> Flask:
    """Make the application.

    Parameters
    ----------
    token : str or None
        None lets everybody in who can reach the port: for loopback only.
    media_origins : sequence of str
        Where subject media may be fetched from; none by default.
    max_body : int
        Largest request body, and largest fetched file, in bytes.
    skipped : sequence of SkippedModel
        Models that were asked for and are not sound. ``/ready``, which needs no token, says how
        many; ``/v1/models`` says which, and why.
    """
    app = Flask("zooassist_serving", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = max_body
    fetcher = MediaFetcher(media_origins, max_body)
    register_problems(app)
    if token is not None:
        require_token(app, token)

    def card_of(name: str) -> ModelCard:
        try:
            return plane.metadata(name)
        except BadInput as error:
            raise Problem(HTTPStatus.NOT_FOUND, f"{error}; see /v1/models") from error

    @app.get("/live")
    def live() -> Response:
        return _json({"live": plane.live()})

    @app.get("/ready")
    def ready() -> Response:
        if not plane.ready():
            return problem_response(
                HTTPStatus.SERVICE_UNAVAILABLE, "models are being loaded", {"Retry-After": "1"}
            )
        return _json({"ready": True, "models": len(plane.names), "skipped": len(skipped)})

    @app.get("/v1/models")
    def models() -> Response:
        served = [_summary(plane.metadata(name)) for name in plane.names]
        return _json({"models": served, "skipped": [asdict(each) for each in skipped]})

    @app.get("/v1/models/<name>")
    def model(name: str) -> Response:
        return _json(card_of(name).to_json())

    @app.post("/v1/models/<name>/predict")
    def predict(name: str) -> Response:
        card = card_of(name)
        items = items_of(request, fetcher)
        predictions = list(plane.predict(name, items))
        # A single image has no row of its own in which an error could stand.
        if request.mimetype not in ("multipart/form-data", "application/json"):
            error = predictions[0].error
            if error is not None:
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error)
        return _json(
            {
                "model": card.name,
                "model_version": card.version,
                "predictions": [json_of(prediction, card.answers) for prediction in predictions],
            }
        )

    return app


def _summary(card: ModelCard) -> dict[str, str]:
    return {"name": card.name, "version": card.version, "kind": card.kind}


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), content_type="application/json")
