from __future__ import annotations

import numpy as np
import pytest
from mask_volumes import PREDICTED, TRUTH, ball, painted, slow_lesionwise

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.lesions import CHALLENGES, REGIONS, Challenge, lesionwise
from zooassist_training.evaluation.masks.overlap import count, dice

# What the challenge's published evaluation says of the same volumes.
GOLDEN = [
    ("GLI", "WT", 0.264913887, 226.400000000),
    ("GLI", "TC", 0.197108604, 280.853553391),
    ("GLI", "ET", 0.236111111, 249.804737854),
    ("MEN", "WT", 0.253535354, 249.902368927),
    ("MEN", "TC", 0.197108604, 280.853553391),
    ("MEN", "ET", 0.236111111, 249.804737854),
    ("MET", "WT", 0.307792208, 214.344887652),
    ("MET", "TC", 0.157686883, 299.482842712),
    ("MET", "ET", 0.177083333, 280.853553391),
]


@pytest.mark.parametrize(("challenge", "region", "dice_", "hd95_"), GOLDEN)
def test_agrees_with_the_published_evaluation(challenge, region, dice_, hd95_):
    ours, theirs = (np.isin(painted(each), REGIONS[region]) for each in (PREDICTED, TRUTH))
    score = lesionwise(ours, theirs, (1.0, 1.0, 1.0), CHALLENGES[challenge])
    assert score.dice == pytest.approx(dice_, abs=1e-6)
    assert score.hd95 == pytest.approx(hd95_, abs=1e-6)


def test_agrees_with_brute_force_on_200_random_volumes():
    rng = np.random.default_rng(5)
    names = sorted(CHALLENGES)
    compared = 0
    for trial in range(200):
        shape = tuple(rng.integers(1, 9, 3))
        spacing = tuple(rng.uniform(0.5, 4, 3)) if trial % 2 else (1.0, 1.0, 1.0)
        share = rng.uniform(0.005, 0.25)
        ours, theirs = rng.random((2, *shape)) < share
        challenge = CHALLENGES[names[trial % len(names)]]
        if trial % 3 == 0:  # the challenges' thresholds are large for such volumes
            challenge = Challenge(challenge.dilation % 3, 0.0)
        score = lesionwise(ours, theirs, spacing, challenge)
        slow = slow_lesionwise(ours, theirs, spacing, challenge)
        assert (score.dice, score.hd95) == pytest.approx(slow, abs=1e-6), trial
        compared += bool(score.counted) and score.dice > 0
    assert compared > 40


def test_the_challenges_are_those_of_2023():
    assert {name: (each.dilation, each.smallest) for name, each in CHALLENGES.items()} == {
        "GLI": (3, 50),
        "SSA": (3, 50),
        "PED": (3, 50),
        "MEN": (1, 50),
        "MET": (1, 2),
    }


def test_one_false_voxel_counts_as_much_as_a_lesion():
    truth = ball((10, 10, 10), 5, (30, 30, 30))
    predicted = truth.copy()
    predicted[28, 28, 28] = True
    score = lesionwise(predicted, truth, (1, 1, 1), CHALLENGES["MEN"])
    # The reference's measured case has the same form: 187.5 = (1 + 374) / 2.
    assert score.dice == pytest.approx(0.5)
    assert score.hd95 == 187
    assert dice(count(predicted, truth)) > 0.99


def test_a_prediction_near_a_lesion_too_small_to_count_is_not_false():
    truth = np.zeros((12, 12, 12), dtype=bool)
    truth[5, 5, 5] = True
    predicted = np.roll(truth, 1, axis=0)
    score = lesionwise(predicted, truth, (1, 1, 1), CHALLENGES["GLI"])
    assert (score.false_lesions, score.counted, score.dice, score.hd95) == (0, (), 1, 0)


def test_lesions_are_one_when_the_challenge_dilates_them_together():
    truth = ball((10, 10, 6), 3, (20, 20, 24)) | ball((10, 10, 16), 3, (20, 20, 24))
    assert len(lesionwise(truth, truth, (1, 1, 1), CHALLENGES["GLI"]).lesions) == 1
    assert len(lesionwise(truth, truth, (1, 1, 1), CHALLENGES["MEN"]).lesions) == 2


def test_coarse_voxels_hold_more_volume():
    truth = np.zeros((4, 6, 6), dtype=bool)
    truth[1, 1:4, 1:4] = True
    fine = lesionwise(truth, truth, (1, 1, 1), CHALLENGES["GLI"])
    coarse = lesionwise(truth, truth, (6, 1, 1), CHALLENGES["GLI"])
    assert (len(fine.counted), len(coarse.counted)) == (0, 1)


def test_pictures_are_refused():
    with pytest.raises(BadInput, match="3 dimensions, got 2"):
        lesionwise(np.ones((4, 4), bool), np.ones((4, 4), bool), (1, 1), CHALLENGES["GLI"])
