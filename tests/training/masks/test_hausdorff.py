from __future__ import annotations

import math

import numpy as np
import pytest
from mask_volumes import PREDICTED, TRUTH, painted, slow_hd95

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.hausdorff import hd95
from zooassist_training.evaluation.masks.surface_elements import element_sizes

TRUE, OURS = painted(TRUTH) > 0, painted(PREDICTED) > 0

# What DeepMind's surface-distance 0.1 says of the same masks.
GOLDEN = [
    ((1.0, 1.0, 1.0), 18.681541692),
    ((5.0, 0.7, 0.7), 16.945205812),
    ((0.5, 1.3, 2.9), 20.718349355),
]


@pytest.mark.parametrize(("spacing", "expected"), GOLDEN)
def test_agrees_with_surface_distance_also_where_voxels_are_no_cubes(spacing, expected):
    assert hd95(OURS, TRUE, spacing) == pytest.approx(expected, abs=1e-6)


# Areas of single codes, and of all summed, from the same library.
def test_sizes_of_surface_elements_agree_with_surface_distance():
    areas = element_sizes((1.3, 0.5, 2.7))
    assert areas.sum() == pytest.approx(507.022328801559, abs=1e-9)
    assert areas[[1, 22, 27, 60, 105, 201]] == pytest.approx(
        [
            0.477053128593,
            1.431159385778,
            3.175215080118,
            3.760664834840,
            1.908212514370,
            3.663212514370,
        ],
        abs=1e-9,
    )
    assert element_sizes((1.5, 0.7)).sum() == pytest.approx(14.331767214348, abs=1e-9)


def test_a_box_has_its_own_surface():
    filled = element_sizes((2.0, 3.0, 5.0))
    faces = {15: 15.0, 51: 10.0, 85: 6.0}  # half of the neighbours along each axis
    for code, area in faces.items():
        assert filled[code] == pytest.approx(area)
        assert filled[255 - code] == pytest.approx(area)
    assert filled[0] == filled[255] == 0


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_every_element_against_every_element(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 7, 3))
    spacing = tuple(rng.uniform(0.5, 3, 3))
    ours, theirs = rng.random((2, *shape)) > 0.7
    sets = [set(map(tuple, np.argwhere(each).tolist())) for each in (ours, theirs)]
    if all(sets):
        assert hd95(ours, theirs, spacing) == pytest.approx(slow_hd95(*sets, spacing), abs=1e-9)


def test_a_shift_along_a_coarse_axis_is_as_far_as_that_axis_is_coarse():
    mask = np.zeros((6, 9, 9), dtype=bool)
    mask[2, 2:7, 2:7] = True
    assert hd95(np.roll(mask, 1, axis=0), mask, (4.0, 1.0, 1.0)) == 4.0
    assert hd95(np.roll(mask, 1, axis=2), mask, (4.0, 1.0, 1.0)) == 1.0


def test_two_empty_masks_are_0_apart_and_one_infinitely():
    empty, full = np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), bool)
    assert hd95(empty, empty, (1, 1, 1)) == 0
    assert math.isinf(hd95(empty, full, (1, 1, 1)))
    assert hd95(full, full, (1, 1, 1)) == 0


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, 1, math.nan), (1, 1, -1)])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(BadInput, match="3 positive lengths"):
        hd95(OURS, TRUE, spacing)


def test_dimensions_other_than_two_and_three_are_refused():
    with pytest.raises(BadInput, match="2 or 3 dimensions, got 1"):
        hd95(np.ones(3, bool), np.ones(3, bool), (1,))
