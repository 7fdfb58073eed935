from __future__ import annotations

import numpy as np
import pytest

from zooassist_plugin.calibration import METHOD, NO_CALIBRATION, Calibration
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.calibration import calibrate
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.model_folder import write_model_folder

WARM = {"map": "temperature", "temperature": 2.0, "sharpness": 0.5}


def made(**questions) -> Calibration:
    return Calibration.model_validate({"method": METHOD, "questions": questions})


@pytest.fixture(scope="module")
def schema(tiny_folder) -> LabelSchema:
    return tiny_folder.card.schema_of_votes


@pytest.fixture
def alphas() -> np.ndarray:
    return np.random.default_rng(3).uniform(0.02, 60, (7, 4, 5)).astype(np.float32)


def test_without_a_map_nothing_changes(alphas, schema):
    assert calibrate(alphas, schema, NO_CALIBRATION) is alphas


def test_the_identity_map_changes_nothing(alphas, schema):
    identity = {"weights": np.eye(3).tolist(), "bias": [0, 0, 0], "sharpness": 1}
    same = made(
        **{
            "smooth-or-featured": identity | {"map": "dirichlet"},
            "bar": {"map": "temperature", "temperature": 1, "sharpness": 1},
        }
    )
    np.testing.assert_allclose(calibrate(alphas, schema, same), alphas, rtol=1e-6)


def test_temperature_divides_log_odds_and_sharpness_scales_the_sum(alphas, schema):
    after = calibrate(alphas, schema, made(bar=WARM))
    np.testing.assert_allclose(after[..., :3], alphas[..., :3])
    before = alphas.astype(np.float64)
    np.testing.assert_allclose(
        np.log(after[..., 3] / after[..., 4]), np.log(before[..., 3] / before[..., 4]) / 2
    )
    np.testing.assert_allclose(after[..., 3:].sum(-1), before[..., 3:].sum(-1) / 2)


def test_linear_map_by_hand(schema):
    alphas = np.array([[[1.0, 1, 1, 6, 2]]])
    swap = {"map": "dirichlet", "weights": [[0, 1], [1, 0]], "bias": [0, 0], "sharpness": 2}
    np.testing.assert_allclose(calibrate(alphas, schema, made(bar=swap))[0, 0, 3:], [4, 12])
    lift = {"map": "dirichlet", "weights": [[1, 0], [0, 1]], "bias": [np.log(2), 0]}
    lifted = calibrate(alphas, schema, made(bar=lift | {"sharpness": 1}))
    np.testing.assert_allclose(lifted[0, 0, 3:], [8 * 12 / 14, 8 * 2 / 14])


@pytest.mark.parametrize("temperature", [0.01, 100.0])
def test_positive_and_finite_whatever_comes_in(temperature, schema):
    extreme = np.array([[[1e-6, 1e4, 1, 1e-6, 1e4]]], dtype=np.float32)
    each = {"map": "temperature", "temperature": temperature, "sharpness": 0.01}
    after = calibrate(extreme, schema, made(bar=each))
    assert np.isfinite(after).all()
    assert (after > 0).all()


def test_array_or_map_of_another_model(alphas, schema):
    with pytest.raises(BadInput, match="not of the same model"):
        calibrate(alphas[..., :4], schema, made(bar=WARM))
    with pytest.raises(BadInput, match="of another model"):
        calibrate(alphas, schema, made(rings=WARM))


def test_every_answer_of_the_data_plane_is_calibrated(make_onnx, make_card, png, tmp_path):
    data = make_onnx()
    plain = write_model_folder(data, make_card(data), tmp_path / "plain")
    card = make_card(data, name="warm", calibration=made(bar=WARM))
    warm = write_model_folder(data, card, tmp_path / "warm")
    assert plain.card.version != warm.card.version
    plane = DataPlane([plain, warm], threads=1)
    items = [Item(colour, png(colour)) for colour in ("red", "blue")]
    before, after = (list(plane.predict(name, items)) for name in ("tiny", "warm"))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other.fractions[:3], one.fractions[:3])
        odds = [each.fractions[3] / each.fractions[4] for each in (one, other)]
        assert np.log(odds[1]) == pytest.approx(np.log(odds[0]) / 2)
        assert other.upper90[3] - other.lower90[3] > one.upper90[3] - one.lower90[3]
