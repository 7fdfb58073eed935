"""Label Studio's ML backend protocol around the same graph, with as little as it can be done with.

The SDK of today is not on PyPI (what is there, 1.0.9, wants a Redis queue and another protocol), so
this is what its `/predict` has to do for every call and nothing more: a Flask application under
gunicorn with the options of its Dockerfile (one worker, eight threads), tasks in JSON whose image
is a ``data:`` address, the way in which the protocol takes bytes. `MODEL` names the folder.
"""

from __future__ import annotations

import base64
import os

from flask import Flask, Response, jsonify, request
from peer_prepare import Model

app = Flask("label_studio_backend")
MODEL = Model(os.environ["MODEL"])


@app.get("/health")
def health() -> Response:
    """Answer as the protocol has it."""
    return jsonify({"status": "UP", "model_class": "Predict"})


@app.post("/predict")
def predict() -> Response:
    """Decode and run each task's image; answer with one choice per task."""
    found = []
    for task in request.get_json()["tasks"]:
        data = base64.b64decode(task["data"]["image"].partition(",")[2])
        (alphas,) = MODEL.run(MODEL.prepare(data)[None])
        found.append(
            {
                "model_version": "bench",
                "score": max(alphas) / sum(alphas),
                "result": [
                    {
                        "from_name": "choice",
                        "to_name": "image",
                        "type": "choices",
                        "value": {"choices": [str(alphas.index(max(alphas)))]},
                    }
                ],
            }
        )
    return jsonify({"results": found})
