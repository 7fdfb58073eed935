"""Agreement on masks: the pooled IoU of pairs, and what it decides."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from zooassist_loop.mask_agreement import AgreementRule, decide_mask, pairwise_iou
from zooassist_plugin.errors import BadInput


def test_counts_of_who_covered_what_say_the_same_as_all_pairs():
    masks = np.random.default_rng(4).random((5, 30, 20)) < 0.4
    both = sum(np.count_nonzero(a & b) for a, b in combinations(masks, 2))
    either = sum(np.count_nonzero(a | b) for a, b in combinations(masks, 2))
    assert pairwise_iou(masks.sum(axis=0), 5) == pytest.approx(both / either)


def test_two_volunteers_are_compared_as_usual():
    covered = np.zeros((10, 10), dtype=np.int64)
    covered[:4], covered[4:6] = 2, 1
    assert pairwise_iou(covered, 2) == pytest.approx(40 / 60)


def test_nobody_drawing_is_agreement_and_nobody_looking_is_none():
    nothing = np.zeros((4, 4), dtype=np.int64)
    assert pairwise_iou(nothing, 3) == 1.0
    assert pairwise_iou(nothing, 1) is None
    with pytest.raises(BadInput, match="from 0 to 2 volunteers, got 0 to 3"):
        pairwise_iou(np.array([[0, 3]]), 2)


def test_one_who_drew_nothing_counts_against_agreement():
    covered = np.full((4, 4), 2)
    assert pairwise_iou(covered, 2) == 1.0
    assert pairwise_iou(covered, 3) == pytest.approx(1 / 3)


def test_images_are_retired_only_when_enough_people_agree_enough():
    rule = AgreementRule(min_volunteers=3, iou=0.8)
    assert decide_mask(0.85, 3, rule).reason == "consensus"
    assert not decide_mask(0.79, 9, rule).retire
    assert not decide_mask(1.0, 2, rule).retire
    assert not decide_mask(None, 0, rule).retire


@pytest.mark.parametrize("settings", [{"min_volunteers": 1}, {"iou": 0}, {"iou": 1.2}])
def test_rules_that_mean_nothing_are_refused(settings):
    with pytest.raises(BadInput):
        AgreementRule(**settings)
