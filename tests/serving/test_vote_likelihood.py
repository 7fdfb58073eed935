from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zooassist_serving import vote_likelihood
from zooassist_serving.vote_likelihood import (
    count_probabilities,
    log_likelihood,
    log_predictive,
)


def test_published_check_value():
    alphas, counts = np.array([[[8, 2, 1.5]]]), np.array([[3, 1, 1]])
    assert log_likelihood(alphas, counts)[0, 0] == pytest.approx(-2.312158264241, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_equals_scipy(seed):
    random = np.random.default_rng(seed)
    answers = int(random.integers(2, 8))
    alphas = random.uniform(0.02, 90, (3, 4, answers))
    counts = random.integers(0, 40, (3, answers)) + np.eye(3, answers, dtype=int)
    expected = np.array(
        [
            [stats.dirichlet_multinomial.logpmf(k, a, k.sum()) for a in samples]
            for samples, k in zip(alphas, counts, strict=True)
        ]
    )
    np.testing.assert_allclose(log_likelihood(alphas, counts), expected, atol=1e-9, rtol=0)
    np.testing.assert_allclose(
        np.exp(log_predictive(alphas, counts)), np.exp(expected).mean(1), rtol=1e-9
    )


def test_no_votes_are_certain():
    assert log_predictive(np.array([[[8, 2, 1.5]]]), np.zeros((1, 3)))[0] == 0


def test_counts_of_an_answer_are_beta_binomial_mixtures():
    random = np.random.default_rng(2)
    a, b = random.uniform(0.02, 50, (2, 4, 3))
    votes = np.array([0, 1, 17, 40])
    table = count_probabilities(a, b, votes)
    assert table.shape == (4, 41)
    np.testing.assert_allclose(table.sum(1), 1)
    for row, n in enumerate(votes):
        expected = stats.betabinom.pmf(np.arange(41)[:, None], n, a[row], b[row]).mean(1)
        np.testing.assert_allclose(table[row], expected, atol=1e-12)


def test_blocks_do_not_change_the_table(monkeypatch):
    a, b = np.random.default_rng(2).uniform(0.02, 50, (2, 9, 3))
    votes = np.arange(9)
    whole = count_probabilities(a, b, votes)
    monkeypatch.setattr(vote_likelihood, "MAX_TABLE", 60)
    np.testing.assert_array_equal(count_probabilities(a, b, votes), whole)
