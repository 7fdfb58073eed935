from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zooassist_plugin.targets import Target, Targets
from zooassist_training.evaluation.value_metrics import LEVELS, measure_target, measure_values

TARGET = Target(name="z", mean=0.0, scale=2.0, low=-5.0, high=5.0)
RANDOM = np.random.default_rng(3)


def answers(means: np.ndarray, deviations: np.ndarray | float) -> np.ndarray:
    """One sample: (subjects, 1, 2)."""
    both = np.broadcast_arrays(means, deviations)
    return np.stack(both, -1)[:, None]


def test_errors_of_known_numbers():
    truth = np.array([1.0, 2.0, 3.0, np.nan])
    found = measure_target(TARGET, answers(np.array([2.0, 2.0, 1.0, 9.0]), 0.5), truth)
    assert found.subjects == 3
    assert found.rmse == pytest.approx(np.sqrt(5 / 3))
    assert found.mae == pytest.approx(1.0)
    assert found.bias == pytest.approx(-1 / 3)
    assert found.r2 == pytest.approx(1 - 5 / 2)
    expected = stats.norm.logpdf([1, 2, 3], [2, 2, 1], 0.5).mean() + np.log(2)
    assert found.log_likelihood == pytest.approx(expected)


def test_the_mean_of_the_samples_is_what_is_predicted():
    said = np.array([[[0.0, 1.0], [2.0, 1.0]], [[1.0, 1.0], [5.0, 1.0]]])
    found = measure_target(TARGET, said, np.array([1.0, 3.0]))
    assert (found.rmse, found.r2) == (0, 1)


@pytest.mark.parametrize("wrong", [0.5, 1.0, 2.0])
def test_coverage_is_right_when_the_deviations_are(wrong):
    truth = RANDOM.normal(size=4000)
    found = measure_target(TARGET, answers(np.zeros(4000), wrong), truth)
    assert [at.level for at in found.coverage] == list(LEVELS)
    for at in found.coverage:
        expected = 2 * stats.norm.cdf(wrong * stats.norm.ppf((1 + at.level) / 2)) - 1
        assert at.observed == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 4000))
        assert at.standard_error == pytest.approx(np.sqrt(at.level * (1 - at.level) / 4000))
    assert [at.level for at in found.told] == [0.5, 0.8, 0.95]
    by_half = found.coverage[4].error_points
    assert (by_half > 5) == (wrong == 2.0)
    assert (by_half < -5) == (wrong == 0.5)


def test_what_cannot_be_measured_is_left_out_of_the_card():
    other = TARGET.model_copy(update={"name": "mass"})
    values = np.array([[1.0, np.nan], [1.0, np.nan]])
    said = np.ones((2, 1, 2, 2))
    flat = measure_values(said, values, Targets((TARGET, other))).flat()
    assert "z/r2" not in flat, "values that do not vary"
    assert flat["z/rmse"] == 0
    assert flat["z/coverage-50%"] == 1
    assert {name for name in flat if name.startswith("mass")} == {"mass/subjects"}
    assert measure_values(said[:0], values[:0], Targets((TARGET,))).flat() == {
        "subjects": 0,
        "z/subjects": 0,
    }


def test_small_numbers_keep_their_digits():
    truth = np.array([1e-9, 2e-9])
    found = measure_values(
        answers(np.array([2e-9, 2e-9]), 1e-9)[:, :, None], truth[:, None], Targets((TARGET,))
    )
    assert found.flat()["z/mae"] == pytest.approx(5e-10)
