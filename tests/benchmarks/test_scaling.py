from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest


@pytest.fixture(scope="module")
def scaling(benchmark_module):
    return benchmark_module("scaling")


def test_subsets_are_nested_and_differ_between_seeds(benchmark_module):
    subset = benchmark_module("galaxy_training").nested_subset
    small, large = subset(10, 100, seed=1), subset(60, 100, seed=1)
    assert small.tolist() == large[:10].tolist()
    assert len(set(large.tolist())) == 60
    assert set(small.tolist()) != set(subset(10, 100, seed=2).tolist())
    assert sorted(subset(100, 100, seed=3).tolist()) == list(range(100))


def test_small_sets_are_shown_more_often_but_take_fewer_steps(scaling):
    assert scaling.epochs_of(2800, 2800, 18) == 18
    assert scaling.epochs_of(700, 2800, 18) == 36
    shown = [size * scaling.epochs_of(size, 2800, 18) for size in (125, 500, 2800)]
    assert shown == sorted(shown)


def test_zero_is_all_and_what_is_too_large_is_left_out(scaling):
    assert scaling.asked_sizes([0, 5, 10, 50], 20) == [5, 10, 20]
    assert scaling.asked_sizes([20, 0], 20) == [20]


def results(seeds: int) -> dict[int, list[dict[str, object]]]:
    random = np.random.default_rng(0)
    return {
        size: [
            {
                "loss": (20 + 200 * size**-0.5 + random.normal(0, 0.1, 50)).tolist(),
                "smooth_rmse": 0.1,
                "best_epoch": 3,
                "seconds": 2.0,
            }
            for _ in range(seeds)
        ]
        for size in (125, 250, 500, 1000)
    }


def test_the_figures_hold_the_law_its_interval_and_every_size(scaling):
    found = scaling.Scaling.of(results(3), resamples=40)
    figures = scaling.figures_of(results(3), found)
    low, high = figures["exponent_low"].value, figures["exponent_high"].value
    assert low <= figures["exponent"].value <= high
    assert figures["exponent"].value == pytest.approx(0.5, abs=0.05)
    assert figures["galaxies_250_loss"].value == pytest.approx(20 + 200 / 250**0.5, abs=0.1)
    assert figures["seconds"].value == 24
    assert "galaxies_250_loss_deviation" in figures


def test_one_seed_has_no_deviation(scaling):
    found = scaling.Scaling.of(results(1), resamples=5)
    assert not any("deviation" in name for name in scaling.figures_of(results(1), found))


def test_the_picture_has_a_dot_per_training(scaling):
    picture = ElementTree.fromstring(scaling.picture(scaling.Scaling.of(results(3), 20)))
    dots = picture.findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(dots) == 12
    places = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in dots[:4]]
    assert places == sorted(places)  # to the right, the loss is lower down
