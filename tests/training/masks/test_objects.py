from __future__ import annotations

import itertools

import numpy as np
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.objects import ObjectScore, components, object_score


def best_by_trying(ours, theirs, at):
    """As many pairs as any one-to-one assignment has."""
    a, b = ([n for n in np.unique(each) if n] for each in (ours, theirs))
    good = {
        (i, j)
        for i, j in itertools.product(a, b)
        if ((ours == i) & (theirs == j)).sum() / ((ours == i) | (theirs == j)).sum() >= at
    }
    for size in range(min(len(a), len(b)), 0, -1):
        for chosen in itertools.combinations(good, size):
            if len({i for i, _ in chosen}) == len({j for _, j in chosen}) == size:
                return size
    return 0


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.75])
def test_as_many_objects_are_matched_as_can_be(at):
    rng = np.random.default_rng(0)
    for _ in range(60):
        ours, theirs = rng.integers(0, 4, (2, 3, 4)) * 17
        score = object_score(ours, theirs, at)
        found = best_by_trying(ours, theirs, at)
        assert score.found == found
        assert score.false == len(set(ours.ravel()) - {0}) - found
        assert score.missed == len(set(theirs.ravel()) - {0}) - found


def test_f1_of_known_objects():
    truth = np.zeros((10, 10), int)
    truth[0:4, 0:4], truth[6:9, 6:9] = 1, 2
    predicted = np.zeros((10, 10), int)
    predicted[0:4, 0:3], predicted[6:9, 0:3] = 9, 4
    assert object_score(predicted, truth) == ObjectScore(found=1, false=1, missed=1)
    assert object_score(predicted, truth).f1 == 0.5
    assert object_score(predicted, truth, 0.8).found == 0


def test_scores_of_images_add_up():
    assert ObjectScore(1, 2, 3) + ObjectScore(4, 5, 6) == ObjectScore(5, 7, 9)
    assert ObjectScore().f1 == 1


def test_parts_that_touch_by_a_corner_are_one_object():
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=bool)
    assert components(mask).max() == 3
    assert components(mask)[0, 0] == components(mask)[1, 1]


def test_impossible_thresholds_and_numbers_are_refused():
    empty = np.zeros((2, 2), int)
    with pytest.raises(BadInput, match="above 0 and at most 1, got 0"):
        object_score(empty, empty, 0)
    with pytest.raises(BadInput, match="numbers from 0, got -1"):
        object_score(np.full((2, 2), -1), np.ones((2, 2), int))
