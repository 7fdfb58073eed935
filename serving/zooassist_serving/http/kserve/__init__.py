"""KServe's door: the Open Inference Protocol, version 2, over HTTP."""
