from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def error_reduction(benchmark_module):
    return benchmark_module("error_reduction")


def test_the_mean_over_tasks_of_relative_reductions(error_reduction):
    """Worked by hand: 0.2 to 0.1 is a half, 0.4 to 0.3 a quarter; the mean is 0.375."""
    base = [np.array([[0.1, 0.3]]), np.array([[0.4, 0.4]])]
    new = [np.array([[0.1, 0.1]]), np.array([[0.2, 0.4]])]
    assert error_reduction.relative_reduction(base, new) == pytest.approx(0.375)


def test_a_task_with_fewer_sizes_weighs_the_same(error_reduction):
    base = [np.array([[0.2], [0.2], [0.2]]), np.array([[0.2]])]
    new = [np.array([[0.1], [0.1], [0.1]]), np.array([[0.2]])]
    assert error_reduction.relative_reduction(base, new) == pytest.approx(0.25)


def test_what_is_worse_is_negative(error_reduction):
    found = error_reduction.relative_reduction([np.array([[0.1]])], [np.array([[0.15]])])
    assert found == pytest.approx(-0.5)


def test_without_error_or_tasks_there_is_nothing_to_reduce(error_reduction):
    with pytest.raises(ValueError, match="above 0"):
        error_reduction.relative_reduction([np.array([[0.0]])], [np.array([[0.1]])])
    with pytest.raises(ValueError, match="got none"):
        error_reduction.relative_reduction([], [])


def test_tasks_that_agree_have_no_interval_and_seeds_are_drawn_for_both(error_reduction):
    """Each seed's reduction is a half, whatever its level: drawn together, so is every draw's."""
    base = [np.array([[0.1, 0.2, 0.6]]) * task for task in (1.0, 0.5)]
    found = error_reduction.resampled_reductions(base, [each / 2 for each in base], 50, seed=0)
    assert found == pytest.approx(np.full(50, 0.5))


def test_tasks_that_differ_have_one(error_reduction):
    base = [np.array([[0.2, 0.2]])] * 2
    new = [np.array([[0.1, 0.1]]), np.array([[0.2, 0.2]])]
    found = error_reduction.resampled_reductions(base, new, 200, seed=0)
    assert set(np.round(found, 6)) == {0.0, 0.25, 0.5}
