from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zooassist_plugin.errors import BadInput
from zooassist_serving.posteriors import (
    beta_mixture_quantile,
    expected_fraction,
    fraction_variance,
    interval,
    probability_at_least,
)

# Two images, one sample each; the check values are bajor's own tests'.
ROWS = np.array([[[8, 2, 1.5]], [[4, 5, 1.5]]])


def test_expected_fraction_check_values():
    assert expected_fraction(ROWS)[:, 0] == pytest.approx([0.69565217, 0.38095238], abs=1e-8)


def test_variance_check_values():
    assert fraction_variance(ROWS)[:, 0] == pytest.approx([0.01693762, 0.02050675], abs=1e-8)


def test_tail_probability_check_values():
    tail = probability_at_least(ROWS, 0.2)
    assert 1 - tail[:, 0] == pytest.approx([0.00013951, 0.10257097], abs=1e-8)
    assert tail[:, 1] == pytest.approx([0.34813916, 0.97434576], abs=1e-8)


def test_one_sample_interval_is_the_beta_quantile():
    low, high = interval(ROWS)
    beta = stats.beta(8, 3.5)
    assert (low[0, 0], high[0, 0]) == pytest.approx((beta.ppf(0.05), beta.ppf(0.95)), abs=1e-9)


def test_equal_samples_are_one_sample():
    many = np.repeat(ROWS, 7, axis=1)
    for ours, single in zip(interval(many), interval(ROWS), strict=True):
        np.testing.assert_allclose(ours, single, atol=1e-8)
    np.testing.assert_allclose(fraction_variance(many), fraction_variance(ROWS))


@pytest.mark.parametrize("p", [0.001, 0.05, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("spread", [0.5, 3.0, 100.0, 2000.0])
def test_mixture_quantile_inverts_the_mixture(p, spread):
    rng = np.random.default_rng(5)
    a, b = rng.uniform(0.3, spread, (2, 50, 6))
    x = beta_mixture_quantile(a, b, p)
    below, above = (stats.beta.cdf(x[:, None] + step, a, b).mean(1) for step in (-1e-7, 1e-7))
    # In a gap between sharp members all of it is a quantile, to rounding.
    assert (below <= p + 1e-12).all()
    assert (above >= p - 1e-12).all()


def test_mixture_of_opposite_opinions():
    a, b = np.array([[1.0, 100.0]]), np.array([[100.0, 1.0]])
    low, high = (beta_mixture_quantile(a, b, p)[0] for p in (0.05, 0.95))
    assert low < 0.01
    assert high > 0.99


def test_mixture_variance_matches_simulation():
    rng = np.random.default_rng(1)
    alphas = np.array([[[8, 2, 1.5], [4, 5, 1.5]]])
    draws = np.concatenate([rng.dirichlet(row, 200_000) for row in alphas[0]])
    np.testing.assert_allclose(fraction_variance(alphas)[0], draws.var(0), rtol=0.02)
    np.testing.assert_allclose(expected_fraction(alphas)[0], draws.mean(0), rtol=0.01)
    low, high = interval(alphas)
    np.testing.assert_allclose(low[0], np.quantile(draws, 0.05, axis=0), atol=0.005)
    np.testing.assert_allclose(high[0], np.quantile(draws, 0.95, axis=0), atol=0.005)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 0.0, -1.0])
def test_broken_concentrations_are_refused(broken):
    with pytest.raises(BadInput, match="positive, finite"):
        expected_fraction([[[1.0, broken]]])


def test_members_that_pile_up_at_zero_and_one_are_solved_too():
    a, b = np.array([[0.002, 0.74, 0.235]]), np.array([[0.058, 7453.0, 148.3]])
    x = beta_mixture_quantile(a, b, 0.95)
    assert stats.beta.cdf(x[:, None], a, b).mean() == pytest.approx(0.95, abs=1e-6)
