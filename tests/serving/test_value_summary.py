from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zooassist_plugin.errors import BadInput
from zooassist_plugin.targets import Target, Targets
from zooassist_serving.value_summary import (
    log_density,
    mean_and_deviation,
    probability_below,
    quantile,
    sound_values,
    summarise_values,
)

TWO = Targets(
    (
        Target(name="redshift", mean=0.1, scale=0.05, low=0.0, high=0.4),
        Target(name="mass", mean=1e10, scale=1e9, low=1e8, high=1e12),
    )
)


@pytest.fixture
def values() -> np.ndarray:
    """(images, samples, targets, 2), of very different sizes."""
    random = np.random.default_rng(4)
    means = random.normal(size=(6, 5, 2)) * [0.05, 1e9] + [0.1, 1e10]
    deviations = random.uniform(0.2, 1.5, size=(6, 5, 2)) * [0.05, 1e9]
    return np.stack([means, deviations], -1)


def test_moments_are_those_of_draws():
    mixture = np.array([[[0.0, 1.0], [4.0, 0.5], [1.0, 2.0]]])
    random = np.random.default_rng(0)
    which = random.integers(3, size=400_000)
    draws = random.normal(mixture[0, which, 0], mixture[0, which, 1])
    mean, deviation = mean_and_deviation(mixture)
    assert mean[0] == pytest.approx(draws.mean(), abs=0.02)
    assert deviation[0] == pytest.approx(draws.std(), abs=0.02)
    for probability in (0.05, 0.5, 0.95):
        assert quantile(mixture, probability)[0] == pytest.approx(
            np.quantile(draws, probability), abs=0.03
        )


def test_quantiles_are_exact(values):
    mixtures = np.swapaxes(values, 1, 2)
    for probability in (0.05, 0.3, 0.95):
        found = quantile(mixtures, probability)
        assert probability_below(mixtures, found) == pytest.approx(probability, abs=1e-12)
    single = mixtures[..., :1, :]
    expected = stats.norm.ppf(0.95, single[..., 0, 0], single[..., 0, 1])
    assert quantile(single, 0.95) == pytest.approx(expected, rel=1e-12)


def test_density_is_that_of_the_mixture(values):
    mixtures = np.swapaxes(values, 1, 2)
    at = mixtures[..., 0].mean(-1)
    each = stats.norm.pdf(at[..., None], mixtures[..., 0], mixtures[..., 1])
    assert log_density(mixtures, at) == pytest.approx(np.log(each.mean(-1)))


def test_summary_of_several_samples(values):
    found = summarise_values(values, TWO)
    assert found.means == pytest.approx(values[..., 0].mean(1))
    # Aleatoric and epistemic together.
    variance = (values[..., 1] ** 2).mean(1) + values[..., 0].var(1)
    assert found.deviations == pytest.approx(np.sqrt(variance))
    assert (found.lower90 < found.means).all()
    assert (found.means < found.upper90).all()


def test_uncertainty_is_what_the_samples_do_not_agree_on(values):
    alike = np.repeat(values[:, :1], 5, axis=1)
    assert summarise_values(alike, TWO).uncertainty == pytest.approx(0)
    apart = alike.copy()
    apart[..., 0] += np.arange(5)[:, None] * [0.05, 1e9]
    further = alike.copy()
    further[..., 0] += np.arange(5)[:, None] * [0.5, 1e10]
    near, far = (summarise_values(each, TWO).uncertainty for each in (apart, further))
    assert (far > near).all()
    assert (near > 0).all()
    # One sample has no opinion on that: it says how wide it is, in the training set's spread.
    assert summarise_values(values[:, :1], TWO).uncertainty == pytest.approx(
        (values[:, 0, :, 1] / [0.05, 1e9]).mean(1)
    )


def test_answers_that_cannot_be_used(values):
    broken = np.stack([values[0]] * 4)
    broken[1, 2, 0, 0] = np.nan
    broken[2, 0, 1, 1] = 0.0
    assert sound_values(broken).tolist() == [True, False, False, True]
    assert sound_values(np.zeros((0, 1, 1, 2))).shape == (0,)
    with pytest.raises(BadInput, match=r"expected values \(images, samples, 2, 2\)"):
        summarise_values(values[:, :, :1], TWO)
