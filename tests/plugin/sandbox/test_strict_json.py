from __future__ import annotations

import json
import math

import pytest

from zooassist_plugin.sandbox.cell_json import cell_json
from zooassist_plugin.sandbox.strict_json import parse_json

BAD_JSON = {
    "infinite": "1e999",
    "negative infinite": "[-1e999]",
    "NaN": "NaN",
    "Infinity": '{"a": Infinity}',
    "half surrogate": '"\\ud800"',
    "half surrogate in a key": '{"\\udc00": 1}',
    "NUL": '"a\\u0000b"',
    "NUL in a key": '[{"a\\u0000": 1}]',
    "NUL at the deepest level": "[" * 100 + '"\\u0000"' + "]" * 100,
    "too deep": "[" * 101 + "]" * 101,
    "not UTF-8": b'"\xff"',
    "broken": "{",
}


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_what_no_export_could_carry_is_not_json(text):
    with pytest.raises(ValueError, match=r"JSON|column|NUL|deeper"):
        parse_json(text)


@pytest.mark.parametrize(
    "text", ['"\\ud83d\\ude00"', '"\\\\u0000"', "-0.0", "[" * 100 + "]" * 100, '{"a": [null, ""]}']
)
def test_everything_else_is_read_as_it_is(text):
    assert parse_json(text) == json.loads(text)


def test_cells_hold_json_whatever_the_row_holds():
    stored = {"a": [math.inf, {"b": math.nan}], "c\ud800": "é\u2028\u2029", "d": 0.1}
    cell = cell_json(stored)
    assert cell == '{"a":[null,{"b":null}],"c?":"é\\u2028\\u2029","d":0.1}'
    assert json.loads(cell)["c?"] == "é\u2028\u2029"
