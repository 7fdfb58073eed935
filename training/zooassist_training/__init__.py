"""Labels to networks to ONNX; the only room that imports torch."""
