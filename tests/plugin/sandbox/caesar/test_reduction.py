"""Reducers as pure functions of extracts, with filters, grouping and running mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zooassist_plugin.sandbox.caesar.filters import MissingGroupingField
from zooassist_plugin.sandbox.caesar.reduction import (
    Outcome,
    ReductionFailed,
    is_blank,
    reduce_extracts,
    split_answer,
)
from zooassist_plugin.sandbox.caesar.tables import Extract, Reducer, SubjectReduction

START = datetime(2026, 6, 1, tzinfo=UTC)


def made(number, data, key="q", classification=None, user=None, subject=1, minute=None):
    return Extract(
        id=number,
        data=data,
        extractor_key=key,
        classification_id=number if classification is None else classification,
        user_id=user,
        subject_id=subject,
        classification_at=START + timedelta(minutes=number if minute is None else minute),
    )


def machine(number, data, key="machineLearnt"):
    extract = made(number, data, key)
    extract.classification_id = None
    return extract


def refuse(_reducer, _extracts, _before):
    raise AssertionError("no external call expected")


def run(kind, extracts, stored=None, training=None, **settings):
    reducer = Reducer(
        id=1,
        key="r",
        type=kind,
        filters=settings.pop("filters", {}),
        grouping=settings.pop("grouping", {}),
        reduction_mode=settings.pop("mode", "default_reduction"),
        config=settings,
    )
    return reduce_extracts(reducer, extracts, stored or {}, training or {}, refuse)


def data(kind, extracts, **settings):
    (result,) = run(kind, extracts, **settings)
    return result.data


def test_count():
    extracts = [made(1, {}, "a"), made(2, {}, "b", classification=1), made(3, {})]
    assert data("count", extracts) == {"classifications": 2, "extracts": 3}
    assert data("count", []) == {"classifications": 0, "extracts": 0}


def test_stats_adds_numbers_and_booleans():
    extracts = [made(1, {"a": 1, "b": True}), made(2, {"a": 2.5, "b": False})]
    assert data("stats", extracts) == {"a": 3.5, "b": 1}
    with pytest.raises(ReductionFailed, match="stats adds numbers; a is 'text'"):
        run("stats", [made(1, {"a": "text"})])


def test_consensus():
    extracts = [made(1, {"0": 1}), made(2, {"0": 1, "1": 1}), made(3, {"1": 1, "0": 1})]
    assert data("consensus", extracts) == {
        "most_likely": "0+1",
        "num_votes": 2,
        "agreement": pytest.approx(2 / 3),
    }
    assert data("consensus", []) == {"num_votes": 0}


def test_unique_count():
    extracts = [made(1, {"f": "a"}), made(2, {"f": "a"}), made(3, {"f": [2, 1]}), made(4, {})]
    assert data("unique_count", extracts, field="f") == 3


def test_summary_stats():
    values = [made(number, {"iou": number}) for number in (1, 2, 3, 4, 4)]
    names = ["count", "min", "max", "sum", "product", "mean", "sse", "variance", "stdev"]
    operations = [*names, "first", "median", "mode"]
    found = data("summary_stats", values, summarize_field="q.iou", operations=operations)
    assert found == pytest.approx(
        {
            "count": 5,
            "min": 1,
            "max": 4,
            "sum": 14,
            "product": 96,
            "mean": 2.8,
            "sse": 6.8,
            "variance": 1.7,
            "stdev": 1.7**0.5,
            "first": 1,
            "median": 3,
            "mode": 4,
        }
    )


def test_summary_stats_without_values():
    found = data(
        "summary_stats",
        [made(1, {"other": 1})],
        summarize_field="iou",
        operations=["count", "mean", "variance"],
    )
    assert found == {"count": 0, "mean": None, "variance": None}


def test_summary_stats_running_equals_default():
    values = [made(number, {"iou": number / 3}) for number in range(1, 8)]
    operations = ["mean", "variance", "median", "first"]
    settings = {"summarize_field": "iou", "operations": operations}
    (half,) = run("summary_stats", values[:3], mode="running_reduction", **settings)
    stored = {"_default": SubjectReduction(data=half.data, store=half.store, extract_ids=[1, 2, 3])}
    (whole,) = run("summary_stats", values, stored, mode="running_reduction", **settings)
    assert whole.data == pytest.approx(data("summary_stats", values, **settings))


@pytest.mark.parametrize("kind", ["count", "stats", "consensus"])
def test_running_counts_each_extract_once(kind):
    first, second = made(1, {"0": 1}), made(2, {"0": 1})
    (one,) = run(kind, [first], mode="running_reduction")
    assert one.extract_ids == (1,)
    stored = {"_default": SubjectReduction(data=one.data, store=one.store, extract_ids=[1])}
    (two,) = run(kind, [first, second], stored, mode="running_reduction")
    assert two.extract_ids == (1, 2)
    assert two.data == data(kind, [first, second])


# first_extract and placeholder: the two that carry proposals.


def test_first_extract_takes_the_earliest():
    late, early = made(1, {"data": [2]}, minute=9), made(2, {"data": [1]}, minute=3)
    assert data("first_extract", [late, early]) == {"data": [1]}


def test_first_extract_in_default_mode_follows_the_extract():
    stored = {"_default": SubjectReduction(data={"data": [1]}, store={}, extract_ids=[])}
    (result,) = run("first_extract", [machine(1, {"data": [2]})], stored)
    assert result.data == {"data": [2]}


def test_first_extract_in_running_mode_never_replaces_data():
    stored = {"_default": SubjectReduction(data={"data": [1]}, store={}, extract_ids=[])}
    settings = {"mode": "running_reduction"}
    (result,) = run("first_extract", [machine(1, {"data": [2]})], stored, **settings)
    assert result.data == {"data": [1]}
    empty = {"_default": SubjectReduction(data={}, store={}, extract_ids=[])}
    (result,) = run("first_extract", [machine(1, {"data": [2]})], empty, **settings)
    assert result.data == {"data": [2]}


@pytest.mark.parametrize("nothing", [{}, [], "", None])
def test_first_extract_drops_blank_data(nothing):
    assert run("first_extract", [machine(1, nothing)]) == []
    assert run("first_extract", []) == []


def test_first_extract_keeps_an_empty_list_of_marks_and_a_plain_string():
    assert data("first_extract", [machine(1, {"data": []})]) == {"data": []}
    assert data("first_extract", [machine(1, '{"x": NaN}')]) == '{"x": NaN}'


def test_a_live_extractor_that_shares_the_key_wins_if_it_came_first():
    live = made(1, {"blank": False}, key="machineLearnt")
    filters = {"extractor_keys": ["machineLearnt"]}
    proposal = machine(2, {"data": []})
    assert data("first_extract", [live, proposal], filters=filters) == {"blank": False}


def test_placeholder_is_never_written():
    assert run("placeholder", [made(1, {"a": 1})]) == []


@pytest.mark.parametrize(
    ("value", "blank"),
    [
        (None, True),
        (False, True),
        ({}, True),
        ([], True),
        (" ", True),
        (0, False),
        ({"data": []}, False),
    ],
)
def test_blank_is_rubys(value, blank):
    assert is_blank(value) is blank


# External answers.


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"data": {"data": []}, "store": {"n": 1}}, Outcome({"data": []}, {"n": 1})),
        ({"data": [1], "store": {}}, Outcome([1], {})),
        ({"data": [1], "model": "m"}, Outcome({"data": [1], "model": "m"}, {})),
        ({"data": [1]}, Outcome({"data": [1]}, {})),
        ({"a": 1, "_store": {"n": 2}}, Outcome({"a": 1}, {"n": 2})),
        ({"data": 1, "store": 2, "x": 3}, Outcome({"data": 1, "store": 2, "x": 3}, {})),
        (None, Outcome(None)),
    ],
)
def test_split_answer(answer, outcome):
    assert split_answer(answer) == outcome


# Filters and grouping.


def counted(extracts, training=None, **filters):
    return data("count", extracts, training=training, filters=filters)["extracts"]


def test_repeated_classifications():
    extracts = [
        made(1, {"a": 1}, user=7),
        made(2, {"a": 2}, user=7),
        made(3, {"a": 3}, user=None),
        made(4, {"a": 4}, user=None),
        made(5, {"a": 5}, user=7, subject=2),
    ]
    assert counted(extracts) == 4
    assert counted(extracts, repeated_classifications="keep_all") == 5
    first = {"filters": {"repeated_classifications": "keep_first"}}
    last = {"filters": {"repeated_classifications": "keep_last"}}
    assert data("first_extract", extracts, **first) == {"a": 1}
    assert data("first_extract", extracts, **last) == {"a": 2}


def test_range_is_inclusive_and_counts_classifications():
    extracts = [made(number, {"n": number}) for number in range(1, 6)]
    extracts.append(made(6, {"n": 6}, classification=1, minute=1))
    assert counted(extracts, **{"from": 1}) == 4
    assert counted(extracts, to=1) == 3
    assert counted(extracts, **{"from": 1, "to": -2}) == 3
    assert counted(extracts, **{"from": -2}) == 2


def test_extractor_keys_and_empty_extracts():
    extracts = [made(1, {}, key="a"), made(2, {"x": 1}, key="a"), made(3, {}, key="b")]
    assert counted(extracts, extractor_keys=["a"]) == 2
    assert counted(extracts, empty_extracts="ignore_empty") == 1


def test_training_behavior():
    extracts = [made(1, {"a": 1}, subject=1), made(2, {"a": 1}, subject=2)]
    training = {1: True, 2: False}
    assert counted(extracts, training) == 2
    assert counted(extracts, training, training_behavior="training_only") == 1
    assert counted(extracts, training, training_behavior="experiment_only") == 1


def test_grouping_makes_one_reduction_per_value():
    extracts = [
        made(1, {"survey": "lion"}, key="s"),
        made(2, {"n": 1}, key="q", classification=1),
        made(3, {"survey": "gnu"}, key="s"),
        made(4, {"n": 1}, key="q", classification=3),
        made(5, {"n": 1}, key="q"),
    ]
    grouping = {"field_name": "s.survey"}
    results = run("count", extracts, grouping=grouping)
    assert {one.subgroup: one.data["extracts"] for one in results} == {"lion": 2, "gnu": 2}
    with pytest.raises(MissingGroupingField, match=r"s\.survey"):
        run("count", extracts, grouping={**grouping, "if_missing": "error"})
