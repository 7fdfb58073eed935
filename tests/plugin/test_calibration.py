from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from zooassist_plugin.calibration import METHOD, NO_CALIBRATION, Calibration, TemperatureMap
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec, model_version

SHA = "ab" * 32
SPEC = Preprocessing(size=64)
SCHEMA = {
    "questions": [
        {
            "name": "odd",
            "task": "T0",
            "type": "single",
            "asked_after": [],
            "answers": [
                {"label": "Yes", "index": 0, "column": "odd_yes"},
                {"label": "No", "index": 1, "column": "odd_no"},
            ],
        }
    ]
}
WARM = {"map": "temperature", "temperature": 1.5, "sharpness": 0.5}
LINEAR = {"map": "dirichlet", "weights": [[1, 0.1], [0, 1]], "bias": [0, 0.2], "sharpness": 2}


def calibration(**questions) -> Calibration:
    return Calibration.model_validate({"method": METHOD, "questions": questions})


def card(made: Calibration, **changes) -> ModelCard:
    fields = {
        "name": "odd-ones",
        "version": model_version(SHA, SPEC, made),
        "sha256": SHA,
        "kind": "votes",
        "inputs": [TensorSpec(name="image", dtype="uint8", shape=("batch", 64, 64, 3))],
        "outputs": [TensorSpec(name="concentrations", dtype="float32", shape=("batch", 1, 2))],
        "preprocessing": SPEC,
        "label_schema": SCHEMA,
        "licence": "CC0-1.0",
        "calibration": made,
    }
    return ModelCard.model_validate(fields | changes)


@pytest.mark.parametrize("each", [WARM, LINEAR])
def test_written_and_read_is_the_same(each, tmp_path):
    original = card(calibration(odd=each))
    original.write(tmp_path)
    assert ModelCard.read(tmp_path) == original


def test_none_is_an_empty_object_and_leaves_the_version_as_it_was(tmp_path):
    plain = card(NO_CALIBRATION)
    plain.write(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["calibration"] == {}
    assert plain.version == model_version(SHA, SPEC)
    assert not ModelCard.read(tmp_path).calibration


def test_a_calibration_is_part_of_the_version():
    warm, linear = calibration(odd=WARM), calibration(odd=LINEAR)
    hotter = calibration(odd=WARM | {"temperature": 1.6})
    versions = {model_version(SHA, SPEC, each) for each in (NO_CALIBRATION, warm, linear, hotter)}
    assert len(versions) == 4


@pytest.mark.parametrize(
    "damage",
    [
        {"temperature": float("nan")},
        {"temperature": 0},
        {"temperature": "1.5"},
        {"sharpness": float("inf")},
        {"sharpness": -1},
        {"sharpness": None},
        {"map": "isotonic"},
        {"extra": 1},
    ],
)
def test_a_damaged_map_is_refused(damage, tmp_path):
    card(calibration(odd=WARM)).write(tmp_path)
    path = tmp_path / "model.json"
    content = json.loads(path.read_text())
    content["calibration"]["questions"]["odd"] |= damage
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput, match="calibration"):
        ModelCard.read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"questions": {"odd": WARM}},
        {"method": "other", "questions": {"odd": WARM}},
        {"method": METHOD},
        {"method": METHOD, "questions": {"odd": LINEAR | {"bias": [0]}}},
        {"method": METHOD, "questions": {"odd": LINEAR | {"weights": [[1, 0], [1]]}}},
        ["temperature"],
    ],
)
def test_another_form_is_refused(content, tmp_path):
    card(NO_CALIBRATION).write(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"calibration": content}))
    with pytest.raises(BadInput, match="calibration"):
        ModelCard.read(tmp_path)


def test_numbers_changed_by_hand_are_noticed(tmp_path):
    card(calibration(odd=WARM)).write(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"temperature": 1.5', '"temperature": 1.4'))
    with pytest.raises(BadInput, match="changed by hand"):
        ModelCard.read(tmp_path)


def test_of_another_model():
    with pytest.raises(ValidationError, match="expected one of odd"):
        card(calibration(bar=WARM))
    three = {"map": "dirichlet", "weights": [[1.0, 0, 0]] * 3, "bias": [0] * 3, "sharpness": 1}
    with pytest.raises(ValidationError, match="expected 2 answers"):
        card(calibration(odd=three))
    other = {
        "kind": "embedding",
        "outputs": [TensorSpec(name="embedding", dtype="float32", shape=("batch", 2))],
    }
    made = calibration(odd=WARM)
    with pytest.raises(ValidationError, match="has no calibration"):
        card(made, **other)


def test_frozen():
    with pytest.raises(ValidationError):
        TemperatureMap(temperature=1.0, sharpness=1.0).temperature = 2.0
