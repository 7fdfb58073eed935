"""Which version of a model answers? Versions kept by digest, and a pointer that is replaced whole.

::

    <repository>/<model>/<version>/model.onnx, model.json     never changed
    <repository>/<model>/release.json                         which version answers; see `release`

A repository is a folder, or a prefix of an S3 bucket.
"""
