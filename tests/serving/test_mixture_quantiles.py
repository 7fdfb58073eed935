from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betainc, betaincinv

from zooassist_plugin.trees import TREES
from zooassist_serving import mixture_quantiles as module
from zooassist_serving.mixture_quantiles import beta_quantiles, mixture_quantiles
from zooassist_serving.posteriors import beta_mixture_quantile, interval
from zooassist_serving.vote_summary import summarise

LEVELS = (0.025, 0.05, 0.5, 0.95, 0.975)
ENDS = (0.025, 0.05, 0.9, 0.95, 0.975)
ROWS = 300


def like_dropout(rng):
    """Twenty samples of one opinion, from nearly flat at the ends to sharp."""
    centre = 10 ** rng.uniform(-2.5, 3.0, (2, ROWS, 1))
    return centre * np.exp(rng.normal(0, 0.2, (2, ROWS, 20)))


def two_camps(rng):
    mean = rng.choice([0.02, 0.98], (ROWS, 20))
    total = 10 ** rng.uniform(-1, 3, (ROWS, 1))
    return mean * total, (1 - mean) * total


def one_dissenter(rng):
    mean = np.full((ROWS, 20), 0.5)
    mean[:, 0] = 0.01
    total = 10 ** rng.uniform(-1, 3, (ROWS, 1))
    return mean * total, (1 - mean) * total


CASES = {
    "like dropout": like_dropout,
    "two camps": two_camps,
    "one dissenter": one_dissenter,
    "anything": lambda rng: 10 ** rng.uniform(-3, 3, (2, ROWS, 20)),
    "below one": lambda rng: 10 ** rng.uniform(-3, 0, (2, ROWS, 5)),
    "one side tiny": lambda rng: (
        10 ** rng.uniform(-3, 0, (ROWS, 3)),
        10 ** rng.uniform(-3, 5, (ROWS, 3)),
    ),
    "pseudo-votes of a bounded head": lambda rng: rng.uniform(1, 101, (2, ROWS, 5)),
    "two samples": lambda rng: 10 ** rng.uniform(-1, 2, (2, ROWS, 2)),
    "one sample": lambda rng: 10 ** rng.uniform(-3, 3, (2, ROWS, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_quantiles_are_within_the_stated_tolerance(case):
    a, b = CASES[case](np.random.default_rng(3))
    for level, x in zip(LEVELS, mixture_quantiles(a, b, LEVELS), strict=True):
        assert ((x >= 0) & (x <= 1)).all()
        below, above = (
            betainc(a, b, np.clip(x + step, 0, 1)[:, None]).mean(1) for step in (-1e-4, 1e-4)
        )
        assert (below <= level + 2e-5).all()
        assert (above >= level - 2e-5).all()


def test_on_one_opinion_they_are_the_exact_solvers_to_a_ten_thousandth():
    a, b = like_dropout(np.random.default_rng(4))
    for level, x in zip((0.05, 0.95), mixture_quantiles(a, b, (0.05, 0.95)), strict=True):
        assert np.abs(x - beta_mixture_quantile(a, b, level)).max() < 1e-4


def test_blocks_and_order_change_nothing(monkeypatch):
    a, b = CASES["anything"](np.random.default_rng(5))
    (whole,) = mixture_quantiles(a, b, (0.05,))
    order = np.random.default_rng(6).permutation(ROWS)
    monkeypatch.setattr(module, "BLOCK", 2000)
    (parts,) = mixture_quantiles(a[order], b[order], (0.05,))
    np.testing.assert_allclose(parts, whole[order], atol=1e-6)


def test_what_no_grid_holds_goes_to_the_exact_solver():
    a, b = np.array([[1e5, 2e5], [8.0, 1e-6]]), np.array([[2e5, 1e5], [3.5, 1e6]])
    (ours,) = mixture_quantiles(a, b, (0.95,))
    np.testing.assert_array_equal(ours, beta_mixture_quantile(a, b, 0.95))


def test_a_summary_of_many_samples_has_the_intervals_of_the_exact_solver():
    schema = TREES["gz2"]
    rng = np.random.default_rng(7)
    centre = 10 ** rng.uniform(-2, 1.5, (25, 1, len(schema.columns)))
    alphas = (centre * np.exp(rng.normal(0, 0.3, (25, 20, centre.shape[2])))).astype(np.float32)
    summary = summarise(alphas, schema)
    for where in schema.slices.values():
        low, high = interval(alphas[:, :, where])
        np.testing.assert_allclose(summary.lower90[:, where], low, atol=1.5e-4)
        np.testing.assert_allclose(summary.upper90[:, where], high, atol=1.5e-4)


def test_quantiles_of_single_betas_keep_their_tolerance():
    rng = np.random.default_rng(11)
    a, b = 10 ** rng.uniform(-4, 5, (2, 5_000))
    found = beta_quantiles(a, b, ENDS)
    exact = betaincinv(a, b, np.array(ENDS)[:, None])
    assert np.abs(found - exact).max() < 1e-5
    assert np.abs(found - exact).max() > 0  # else single precision is not in use


def test_the_quantile_of_a_beta_does_not_depend_on_what_is_beside_it():
    a, b = np.array([3.0, 1e-5, 4e4]), np.array([5.0, 2.0, 3e4])
    together = beta_quantiles(a, b, ENDS)
    alone = [beta_quantiles(a[i : i + 1], b[i : i + 1], ENDS)[:, 0] for i in range(3)]
    np.testing.assert_array_equal(together, np.stack(alone, axis=1))
