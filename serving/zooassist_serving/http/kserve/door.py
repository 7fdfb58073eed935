"""``/v2``: what clients of the Open Inference Protocol ask, such as Triton's.

A model's input is the array that its graph takes. Where that is an image, encoded images are taken
too, as BYTES: they are then prepared as every other door prepares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import numpy as np
import orjson
from flask import Blueprint, Response, request
from numpy.typing import NDArray
from werkzeug.exceptions import HTTPException

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput, Refused, ZooassistError
from zooassist_plugin.model_card import MAIN_OUTPUT, TensorSpec
from zooassist_serving.batcher import Overloaded
from zooassist_serving.calibration import calibrate
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.kserve.tensors import (
    HEADER,
    OF_CARD,
    Tensor,
    bad,
    read_infer,
    write_infer,
)
from zooassist_serving.http.problems import Problem
from zooassist_serving.model_folder import IMAGE_INPUT
from zooassist_serving.preprocessing import MAX_PIXELS, decode_image, prepare
from zooassist_serving.served_model import ServedModel

MOST = 256
"""Images of one request; more would hold up those of others."""
# Suffix of endpoints -> part of their addresses.
VERSIONED = {"": "", "_of_version": "/versions/<version>"}


def kserve_routes(plane: DataPlane, max_pixels: int = MAX_PIXELS) -> Blueprint:
    """Make the routes; what goes wrong is answered as ``{"error": …}``, as clients read it."""
    routes = Blueprint("kserve", __name__)

    @routes.get("/v2")
    def server() -> Response:
        return _json(
            {"name": "zooassist", "version": __version__, "extensions": ["binary_tensor_data"]}
        )

    @routes.get("/v2/health/live")
    def live() -> Response:
        return _json({"live": plane.live()})

    @routes.get("/v2/health/ready")
    def ready() -> Response:
        is_ready = plane.ready()
        return _json({"ready": is_ready}, 200 if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    def model_ready(name: str, version: str | None = None) -> Response:
        model = _model(plane, name, version)
        return _json({"name": model.card.name, "ready": plane.ready()})

    def metadata(name: str, version: str | None = None) -> Response:
        card = _model(plane, name, version).card
        return _json(
            {
                "name": card.name,
                "versions": [card.version],
                "platform": "onnxruntime_onnx",
                "inputs": [_described(spec) for spec in card.inputs],
                "outputs": [_described(spec) for spec in card.outputs],
            }
        )

    def infer(name: str, version: str | None = None) -> Response:
        model = _model(plane, name, version)
        model.check_room()
        sent = read_infer(request.get_data(cache=False), request.headers.get(HEADER))
        known = {spec.name for spec in model.card.outputs}
        for output in sent.outputs:
            if output not in known:
                raise bad(f"output {output[:80]!r}: expected one of {', '.join(sorted(known))}")
        found = _run(model, sent.inputs, max_pixels)
        outputs = {name: found[name] for name in sent.outputs or found}
        binary = [name for name in outputs if sent.outputs.get(name, sent.is_binary)]
        about = {"model_name": model.card.name, "model_version": model.card.version}
        if sent.id is not None:
            about["id"] = sent.id
        body, length = write_infer(about, outputs, binary)
        if length is None:
            return Response(body, content_type="application/json")
        return Response(
            body, content_type="application/octet-stream", headers={HEADER: str(length)}
        )

    for suffix, part in VERSIONED.items():
        path = f"/v2/models/<name>{part}"
        routes.add_url_rule(path, f"metadata{suffix}", metadata, methods=["GET"])
        routes.add_url_rule(f"{path}/ready", f"model_ready{suffix}", model_ready, methods=["GET"])
        routes.add_url_rule(f"{path}/infer", f"infer{suffix}", infer, methods=["POST"])

    @routes.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return _error(error.status, error.detail, error.headers)

    @routes.errorhandler(Overloaded)
    def _full(error: Overloaded) -> Response:
        return _error(HTTPStatus.TOO_MANY_REQUESTS, str(error), {"Retry-After": "1"})

    @routes.errorhandler(Refused)
    def _gone(error: Refused) -> Response:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "15"})

    @routes.errorhandler(ZooassistError)
    def _ours(error: ZooassistError) -> Response:
        return _error(HTTPStatus.BAD_REQUEST, str(error))

    @routes.errorhandler(HTTPException)
    def _werkzeug(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        return _error(status, error.description or HTTPStatus(status).phrase)

    return routes


def _model(plane: DataPlane, name: str, version: str | None) -> ServedModel:
    try:
        model = plane.at(name)
    except BadInput as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    if version is not None and version != model.card.version:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"model {name} version {version[:40]!r}: {model.card.version} is the one that answers",
        )
    return model


def _run(
    model: ServedModel, inputs: Mapping[str, Tensor], max_pixels: int
) -> dict[str, NDArray[Any]]:
    card = model.card
    specs = {spec.name: spec for spec in card.inputs}
    missing, unknown = sorted(specs.keys() - inputs.keys()), sorted(inputs.keys() - specs.keys())
    if missing or unknown:
        raise bad(f"inputs: expected {', '.join(specs)}, got {', '.join(inputs)}")
    arrays = {
        name: _prepared(model, given, max_pixels) if isinstance(given, list) else given
        for name, given in inputs.items()
    }
    for name, array in arrays.items():
        _check(specs[name], array)
    outputs = model.runtime.run_inputs(arrays)
    main = MAIN_OUTPUT[card.kind]
    if card.kind == "votes" and card.calibration:
        # Calibrated, as every other door answers; what is not finite stays as the graph says it.
        alphas = outputs[main]
        sound = (np.isfinite(alphas) & (alphas > 0)).all(axis=(1, 2))
        alphas = alphas.copy()
        alphas[sound] = calibrate(alphas[sound], card.schema_of_votes, card.calibration)
        outputs[main] = alphas
    return {spec.name: outputs[spec.name] for spec in card.outputs}


def _prepared(model: ServedModel, images: list[bytes], max_pixels: int) -> NDArray[np.uint8]:
    """Return the array of encoded images.

    Raises
    ------
    Problem
        When the model does not see images in one square, or one cannot be read.
    """
    card = model.card
    if card.kind not in ("votes", "values", "embedding"):
        raise bad(f"model {card.name} ({card.kind}): expected its array, not encoded images")
    if not 1 <= len(images) <= MOST:
        raise bad(f"expected 1 to {MOST} images, got {len(images)}")
    stack = []
    for place, image in enumerate(images):
        try:
            decoded = decode_image(image, max_pixels, card.preprocessing.stretch)
        except ZooassistError as error:
            raise bad(f"image {place}: {error}") from error
        stack.append(prepare(decoded, card.preprocessing))
    return np.stack(stack)


def _check(spec: TensorSpec, array: NDArray[Any]) -> None:
    """Refuse what the graph would not take, in words of the request."""
    if array.dtype.name != spec.dtype:
        raise bad(
            f"input {spec.name!r}: expected {OF_CARD[spec.dtype]}"
            + (" or BYTES" if spec.name == IMAGE_INPUT else "")
            + f", got {OF_CARD[array.dtype.name]}"
        )
    fits = len(array.shape) == len(spec.shape) and all(
        size == wanted if isinstance(wanted, int) else size >= 1
        for size, wanted in zip(array.shape, spec.shape, strict=True)
    )
    if not fits:
        raise bad(
            f"input {spec.name!r}: expected the shape {list(spec.shape)}, got {list(array.shape)}"
        )
    if array.shape and array.shape[0] > MOST:
        raise bad(f"input {spec.name!r}: expected at most {MOST} images, got {array.shape[0]}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise bad(f"input {spec.name!r}: expected finite numbers")


def _described(spec: TensorSpec) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": OF_CARD[spec.dtype], "shape": shape}


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status=status, content_type="application/json")


def _error(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    made = _json({"error": detail}, status)
    made.headers.update(headers or {})
    return made
