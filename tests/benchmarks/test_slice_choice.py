from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from zooassist_loop.simulation.run import PEOPLE, ScorerResult, Simulation
from zooassist_loop.simulation.summary import SHARES, summarise
from zooassist_training.segmentation.stacks import read_stacks


@pytest.fixture(scope="module")
def choice(benchmark_module):
    return benchmark_module("slice_choice")


@pytest.fixture(scope="module")
def volumes(benchmark_module):
    return benchmark_module("slice_choice_data")


def simulation(seed: int, needed: dict[str, float]) -> Simulation:
    curve = np.linspace(0.8, 1, 301)
    scorers = tuple(
        ScorerResult(
            scorer=name,
            curves={"perfect": curve, "noisy": curve - 0.05},
            needed={"perfect": share, "noisy": math.inf},
            contour=share,
            time=share,
            promised_share=0.5,
            promised_quality=0.96,
        )
        for name, share in needed.items()
    )
    return Simulation(seed, 300, 10, scorers, {"before": 0.8, "learned, perfect": 0.81})


def test_what_is_kept_reads_back_as_it_was(choice):
    before = simulation(3, {"random": 0.7, "learned": 0.4})
    content = json.loads(json.dumps(choice.kept(before, 12.5)))
    after = choice.simulation_of(content, 3)
    assert (after.seed, after.slices, after.volumes) == (3, 300, 10)
    for one, other in zip(before.scorers, after.scorers, strict=True):
        assert one.scorer == other.scorer
        assert one.needed == other.needed
        for people in PEOPLE:
            np.testing.assert_allclose(
                other.curves[people], np.interp(SHARES, np.linspace(0, 1, 301), one.curves[people])
            )
    assert after.learnt == before.learnt


def test_the_goals_are_for_the_learned_score_alone(choice):
    shares = ((0.7, 0.39, 0.38), (0.72, 0.35, 0.36), (0.69, 0.36, 0.35))
    simulations = [
        simulation(seed, dict(zip(("random", "learned", "oracle"), each, strict=True)))
        for seed, each in enumerate(shares)
    ]
    results = [choice.kept(each, 60.0) for each in simulations]
    figures = choice.figures_of("mri", summarise(simulations, 0.4), results)
    goals = {name for name, figure in figures.items() if figure.goal is not None}
    assert goals == {"mri_learned_share", "mri_learned_less_than_chance_low"}
    assert figures["mri_learned_share"].holds
    saved = np.array([0.31, 0.37, 0.33])
    reach = 4.302653 * saved.std(ddof=1) / math.sqrt(3)
    assert figures["mri_learned_less_than_chance_low"].value == pytest.approx(saved.mean() - reach)
    assert figures["mri_learned_less_than_chance_low"].holds
    assert figures["mri_minutes"].value == pytest.approx(3)
    drawn = choice.picture({"mri": summarise(simulations, 0.4)})
    assert len(list(ElementTree.fromstring(drawn).iter())) > 20


def test_pieces_lie_apart_and_within_the_volume(volumes):
    image = np.zeros((40, 250, 250), dtype=np.uint8)
    seen = np.zeros(image.shape, dtype=int)
    stacks = read_stacks(volumes.pieces(image, image), (volumes.NEURON,))
    assert len(stacks) == 2 * 2 * 2
    for name, shape in zip(stacks.names, stacks.labels.shapes, strict=True):
        corner = tuple(map(int, name.split()[1:]))
        assert shape == (16, 120, 120)
        seen[tuple(slice(at, at + n) for at, n in zip(corner, shape, strict=True))] += 1
    assert seen.max() == 1
    assert seen.sum() == 8 * 16 * 120 * 120


def test_a_pen_widens_membranes_by_its_width(volumes):
    marked = np.zeros((1, 20, 20), dtype=bool)
    marked[0, :, 9:11] = True  # two pixels wide
    assert volumes.membrane_of(marked, 2)[0, 0].sum() == 2
    assert volumes.membrane_of(marked, 6)[0, 0].sum() == 6
    assert volumes.membrane_of(marked, 7)[0, 0].sum() == 6


def test_volumes_are_told_apart_by_their_pixels(volumes):
    image = np.zeros((16, 120, 120), dtype=np.uint8)
    other = image.copy()
    other[0, 0, 0] = 1
    found = {
        volumes.digest(read_stacks(volumes.pieces(image, labels), (volumes.NEURON,)))
        for labels in (image, other)
    }
    assert len(found) == 2
