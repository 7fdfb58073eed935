from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec, model_version
from zooassist_plugin.targets import Target, Targets

SHA = "ab" * 32
REDSHIFT = Target(name="redshift", mean=0.1, scale=0.05, low=0.0, high=0.4)
RADIUS = Target(name="bar length", unit="arcsec", mean=5.0, scale=2.0, low=1.0, high=9.0)
SCHEMA = {
    "questions": [
        {
            "name": "odd",
            "task": "T0",
            "type": "single",
            "asked_after": [],
            "answers": [{"label": "Yes", "index": 0, "column": "odd_yes"}],
        }
    ]
}


def card(**changes) -> ModelCard:
    spec = Preprocessing(size=64)
    fields = {
        "name": "numbers",
        "version": model_version(SHA, spec),
        "sha256": SHA,
        "kind": "values",
        "inputs": [TensorSpec(name="image", dtype="uint8", shape=("batch", 64, 64, 3))],
        "outputs": [TensorSpec(name="values", dtype="float32", shape=("batch", 1, 2, 2))],
        "preprocessing": spec,
        "targets": [REDSHIFT, RADIUS],
        "licence": "CC0-1.0",
    }
    return ModelCard.model_validate(fields | changes)


def test_a_card_of_values_is_written_and_read(tmp_path):
    original = card()
    original.write(tmp_path)
    read = ModelCard.read(tmp_path)
    assert read == original
    assert isinstance(read.answers, Targets)
    assert read.answers.columns == ("redshift", "bar length")
    stored = json.loads((tmp_path / "model.json").read_text())["targets"]
    assert "unit" not in stored[0], "a unit that nobody said"
    assert stored[1]["unit"] == "arcsec"
    assert read.answers.to_json() == stored
    assert RADIUS.label == "bar length (arcsec)"
    with pytest.raises(BadInput, match=r"kind 'votes'\), got kind 'values'"):
        _ = read.schema_of_votes


def test_cards_of_votes_do_not_name_targets(tmp_path):
    votes = card(
        kind="votes",
        targets=(),
        label_schema=SCHEMA,
        outputs=[TensorSpec(name="concentrations", dtype="float32", shape=("batch", 1, 1))],
    )
    assert "targets" not in votes.to_json()
    assert votes.answers == votes.label_schema


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ()}, "needs targets"),
        ({"kind": "embedding", "outputs": [{"name": "embedding", "dtype": "float32",
                                            "shape": ["batch", 3]}]}, "no other has any"),
        ({"targets": [REDSHIFT, REDSHIFT]}, "expected each name once"),
        ({"outputs": [{"name": "mask", "dtype": "float32", "shape": ["batch", 1]}]},
         "output named 'values'"),
    ],
)  # fmt: skip
def test_cards_that_contradict_themselves(changes, message):
    with pytest.raises(ValidationError, match=message):
        card(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": " redshift"},
        {"scale": 0.0},
        {"scale": float("nan")},
        {"mean": float("inf")},
        {"low": 1.0},
        {"unit": ""},
    ],
)
def test_targets_that_cannot_be(changes):
    with pytest.raises(ValidationError):
        Target.model_validate(REDSHIFT.model_dump() | changes)


def test_targets_together():
    with pytest.raises(BadInput, match="'redshift' is named twice"):
        Targets((REDSHIFT, REDSHIFT))
    with pytest.raises(BadInput, match="at least one"):
        Targets(())
