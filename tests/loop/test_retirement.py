"""Retirement: hand-checked posteriors, bounds, and reasons that Panoptes knows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from zooassist_loop.retirement import RetirementRule, decide, posterior_concentrations
from zooassist_plugin.errors import BadInput


def test_posterior_adds_flat_prior_capped_model_and_votes():
    posterior = posterior_concentrations([3, 1], [60.0, 20.0], model_votes=4)
    np.testing.assert_allclose(posterior, [1 + 3 + 3, 1 + 1 + 1])


def test_weak_model_is_not_inflated_to_the_cap():
    posterior = posterior_concentrations([0, 0], [0.5, 0.5], model_votes=4)
    np.testing.assert_allclose(posterior, [1.5, 1.5])


def test_a_model_alone_never_retires():
    decision = decide([0, 0, 0], [100.0, 1.0, 1.0])
    assert not decision.retire
    assert decision.why == "0 of at least 3 votes"


def test_unanimous_votes_retire_by_consensus():
    decision = decide([5, 0, 0], None)
    # Posterior Beta(6, 2): P(fraction > 1/2) = 1 - 8/128.
    assert beta.sf(0.5, 6, 2) == pytest.approx(1 - 8 / 128)
    assert (decision.retire, decision.reason) == (True, "consensus")


def test_agreeing_model_needs_fewer_votes_than_none():
    assert not decide([3, 0, 0], None).retire
    assert decide([3, 0, 0], [50.0, 2.0, 1.0]).retire


def test_disagreeing_model_holds_retirement_back():
    assert decide([5, 0, 0], None).retire
    assert not decide([5, 0, 0], [1.0, 50.0, 1.0]).retire


def test_split_votes_end_by_count():
    assert not decide([4, 4], None).retire
    decision = decide([6, 6], None)
    assert (decision.retire, decision.reason) == (True, "classification_count")


@pytest.mark.parametrize(
    "settings",
    [
        {"min_votes": 0},
        {"min_votes": 5, "max_votes": 4},
        {"majority": 1.0},
        {"confidence": 0},
        {"model_votes": -1},
    ],
)
def test_nonsense_rules_are_refused(settings):
    with pytest.raises(BadInput, match="retirement rule"):
        RetirementRule(**settings)


def test_concentrations_of_another_question_are_refused():
    with pytest.raises(ValueError, match="expected"):
        decide([3, 0], [1.0, 1.0, 1.0])
