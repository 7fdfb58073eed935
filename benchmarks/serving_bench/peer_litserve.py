"""LitServe around the same graph: ``python peer_litserve.py MODEL PORT BATCH``.

JPEG bytes come as the file of a form, which LitServe takes without base64; its batching as its
guide has it, with a window of two milliseconds.
"""

from __future__ import annotations

import sys

import litserve
import numpy as np
from fastapi import UploadFile
from peer_prepare import Model


class Predict(litserve.LitAPI):
    """Decode in `decode_request`, which LitServe runs in the worker."""

    def setup(self, device: str) -> None:
        """Load the graph, in the worker."""
        self.model = Model(sys.argv[1])

    def decode_request(self, request: UploadFile, **_: object) -> np.ndarray:
        """Read the form's file."""
        content = request["content"] if isinstance(request, dict) else request
        return self.model.prepare(content.file.read())

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Stack images."""
        return np.stack(inputs)

    def predict(self, images: np.ndarray) -> list[list[float]]:
        """Run the graph."""
        return self.model.run(images if images.ndim == 4 else images[None])

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Return the rows."""
        return output

    def encode_response(self, output: list[float], **_: object) -> dict[str, object]:
        """Answer with JSON."""
        return {"concentrations": output}


if __name__ == "__main__":
    batch = int(sys.argv[3])
    api = Predict(max_batch_size=batch, batch_timeout=0.002) if batch > 1 else Predict()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="error"
    )
