from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.overlap import Counts, count, dice, iou, mcc

masks = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape))
)


@given(masks)
def test_scores_follow_from_sets_of_pixels(pair):
    predicted, truth = pair
    ours, theirs = (set(map(tuple, np.argwhere(each))) for each in pair)
    counts = count(predicted, truth)
    assert counts.both == len(ours & theirs)
    assert counts.wrong == len(ours ^ theirs)
    assert sum((counts.both, counts.wrong, counts.neither)) == truth.size
    if ours | theirs:
        assert dice(counts) == pytest.approx(2 * len(ours & theirs) / (len(ours) + len(theirs)))
        assert iou(counts) == pytest.approx(len(ours & theirs) / len(ours | theirs))


@given(masks)
def test_mcc_is_the_correlation_of_the_two_masks(pair):
    predicted, truth = (each.astype(float).ravel() for each in pair)
    found = mcc(count(*pair))
    if predicted.std() and truth.std():
        assert found == pytest.approx(np.corrcoef(predicted, truth)[0, 1])
    else:
        same, opposite = (predicted == truth).all(), (predicted != truth).all()
        assert found == (1 if same else -1 if opposite else 0)


def test_counts_of_slices_add_up_to_those_of_the_volume():
    rng = np.random.default_rng(0)
    predicted, truth = rng.random((2, 5, 7, 6)) > 0.5
    parts = [count(p, t) for p, t in zip(predicted, truth, strict=True)]
    assert sum(parts, Counts()) == count(predicted, truth)


def test_two_empty_masks_agree():
    counts = count(np.zeros((3, 3), bool), np.zeros((3, 3), bool))
    assert (dice(counts), iou(counts), mcc(counts)) == (1, 1, 1)
    assert counts.is_empty


def test_masks_of_a_gigavoxel_do_not_overflow():
    counts = Counts(10**9, 10**9, 10**9, 10**9)
    assert mcc(counts) == 0
    assert math.isclose(dice(counts), 0.5)


def test_masks_of_different_size_are_refused_with_both_sizes():
    with pytest.raises(BadInput, match="4 x 5 predicted and 5 x 4 true"):
        count(np.zeros((4, 5), bool), np.zeros((5, 4), bool))
