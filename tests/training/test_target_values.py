from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zooassist_exporters.training_set import SubjectRow, TrainingSet, read_training_set
from zooassist_exporters.training_set import write_training_set as write
from zooassist_plugin.errors import BadInput
from zooassist_training.target_values import (
    Wish,
    describe_target,
    number_of,
    parse_wishes,
    read_columns,
    remark,
)
from zooassist_training.value_surveys import read_value_surveys


def a_set(folder: Path, schema, metadata: list[dict], first: int = 0) -> TrainingSet:
    """All in the split to train on; no images, which these checks do not wait for."""
    rows = [SubjectRow(first + i, metadata=each, split="train") for i, each in enumerate(metadata)]
    return read_training_set(write(folder, rows, [[1, 2, 0, 1, 1]] * len(rows), schema))


def test_what_people_ask_for():
    assert parse_wishes(["redshift", "radius=arcsec, bar length"]) == (
        Wish("redshift"),
        Wish("radius", "arcsec"),
        Wish("bar length"),
    )
    assert parse_wishes([]) == ()
    for wrong in ("", "a,,b", "=arcsec", "radius="):
        with pytest.raises(BadInput, match=r"expected COLUMN or COLUMN=UNIT"):
            parse_wishes([wrong])
    with pytest.raises(BadInput, match="'z' is given twice"):
        parse_wishes(["z", "z=1"])


def test_numbers_as_people_write_them(schema, tmp_path):
    said = [0.5, "0.25", " 1e-1 ", 3, "", None, "NaN", float("nan"), "N/A", "high", True, "inf", []]
    data = a_set(tmp_path / "set", schema, [*({"z": each} for each in said), {}, {"other": 1}])
    column = read_columns(data, ["z"])["z"]
    assert column.values[:4].tolist() == [0.5, 0.25, 0.1, 3.0]
    assert np.isnan(column.values[4:]).all()
    assert column.broken == ((9, "high"), (10, "True"), (11, "inf"), (12, "[]"))
    assert remark("z", column) == (
        "target 'z': 4 values are no finite numbers and are taken as missing: 'high' of subject 9, "
        "'True' of subject 10, 'inf' of subject 11, …"
    )
    assert remark("other", read_columns(data, ["other"])["other"]) is None
    assert number_of(1e39) is None, "infinite in 32 bits"


def test_a_count_of_votes_can_be_learnt_too(schema, tmp_path):
    data = a_set(tmp_path / "set", schema, [{"bar_yes": 7.5}, {}])
    columns = read_columns(data, ["bar_yes", "bar_no", "subject_id", "nothing"])
    assert columns["bar_yes"].values[0] == 7.5, "metadata come first"
    assert columns["bar_no"].values.tolist() == [1, 1]
    assert not columns["subject_id"].present
    assert not columns["nothing"].present


def test_what_a_target_is_like():
    target = describe_target(Wish("z", "km/s"), np.array([1.0, np.nan, 3.0]))
    assert (target.mean, target.scale, target.low, target.high) == (2.0, 1.0, 1.0, 3.0)
    assert target.unit == "km/s"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, np.nan], "values of at least 2 subjects to train on, got 1 of 2"),
        ([2.0, 2.0, 2.0], r"differ by more than .*, got 3 from 2 to 2; there is nothing to learn"),
        ([59000.01, 59000.02], "subtract what all have in common"),
        ([0.0, 0.0], "nothing to learn"),
    ],
)
def test_targets_that_teach_nothing(values, message):
    with pytest.raises(BadInput, match=message):
        describe_target(Wish("z"), np.array(values))


def test_targets_that_are_not_there_are_named_with_what_is(schema, tmp_path):
    data = a_set(tmp_path / "set", schema, [{"redshift": "0.1", "name": "x"}, {"mass": 3}])
    with pytest.raises(BadInput, match=r"no subject has metadata 'z'.*: redshift, mass"):
        read_value_surveys([data.path], [Wish("z"), Wish("mass")])
    bare = a_set(tmp_path / "bare", schema, [{}])
    with pytest.raises(BadInput, match="there is none"):
        read_value_surveys([bare.path], [Wish("z")])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["NGC 1", "NGC 2"], r"got none, but 'NGC 1' of subject 0, 'NGC 2' of subject 1; name an"),
        (["", None], "got none, only empty values"),
    ],
)
def test_targets_without_a_number(schema, tmp_path, said, message):
    data = a_set(tmp_path / "set", schema, [{"z": each} for each in said])
    with pytest.raises(BadInput, match=message):
        read_value_surveys([data.path], [Wish("z")])


def test_sets_need_not_have_all_targets_but_one(schema, tmp_path):
    first = a_set(tmp_path / "first", schema, [{"z": 1}, {"z": 2, "mass": 5}])
    second = a_set(tmp_path / "second", schema, [{"mass": 7}, {"mass": "?"}], first=10)
    found = read_value_surveys([first.path, second.path], [Wish("z"), Wish("mass")])
    assert [survey.name for survey in found.surveys] == ["first", "second"]
    assert np.isnan(found.surveys[1].values[:, 0]).all()
    assert found.taught.targets[1].mean == 6.0
    assert found.broken == (
        "second: target 'mass': 1 values are no finite numbers and are taken as missing: '?' of "
        "subject 11",
    )
    third = a_set(tmp_path / "third", schema, [{}], first=20)
    with pytest.raises(BadInput, match="third: no subject has any of the targets z, mass"):
        read_value_surveys([first.path, third.path], [Wish("z"), Wish("mass")])


def test_only_what_is_learnt_from_says_what_a_target_is_like(schema, tmp_path):
    rows = [
        SubjectRow(i, metadata={"z": float(i)}, split=split)
        for i, split in enumerate(("train", "train", "validation", "test"))
    ]
    folder = write(tmp_path / "set", rows, [[1, 2, 0, 1, 1]] * 4, schema)
    assert read_value_surveys([folder], [Wish("z")]).taught.targets[0].high == 1
    both = read_value_surveys([folder], [Wish("z")], ("train", "validation"))
    assert both.taught.targets[0].high == 2
