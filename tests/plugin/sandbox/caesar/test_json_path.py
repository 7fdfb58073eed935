"""JSONPath as pluck_field needs it."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.json_path import find_all

DOCUMENT = {
    "metadata": {"session": "abc", "dims": [{"w": 1}, {"w": 2}]},
    "annotations": {"T0": [{"value": 3}], "T0.0.0": [{"value": 4}]},
    "a b": {"value": None},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.metadata.session", ["abc"]),
        ("metadata.session", ["abc"]),
        ("$.annotations.T0[0].value", [3]),
        ("$['annotations']['T0.0.0'][0]['value']", [4]),
        ('$["a b"].value', [None]),
        ("$.metadata.dims[*].w", [1, 2]),
        ("$.metadata.dims[-1].w", [2]),
        ("$.metadata.dims[7].w", []),
        ("$..w", [1, 2]),
        ("$..dims[0].w", [1]),
        ("$.annotations.*", [[{"value": 3}], [{"value": 4}]]),
        ("$.nothing.here", []),
    ],
)
def test_paths(path, found):
    assert find_all(path, DOCUMENT) == found


@pytest.mark.parametrize("path", ["", "$", "$.a[?(@.b)]", "$.a[1:2]", "$.a b"])
def test_what_cannot_be_read_is_an_error(path):
    with pytest.raises(ValueError, match="JSONPath"):
        find_all(path, DOCUMENT)
