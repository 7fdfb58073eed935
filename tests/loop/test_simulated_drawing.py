from __future__ import annotations

import numpy as np
import pytest

from zooassist_loop.simulation.drawing import PERFECT, Hand, outside_distance, returned_mask
from zooassist_plugin.errors import BadInput

Y, X = np.indices((48, 48)) - 24
CELL = Y**2 + X**2 <= 16**2
NOTHING = np.zeros_like(CELL)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_perfect_people_return_the_truth_whatever_is_proposed():
    proposed = np.roll(CELL, 7, 0)
    back = returned_mask(CELL, proposed, PERFECT, np.random.default_rng(0))
    assert (back == CELL).all()
    back[0, 0] = True
    assert not CELL[0, 0]


def test_one_person_draws_as_well_as_the_crowd_and_seven_draw_better():
    # Measured of the crowd whose hand this is: an IoU of 0.836 alone, 0.900 of seven by majority.
    random = np.random.default_rng(1)
    alone = Hand(patience=0, volunteers=1)
    seven = Hand(patience=0, volunteers=7)
    one = np.mean([iou(returned_mask(CELL, NOTHING, alone, random), CELL) for _ in range(100)])
    many = np.mean([iou(returned_mask(CELL, NOTHING, seven, random), CELL) for _ in range(40)])
    assert one == pytest.approx(0.836, abs=0.04)
    assert many == pytest.approx(0.92, abs=0.03)


def test_what_lies_near_ones_own_contour_is_left_and_the_rest_is_mended():
    near = Y**2 + X**2 <= 15**2
    steady = Hand(offset=0, wobble=0, patience=2, volunteers=1)
    random = np.random.default_rng(0)
    assert (returned_mask(CELL, near, steady, random) == near).all()
    astray = near | ((Y < -20) & (X < -20))
    assert (returned_mask(CELL, astray, steady, random) == near).all()


def test_slices_without_a_contour_come_back_as_they_are_in_truth():
    random = np.random.default_rng(0)
    assert not returned_mask(NOTHING, CELL, Hand(), random).any()
    assert returned_mask(~NOTHING, CELL, Hand(), random).all()


def test_the_contour_runs_between_pixels():
    mask = np.array([[True, True, False, False]])
    distance = outside_distance(mask)
    assert distance is not None
    assert distance[0].tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert outside_distance(NOTHING) is None


@pytest.mark.parametrize(
    "wrong", [{"offset": -1}, {"reach": 0}, {"wobble": float("nan")}, {"volunteers": 0}]
)
def test_hands_that_nobody_has_are_refused(wrong):
    with pytest.raises(BadInput, match="hand: expected"):
        Hand(**wrong)
