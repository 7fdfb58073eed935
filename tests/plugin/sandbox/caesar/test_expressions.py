"""Conditions of rules."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.expressions import (
    Bindings,
    ConditionFailed,
    InvalidCondition,
    compile_condition,
)

TABLES = {
    "count": {"classifications": 3},
    "votes": {"smooth": 4, "featured": 1},
    "unique": 5,
    "subject": {"#label": "Spiral", "zooniverse_subject_id": 12},
}


def const(value):
    return ["const", value]


def value_of(told):
    return compile_condition(told)(Bindings(TABLES))


@pytest.mark.parametrize(
    ("told", "value"),
    [
        (["const", "x"], "x"),
        (["lookup", "count.classifications", 0], 3),
        (["lookup", "count.absent", 7], 7),
        (["lookup", "absent.classifications", 7], 7),
        (["lookup", "unique", 0], 5),
        (["lookup", "subject.#label", ""], "Spiral"),
        (["lookup", "subject.zooniverse_subject_id", 0], 12),
        (["eq", const(1), const(1), const(1)], True),
        (["eq", const(1), const(1), const(2)], False),
        (["gt", const(2), const(1)], True),
        (["gte", const(2), const(2)], True),
        (["lt", const(1), const(2), const(3)], True),
        (["lt", const(1), const(3), const(2)], False),
        (["lte", const(2), const(2)], True),
        (["and", const(True), const(0)], True),
        (["and", const(True), const(None)], False),
        (["or", const(False), const(None)], False),
        (["or", const(False), const(1)], True),
        (["not", const(False)], True),
        (["not", const(0)], False),
        (["+", const(1), const(2), const(3)], 6),
        (["-", const(5), const(2), const(1)], 2),
        (["*", const(2), const(3)], 6),
        (["/", const(1), const(2)], 0.5),
        (["/", const(1), const(0)], float("inf")),
        (["%", const(7), const(4)], 3),
        (["int", const("12 galaxies")], 12),
        (["to_i", const(2.9)], 2),
        (["float", const("2.5e1x")], 25.0),
        (["to_f", const(None)], 0.0),
        (["upcase", const("a")], "A"),
        (["downcase", ["lookup", "subject.#label", ""]], "spiral"),
        (["any", "votes", ["gte", ["lookup", "value", 0], const(4)]], True),
        (["all", "votes", ["gte", ["lookup", "value", 0], const(4)]], False),
        (["any", "votes", ["eq", ["lookup", "key", ""], const("featured")]], True),
    ],
)
def test_operators(told, value):
    assert value_of(told) == value


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (["explode", 1], "expected a list that starts with one of"),
        ("eq", "expected a list"),
        ([], "expected a list"),
        (["and", ["const", 1], 5], "expected a list"),
        (["lookup", "a.b"], "lookup takes a key and a default"),
        (["const"], "const takes 1 argument"),
        (["not"], "not takes 1 arguments"),
        (["and"], "at least one operand"),
        (["any", "votes"], "any takes 2 arguments"),
    ],
)
def test_wrong_conditions_say_where(told, message):
    with pytest.raises(InvalidCondition, match=message):
        compile_condition(told)


@pytest.mark.parametrize(
    "told",
    [
        ["gt", ["const", "text"], ["const", 1]],
        ["+", ["const", None], ["const", 1]],
        ["%", ["const", 1], ["const", 0]],
        ["upcase", ["const", 1]],
        ["any", "absent", ["const", True]],
    ],
)
def test_values_that_do_not_fit_fail_the_check(told):
    with pytest.raises(ConditionFailed):
        value_of(told)
