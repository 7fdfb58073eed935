"""ONNX models behind one data plane: HTTP, batch and command line."""

import os

# From 1.29 on, onnxruntime tells Microsoft the names and digests of the models it runs, and keeps a
# number for the machine in the user's home. What a project predicts with is its own affair. This
# has to be said before onnxruntime loads (its Python switch comes too late for the number); a
# user's own setting is kept.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
