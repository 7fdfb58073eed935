"""A Label Studio ML backend around the same graph, as its own template has it.

Tasks carry their image as a ``data:`` address, the way in which its protocol takes bytes. Served by
gunicorn with the options of its Dockerfile: one worker, eight threads. ``MODEL`` names the folder.
"""

from __future__ import annotations

import base64
import os

from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.response import ModelResponse
from peer_prepare import Model

# Loaded once, as its README advises; the backend's object is made anew for every request.
MODEL = Model(os.environ["MODEL"])


class Predict(LabelStudioMLBase):
    """Answers with one choice per task."""

    def setup(self) -> None:
        """Name the version."""
        self.set("model_version", "bench")

    def predict(self, tasks: list[dict], context: dict | None = None, **_: object) -> ModelResponse:
        """Decode and run each task's image."""
        found = []
        for task in tasks:
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
        return ModelResponse(predictions=found)


app = init_app(model_class=Predict)
