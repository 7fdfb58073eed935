"""Is the server alive, ready, and how is it doing? And which models does it hold?"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus

from flask import Blueprint, Response, request
from prometheus_client import CONTENT_TYPE_LATEST

from zooassist_plugin.model_card import ModelCard
from zooassist_serving.http.context import Context
from zooassist_serving.http.openapi import openapi_document
from zooassist_serving.http.problems import problem_response
from zooassist_serving.http.writing import json_response, tagged_json


def operating_routes(context: Context) -> Blueprint:
    """Make the group of routes."""
    routes = Blueprint("operating", __name__)
    plane = context.plane
    document = openapi_document()

    @routes.get("/live")
    def live() -> Response:
        return json_response({"live": plane.live()})

    @routes.get("/ready")
    def ready() -> Response:
        reason = None
        if context.drain.begun:
            reason = "the server ends; ask another one"
        elif not plane.ready():
            reason = "models are being loaded"
        if reason is not None:
            return problem_response(HTTPStatus.SERVICE_UNAVAILABLE, reason, {"Retry-After": "1"})
        return json_response(
            {"ready": True, "models": len(plane.names), "skipped": len(context.skipped)}
        )

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(context.metrics.exposition(), content_type=CONTENT_TYPE_LATEST)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return tagged_json(request, document)

    @routes.get("/v1/models")
    def models() -> Response:
        served = [_summary(plane.metadata(name)) for name in plane.names]
        skipped = [asdict(each) for each in context.skipped]
        return tagged_json(request, {"models": served, "skipped": skipped})

    @routes.get("/v1/models/<name>")
    def model(name: str) -> Response:
        return tagged_json(request, context.model(name).card.to_json())

    return routes


def _summary(card: ModelCard) -> dict[str, str]:
    return {"name": card.name, "version": card.version, "kind": card.kind}
