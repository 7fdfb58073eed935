"""JPEG bytes -> what the graph takes, for the peers: as fast as ours, and without our code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import simplejpeg
from PIL import Image


class Model:
    """The same ONNX file, on one thread."""

    def __init__(self, folder: str) -> None:
        card = json.loads((Path(folder) / "model.json").read_text())
        self.size, self.crop = card["preprocessing"]["size"], card["preprocessing"]["crop"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            str(Path(folder) / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, data: bytes) -> np.ndarray:
        """Decode, crop and resize."""
        pixels = simplejpeg.decode_jpeg(data, "RGB")
        height, width = pixels.shape[:2]
        side = round(self.crop * min(height, width))
        top, left = (height - side) // 2, (width - side) // 2
        square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        if side == self.size:
            return square
        resized = Image.fromarray(square).resize((self.size, self.size), Image.Resampling.LANCZOS)
        return np.asarray(resized, dtype=np.uint8)

    def run(self, images: np.ndarray) -> list[list[float]]:
        """Return the concentrations of each image."""
        return self.session.run(["concentrations"], {"image": images})[0][:, 0].tolist()
