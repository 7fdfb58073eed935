"""ONNX models behind one data plane: HTTP, batch and command line."""
