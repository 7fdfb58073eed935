"""How fast is the graph alone? ``session.run`` of one image after its decoding, and nothing else.

``python raw.py MODEL SECONDS IMAGE…`` prints JSON. The caller pins it to the server's core.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime


def main() -> int:
    """Run for some seconds, one image after the other."""
    folder = load_model_folder(sys.argv[1])
    seconds = float(sys.argv[2])
    images = [Path(path).read_bytes() for path in sys.argv[3:]]
    session = OnnxRuntime(folder.onnx_path, threads=1, sha256=folder.card.sha256).session()
    spec = folder.card.preprocessing
    for image in images[:20]:
        session.run(None, {"image": prepare(decode_image(image), spec)[None]})
    both: list[float] = []
    graph: list[float] = []
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds or len(both) < 20:
        first = time.perf_counter()
        array = prepare(decode_image(images[len(both) % len(images)]), spec)[None]
        second = time.perf_counter()
        session.run(None, {"image": array})
        third = time.perf_counter()
        both.append(third - first)
        graph.append(third - second)
    took = time.perf_counter() - begun
    json.dump(
        {
            "rate": len(both) / took,
            "p50": statistics.median(both),
            "graph_p50": statistics.median(graph),
        },
        sys.stdout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
