from __future__ import annotations

import math

import numpy as np
import pytest

from zooassist_loop.effort import (
    ContourEffort,
    SliceEffort,
    Timed,
    contour_effort,
    time_effort,
)
from zooassist_loop.effort_simulation import Pace, simulate_effort, slice_cost
from zooassist_plugin.errors import BadInput


def square(top, left, height, width, shape=(60, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_an_untouched_proposal_costs_nothing():
    mask = square(5, 5, 20, 30)
    found = contour_effort(mask, mask)
    assert (found.redrawn, found.erased, found.changed_pixels, found.untouched) == (0, 0, 0, 1)
    # Edges along 2 x (19 + 29), and four corners cut.
    assert found.length == pytest.approx(96 + 4 * math.sqrt(0.5))
    assert found.share == found.pixel_share == 0


def test_drawing_from_scratch_costs_everything_and_erasing_is_told_apart():
    mask, empty = square(5, 5, 20, 30), square(0, 0, 0, 0)
    drawn = contour_effort(empty, mask)
    assert drawn.share == drawn.pixel_share == 1
    assert drawn.erased == 0
    gone = contour_effort(mask, empty)
    assert gone.length == gone.redrawn == 0
    assert gone.erased == pytest.approx(drawn.length)
    assert gone.share == 0
    assert math.isinf(gone.pixel_share)
    nothing = contour_effort(empty, empty)
    assert (nothing.masks, nothing.untouched, nothing.length) == (1, 1, 0)


def test_only_the_side_that_moved_was_redrawn():
    before, after = square(5, 5, 20, 30), square(5, 5, 20, 40)
    found = contour_effort(before, after)
    # The right side, 20 long, and what of the ten new pixels above and below is farther than 2.
    assert found.redrawn == pytest.approx(19 + 2 * 8, abs=2)
    assert found.changed_pixels == 200
    assert contour_effort(before, after, tolerance=11).redrawn == 0


def test_a_tremble_within_the_tolerance_is_no_work():
    found = contour_effort(square(5, 5, 20, 30), square(6, 6, 20, 30))
    assert found.redrawn == found.erased == 0
    assert found.untouched == 0
    assert found.changed_pixels > 0


def test_efforts_of_masks_add_up():
    parts = [contour_effort(square(5, 5, 9, 9), square(5, 5 + k, 9, 9)) for k in (0, 6)]
    both = sum(parts, ContourEffort())
    assert both.masks == 2
    assert both.untouched == 1
    assert both.share == pytest.approx(parts[1].redrawn / (parts[0].length + parts[1].length))


def test_masks_of_other_sizes_are_refused():
    with pytest.raises(BadInput, match="masks of one size"):
        contour_effort(np.ones((3, 4), bool), np.ones((4, 3), bool))


def test_slices_are_a_share_of_all():
    assert SliceEffort(30, 120).share == 0.25
    assert SliceEffort(0, 0).share == 0
    with pytest.raises(BadInput, match="expected 0 to 3 slices sent, got 4"):
        SliceEffort(4, 3)


def test_time_is_compared_by_medians_and_its_interval_goes_over_people():
    rng = np.random.default_rng(0)
    timed = []
    for person in range(30):
        pace = rng.lognormal(0, 0.5)
        timed += [Timed(person, True, 20 * pace * rng.lognormal(0, 0.2)) for _ in range(10)]
        timed += [Timed(person, False, 50 * pace * rng.lognormal(0, 0.2)) for _ in range(10)]
    timed += [Timed(99, True, None), Timed(99, True, -3.0), Timed(99, False, 90_000.0)]
    found = time_effort(timed, rng)
    assert found.ratio == pytest.approx(0.4, abs=0.1)
    assert found.lower < found.ratio < found.upper
    assert found.classifications == (300, 300)
    assert found.left_out == 3


def test_without_a_control_there_is_nothing_to_compare_time_with():
    found = time_effort([Timed(1, True, 9.0)], np.random.default_rng(0))
    assert (found.with_proposal, found.without, found.ratio, found.lower) == (9.0, None, None, None)


def test_a_simulated_choice_has_all_three_efforts():
    good, bad = square(5, 5, 20, 30), square(5, 15, 20, 30)
    costs = np.array([slice_cost(mask, good) for mask in (bad, good, bad, good)])
    sent = np.array([True, True, False, False])
    pace = Pace(look=4.0, per_pixel=0.1)
    found = simulate_effort(costs, sent, pace)
    one = contour_effort(bad, good)
    assert found.slices.share == 0.5
    assert found.contour_share == pytest.approx(one.redrawn / (4 * one.length))
    assert found.seconds == pytest.approx(2 * 4 + 0.1 * (one.redrawn + one.erased))
    assert found.seconds_from_scratch == pytest.approx(4 * 4 + 0.1 * 4 * one.length)
    assert found.time_share == found.seconds / found.seconds_from_scratch
    all_sent = simulate_effort(costs, np.ones(4, bool), pace)
    assert found.time_share < all_sent.time_share < 1
    assert simulate_effort(costs, np.zeros(4, bool)).time_share == 0
    with pytest.raises(BadInput, match="costs of 2 slices, got 4"):
        simulate_effort(costs, sent[:2])


@pytest.mark.parametrize(("look", "per_pixel"), [(-1, 0), (0, 0), (math.nan, 1)])
def test_a_pace_that_is_none_is_refused(look, per_pixel):
    with pytest.raises(BadInput, match="pace"):
        Pace(look, per_pixel)
