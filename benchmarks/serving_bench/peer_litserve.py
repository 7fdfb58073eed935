"""LitServe around the same graph: ``python peer_litserve.py MODEL PORT BATCH``.

JPEG bytes come in JSON, as base64: a form's file cannot pass from LitServe's front to its worker,
whose queue pickles what it carries. Batching is as its guide has it, with a window of two
milliseconds.
"""

from __future__ import annotations

import base64
import sys

import litserve
import numpy as np
from peer_prepare import Model


class Predict(litserve.LitAPI):
    """Decode in `decode_request`, which LitServe runs in the worker."""

    def setup(self, device: str) -> None:
        """Load the graph, in the worker."""
        self.model = Model(sys.argv[1])

    def decode_request(self, request: dict[str, str], **_: object) -> np.ndarray:
        """Read the image."""
        return self.model.prepare(base64.b64decode(request["image"]))

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
