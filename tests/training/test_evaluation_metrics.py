from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from zooassist_plugin.trees import TREES
from zooassist_serving.vote_likelihood import count_probabilities, log_predictive
from zooassist_training.evaluation.confusion import confusion
from zooassist_training.evaluation.coverage import (
    LEVELS,
    WIDTHS,
    coverage,
    discrete_coverage,
    level_coverage,
)
from zooassist_training.evaluation.fraction_errors import fraction_error
from zooassist_training.evaluation.metrics import measure
from zooassist_training.evaluation.reliability import leading_probability, reliability


def by_definition(pmf, k_true, w):
    """The published definition, for one galaxy."""
    centre = int((np.arange(len(pmf)) * pmf).sum())
    low, high = max(0, centre - w), min(len(pmf) - 1, centre + w)
    return pmf[low : high + 1].sum(), float(low <= k_true <= high)


def test_discrete_coverage_is_the_published_one():
    random = np.random.default_rng(0)
    a, b = random.uniform(0.2, 30, (2, 50, 3))
    votes = random.integers(0, 41, 50)
    pmf, counts = count_probabilities(a, b, votes), random.integers(0, votes + 1)
    predicted, observed = discrete_coverage(pmf, counts)
    for row in range(50):
        alone = count_probabilities(a[row : row + 1], b[row : row + 1], votes[row : row + 1])[0]
        expected = [by_definition(alone, counts[row], w) for w in WIDTHS]
        np.testing.assert_allclose(predicted[row], [each[0] for each in expected])
        np.testing.assert_array_equal(observed[row], [each[1] for each in expected])


def test_level_sets_are_the_smallest_that_reach_the_level():
    pmf = np.array([[0.1, 0.5, 0.3, 0.1], [0.25, 0.25, 0.25, 0.25]])
    predicted, observed = level_coverage(pmf, np.array([2, 3]), (0.5, 0.75, 0.9, 1.0))
    np.testing.assert_allclose(predicted, [[0.5, 0.8, 0.9, 1.0], [0.5, 0.75, 1.0, 1.0]])
    np.testing.assert_array_equal(observed, [[0, 1, 1, 1], [0, 0, 1, 1]])


def votes_from(alphas, votes, random):
    return np.array([random.multinomial(votes, random.dirichlet(each)) for each in alphas])


@pytest.mark.parametrize("votes", [3, 40])
def test_a_right_model_covers_what_it_says(votes):
    random = np.random.default_rng(1)
    truth = random.uniform(0.3, 8, (3000, 3))
    found = coverage(truth[:, None], votes_from(truth, votes, random))
    for each in (*found.levels, *found.widths):
        assert abs(each.error_points) < 4 * 100 * each.standard_error + 0.1
    # Votes are whole: a set of them holds more than the level.
    assert all(each.predicted >= each.at for each in found.levels)
    assert found.level(0.8).relative_error < 0.05


def test_a_model_that_is_too_sure_covers_too_little():
    random = np.random.default_rng(2)
    truth = random.uniform(0.3, 8, (500, 3))
    found = coverage(10 * truth[:, None], votes_from(truth, 40, random)).level(0.8)
    assert found.error_points < -15
    assert found.relative_error == pytest.approx(-found.error_points / 100 / found.predicted)


def test_no_galaxy_no_coverage():
    found = coverage(np.ones((0, 1, 3)), np.zeros((0, 3), dtype=np.int64))
    assert len(found.levels) == len(LEVELS)
    assert math.isnan(found.level(0.8).error_points)


def test_reliability_by_hand():
    found = reliability(np.array([0.05, 0.15, 0.15, 1.0]), np.array([0.05, 0.0, 0.5, 0.6]))
    assert [each.number for each in found.bins] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.bins[1].observed == 0.25
    assert found.error == pytest.approx((0 + 2 * 0.1 + 0.4) / 4)
    assert math.isnan(reliability(np.zeros(0), np.zeros(0)).error)


def test_probability_of_leading_is_that_of_the_beta_binomial():
    alphas = np.array([[[6.0, 3.0]], [[0.4, 0.4]]])
    votes = np.array([7, 7])
    found = leading_probability(
        alphas, votes, np.array([0, 1]), np.random.default_rng(0), draws=20_000
    )
    expected = [stats.betabinom.sf(3, 7, *alphas[0, 0]), stats.betabinom.sf(3, 7, *alphas[1, 0])]
    np.testing.assert_allclose(found, expected, atol=0.015)


def test_a_tie_is_led_by_the_first_answer():
    even = np.full((1, 1, 2), 1e6)
    lead = leading_probability(
        even, np.array([2]), np.array([0]), np.random.default_rng(0), draws=20_000
    )
    assert lead[0] == pytest.approx(0.75, abs=0.02)


def test_confusion_counts_volunteers_by_row():
    observed = np.array([[1.0, 0, 0], [0.6, 0.4, 0], [0, 0, 1]])
    predicted = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0.4, 0.6]])
    np.testing.assert_array_equal(confusion(predicted, observed), [[1, 1, 0], [0, 0, 0], [0, 0, 1]])


def test_fraction_errors_by_hand():
    found = fraction_error(np.array([[0.5, 0.5]]), np.array([[0.8, 0.6]]))
    assert found.mean_absolute == pytest.approx(0.2)
    assert found.root_mean_square == pytest.approx(np.sqrt(0.05))
    assert found.bias == pytest.approx(-0.2)
    assert math.isnan(fraction_error(np.zeros((0, 2)), np.zeros((0, 2))).bias)


def test_measures_every_question_of_a_small_tree(schema):
    counts = np.array([[9, 1, 0, 0, 1], [1, 9, 0, 9, 0], [4, 16, 0, 2, 14], [0, 0, 0, 0, 0]])
    alphas = np.stack([counts + 0.5, counts + 1.0], axis=1)
    found = measure(alphas, counts, schema)
    root, bar = found.questions
    assert (root.with_votes, root.score.galaxies, root.score.accuracy) == (3, 3, 1.0)
    assert (bar.with_votes, bar.score.galaxies) == (3, 2)  # one in ten was led to the bar
    assert root.few
    expected = log_predictive(alphas[:3, :, :3], counts[:3, :3]).sum()
    assert root.log_likelihood.total == pytest.approx(expected)
    assert root.log_likelihood.per_vote == pytest.approx(expected / 40)
    assert [(each.votes_from, each.votes_to, each.galaxies) for each in root.strata] == [
        (10, 19, 2),
        (20, 39, 1),
    ]
    assert [each.galaxies for each in bar.strata] == [1, 1, 1]
    assert found.log_likelihood == pytest.approx(
        (root.log_likelihood.total + bar.log_likelihood.total) / 4
    )


def test_samples_are_averaged_as_fractions_not_as_concentrations(schema):
    counts = np.array([[10, 10, 0, 5, 5]])
    alphas = np.array([[[100.0, 1, 1, 1, 1], [1.0, 8, 1, 1, 1]]])
    found = measure(alphas, counts, schema)
    expected = (100 / 102 + 1 / 10) / 2
    assert dict(found.questions[0].answers)["Smooth"].bias == pytest.approx(expected - 0.5)


def test_a_whole_tree_without_any_galaxy_has_no_figures():
    tree = TREES["gz2"]
    nothing = np.zeros((0, len(tree.columns)))
    found = measure(nothing[:, None] + 1, nothing.astype(np.int64), tree)
    assert math.isnan(found.log_likelihood)
    assert math.isnan(found.coverage_error)
    assert all(each.few and not each.strata for each in found.questions)
