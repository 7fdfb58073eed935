from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zooassist_serving import information
from zooassist_serving.information import bald, binomial_bald, dirichlet_multinomial

CLOSE = np.array([[[8, 2, 1.5], [4, 5, 1.5]]])
OPPOSITE = np.array([[[100.0, 1, 1], [1, 100, 1]]])


@pytest.mark.parametrize(("votes", "expected"), [(5, 0.193254), (40, 0.372916)])
def test_check_values(votes, expected):
    assert bald(CLOSE, votes)[0] == pytest.approx(expected, abs=1e-6)


def test_opposite_opinions_approach_ln_two():
    assert bald(OPPOSITE, 5)[0] == pytest.approx(0.692860, abs=1e-6)


def test_equal_samples_and_single_samples_teach_nothing():
    assert bald(np.repeat(CLOSE[:, :1], 3, axis=1), 5)[0] == pytest.approx(0, abs=1e-12)
    assert bald(CLOSE[:, :1], 5)[0] == 0


def test_no_votes_no_information_and_votes_may_differ_per_image():
    images = np.repeat(CLOSE, 3, axis=0)
    np.testing.assert_allclose(
        bald(images, np.array([0, 5, 40])), [0, 0.193254, 0.372916], atol=1e-6
    )


def test_probabilities_are_a_distribution_and_scipy_agrees():
    p = dirichlet_multinomial(CLOSE[0].T, 5)
    assert p.shape == (21, 2)
    np.testing.assert_allclose(p.sum(0), 1)
    reference = stats.dirichlet_multinomial.logpmf([3, 1, 1], [8, 2, 1.5], 5)
    assert reference == pytest.approx(-2.312158264241, abs=1e-9)
    assert np.isclose(np.log(p[:, 0]), reference).any()


def test_too_many_compositions_fall_back_to_a_lower_bound(monkeypatch):
    exact = bald(CLOSE, 12)
    monkeypatch.setattr(information, "MAX_COMPOSITIONS", 20)
    assert 0 < bald(CLOSE, 12)[0] < exact[0]


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    alphas = rng.uniform(1, 50, (17, 4, 3))
    whole = bald(alphas, 6)
    monkeypatch.setattr(information, "MAX_TABLE", 300)
    np.testing.assert_allclose(bald(alphas, 6), whole)


@pytest.mark.parametrize(("votes", "expected"), [(5, 0.529439), (40, 0.693113)])
def test_binomial_check_values(votes, expected):
    assert binomial_bald([[0.2, 0.8]], votes)[0] == pytest.approx(expected, abs=1e-6)


def test_equal_fractions_teach_nothing_and_sure_ones_are_finite():
    np.testing.assert_allclose(binomial_bald([[0.3] * 4, [1.0] * 4, [0.0] * 4], 7), 0, atol=1e-9)
    assert binomial_bald([[0.0, 1.0]], 7)[0] == pytest.approx(np.log(2))


def test_sharp_concentrations_come_to_the_binomial():
    rho = np.array([[0.2, 0.5, 0.8]])
    sharp = 1e8 * np.stack([rho, 1 - rho], axis=-1)
    np.testing.assert_allclose(bald(sharp, 12), binomial_bald(rho, 12), atol=1e-5)


@pytest.mark.parametrize("answers", [2, 3, 4, 7])
@pytest.mark.parametrize("votes", [1, 6])
def test_it_is_the_definition_written_out(answers, votes):
    alphas = 10 ** np.random.default_rng(answers).uniform(-2.5, 2.5, (5, 8, answers))
    ways = [k for k in np.ndindex(*[votes + 1] * answers) if sum(k) == votes]
    p = np.array(
        [
            [stats.dirichlet_multinomial.pmf(ways, sample, votes) for sample in image]
            for image in alphas
        ]
    )
    expected = stats.entropy(p.mean(1), axis=-1) - stats.entropy(p, axis=-1).mean(1)
    np.testing.assert_allclose(bald(alphas, votes), expected, atol=1e-10)
