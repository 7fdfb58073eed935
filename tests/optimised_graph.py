"""What does onnxruntime make of a graph when it loads it?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import onnxruntime


def optimised_nodes(graph: bytes, folder: Path) -> Counter[str]:
    """What onnxruntime runs, after its own changes that hold on every machine."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.graph_optimization_level = level
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    model = onnx.load_model(folder / "optimised.onnx")
    return Counter(node.op_type for node in model.graph.node)
