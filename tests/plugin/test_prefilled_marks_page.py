"""The page about pre-filled marks names tests that exist and the numbers of the code."""

import ast
import re
from pathlib import Path

from zooassist_plugin.presenters import machine_learnt, mending, subtasks

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "prefilled-marks.md"
TABLE = ast.parse((HERE / "test_failure_table.py").read_text(encoding="utf-8"))
TESTS = {node.name for node in TABLE.body if isinstance(node, ast.FunctionDef)}


def test_every_named_test_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert named - TESTS == set()
    assert len(named) > 20


def test_the_numbers_are_those_of_the_code():
    text = PAGE.read_text(encoding="utf-8")
    assert f"over {machine_learnt.MAXIMUM_BYTES:,} bytes" in text
    assert f"up to {mending.DENSIFIED_PATH_POINTS} points" in text
    assert f"under {mending.MINIMUM_PATH_POINTS} points" in text
    assert f"thinned to {mending.MAXIMUM_VERTICES} vertices" in text
    assert f"within {mending.CLOSED_WITHIN:g} px" in text
    assert f"under {subtasks.REACHED} is left open" in text
    assert f"at least {subtasks.CHOSEN}." in text
