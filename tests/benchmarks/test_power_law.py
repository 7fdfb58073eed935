from __future__ import annotations

import numpy as np
import pytest

SIZES = np.array([125.0, 250.0, 500.0, 1000.0, 2000.0, 2800.0])


@pytest.fixture(scope="module")
def power_law(benchmark_module):
    return benchmark_module("power_law")


@pytest.mark.parametrize(
    ("floor", "scale", "exponent"), [(25.0, 60.0, 0.5), (0.0, 40.0, 0.1), (3.0, 500.0, 1.2)]
)
def test_a_known_law_is_recovered(power_law, floor, scale, exponent):
    law = power_law.fit_power_law(SIZES, floor + scale * SIZES**-exponent)
    assert law.exponent == pytest.approx(exponent, rel=1e-3)
    assert law.floor == pytest.approx(floor, abs=0.03)
    assert law.scale == pytest.approx(scale, rel=1e-2)
    assert not law.at_bound
    assert law.at(SIZES) == pytest.approx(floor + scale * SIZES**-exponent, rel=1e-6)


def test_floor_and_scale_are_never_negative(power_law):
    rising = power_law.fit_power_law(SIZES, np.log(SIZES))
    assert rising.scale == 0
    assert rising.floor == pytest.approx(np.log(SIZES).mean())
    straight = power_law.fit_power_law(SIZES, 20 - np.log(SIZES))  # wants a negative floor
    assert straight.floor >= 0


def test_a_step_is_at_the_bound(power_law):
    losses = np.where(SIZES < 200, 30.0, 20.0)
    assert power_law.fit_power_law(SIZES, losses).at_bound


def test_two_sizes_are_too_few(power_law):
    with pytest.raises(ValueError, match="three different"):
        power_law.fit_power_law(np.array([1.0, 2.0, 2.0]), np.array([3.0, 2.0, 2.1]))


def made_up(random: np.random.Generator, seeds: int) -> np.ndarray:
    """Losses (seeds, sizes, galaxies) of the law 20 + 200 · D^-0.5 with hard and easy galaxies."""
    galaxies = np.exp(random.normal(0, 0.3, 400))
    noise = random.normal(0, 0.15, (seeds, len(SIZES), 1))
    return (20 + 200 * SIZES**-0.5)[:, None] * galaxies / galaxies.mean() + noise


def test_the_interval_covers_the_exponent_of_most_data(power_law):
    covered = 0
    for number in range(12):
        losses = made_up(np.random.default_rng(number), seeds=5)
        fits = power_law.resampled_fits(SIZES, losses, resamples=40, seed=number)
        low, high = power_law.interval(np.array([each.exponent for each in fits]))
        covered += low <= 0.5 <= high
    assert covered >= 8


def test_more_seeds_narrow_the_interval(power_law):
    def width(seeds: int) -> float:
        losses = made_up(np.random.default_rng(1), seeds)
        fits = power_law.resampled_fits(SIZES, losses, resamples=100, seed=0)
        low, high = power_law.interval(np.array([each.exponent for each in fits]))
        return high - low

    assert width(40) < 0.6 * width(4)


def test_resampling_is_repeatable_and_around_the_fit(power_law):
    losses = made_up(np.random.default_rng(2), seeds=3)
    first, second = (power_law.resampled_fits(SIZES, losses, 30, seed=5) for _ in range(2))
    assert first == second
    low, high = power_law.interval(np.array([each.exponent for each in first]), level=1.0)
    assert low <= power_law.fit_mean(SIZES, losses).exponent <= high
