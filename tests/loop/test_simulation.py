"""A round of the loop on tiny volumes, and its parts."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from mask_sets import draw_volume, write_volume_pairs

from zooassist_loop.simulation.plan import ARMS, SimulationPlan
from zooassist_loop.simulation.proposals import counts_of, merged, propose, returned
from zooassist_loop.simulation.report import summary_lines, write_simulation_page
from zooassist_loop.simulation.run import chosen_first, compare, simulate
from zooassist_loop.simulation.summary import estimate, summarise
from zooassist_plugin.cli import main
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec
from zooassist_training.segmentation.stacks import read_stacks
from zooassist_training.segmentation.teaching import FOREGROUND, foreground_parts, teach

PLAIN = Augmentation(rotate=False, flip=True, zoom=0, shift=0, brightness=0)
RECIPE = MaskRecipe(
    "tiny",
    "volume",
    network_options={"hidden": [4, 6]},
    discriminator=DiscriminatorSpec(4, 2, normal=True),
    windows=WindowOptions(16, 6, 2),
    fit=FitOptions(
        epochs=12, batch_size=2, learning_rate=2e-2, averaging=0.8, threads=1, augmentation=PLAIN
    ),
    adversary=AdversaryOptions(loss="dice-ce", epochs=1),
)
PLAN = SimulationPlan(
    RECIPE, training=3, calibration=4, held_out=2, members=2, target=0.9, windows_again=30
)
CLASSES = (MaskClass(number=1, name="left"), MaskClass(number=2, name="right"))


@pytest.fixture(scope="module")
def stacks():
    random = np.random.default_rng(4)

    def pair():
        values, labels = draw_volume(random, slices=8)
        return (values / 5).clip(0, 255).astype(np.uint8)[..., None], labels

    return read_stacks([(f"v{number}", pair) for number in range(13)], CLASSES)


@pytest.fixture(scope="module")
def simulated(stacks):
    return simulate(stacks, PLAN)


def test_every_scorer_has_a_curve_that_ends_with_what_people_return(simulated):
    names = [each.scorer for each in simulated.scorers]
    assert {"realness_mean", "realness_worst", "entropy", "inconsistency"} <= set(names)
    assert {"disagreement", "area", "random", "learned", "oracle"} <= set(names)
    assert simulated.slices == 4 * 8
    for each in simulated.scorers:
        assert len(each.curves["perfect"]) == simulated.slices + 1
        assert each.curves["perfect"][0] == pytest.approx(simulated.proposed)
        assert each.curves["perfect"][-1] == 1
        assert each.curves["noisy"][-1] < 1
        assert 0 <= each.needed["perfect"] <= 1
        assert each.promised_quality >= simulated.proposed - 1e-9


def test_the_oracle_needs_least(simulated):
    named = {each.scorer: each.needed["perfect"] for each in simulated.scorers}
    assert named["oracle"] <= named["random"]
    assert named["oracle"] == pytest.approx(min(named.values()), abs=0.1)


def test_the_network_learns_again_in_every_way(simulated):
    assert list(simulated.learnt) == ["before", *(arm.name for arm in ARMS)]
    assert all(0 <= dice <= 1 for dice in simulated.learnt.values())
    assert len(set(simulated.learnt.values())) > 2


def test_a_simulation_repeats(stacks, simulated):
    plan = replace(PLAN, windows_again=0)
    again = simulate(stacks, plan)
    for one, other in zip(again.scorers, simulated.scorers, strict=True):
        assert one.scorer == other.scorer
        np.testing.assert_array_equal(one.curves["noisy"], other.curves["noisy"])
    assert list(again.learnt) == ["before"]


def test_parts_have_no_volume_in_common_and_leave_none_out():
    roles = PLAN.deal(13)
    parts = (roles.training, roles.calibration, roles.pool, roles.held_out)
    assert [len(part) for part in parts] == [3, 4, 4, 2]
    assert sorted(place for part in parts for place in part) == list(range(13))
    fit = replace(RECIPE.fit, seed=2)
    assert replace(PLAN, recipe=replace(RECIPE, fit=fit)).deal(13) != roles
    with pytest.raises(BadInput, match="more than 9 volumes"):
        PLAN.deal(9)


@pytest.mark.parametrize(
    "wrong", [{"training": 0}, {"held_out": -1}, {"share": 0}, {"target": 1.5}, {"members": 0}]
)
def test_plans_that_cannot_be_are_refused(wrong):
    with pytest.raises(BadInput, match="expected"):
        SimulationPlan(RECIPE, **wrong)


def test_what_came_back_replaces_proposals_and_nothing_else(stacks):
    network = teach(
        replace(RECIPE, fit=replace(RECIPE.fit, epochs=1)),
        foreground_parts(stacks, [0]),
        foreground_parts(stacks, []),
    )
    pool = propose([network], stacks, (2, 5))
    assert set(pool.table.features) >= {"entropy", "realness_worst"}
    back = returned(pool, PLAN.hand_of("perfect"), np.random.default_rng(0))
    sent = np.zeros(16, dtype=bool)
    sent[[1, 9]] = True
    masks = dict(merged(pool, back, sent))
    assert list(masks) == [2, 5]
    for place, mask, row in zip((2, 5), pool.masks, (1, 1), strict=True):
        truth = stacks.labels[place] > 0
        assert (masks[place][row] == truth[row]).all()
        assert (np.delete(masks[place], row, 0) == np.delete(mask, row, 0)).all()
    assert (counts_of(pool.masks, pool.truths) == pool.table.known).all()
    assert not counts_of(back, pool.truths)[:, 1:3].any()


def test_labels_of_parts_are_one_object_or_those_given(stacks):
    mask = np.zeros(stacks.labels[1].shape, dtype=bool)
    mask[0, 0, 0] = True
    parts = foreground_parts(stacks, [0, 1], {1: mask})
    assert parts.names == ("v0", "v1")
    assert (parts.labels[0] == (stacks.labels[0] > 0)).all()
    assert (parts.labels[1] == mask).all()
    assert FOREGROUND.number == 1


def test_the_first_of_an_order_are_chosen():
    assert chosen_first(np.array([2, 0, 1, 3]), 0.5).tolist() == [True, False, True, False]


def test_seeds_are_put_together(simulated):
    summary = summarise([simulated, simulated], 0.4)
    chance = next(each for each in summary.scorers if each.scorer == "random")
    assert chance.saved.mean == 0
    assert summary.proposed.low == pytest.approx(simulated.proposed)
    assert summary.gained["labelled only"].mean == pytest.approx(
        simulated.learnt["labelled only"] - simulated.learnt["before"]
    )
    assert any(line.startswith("  oracle") for line in summary_lines(summary, PLAN))


def test_scorers_of_seeds_must_be_the_same(simulated):
    fewer = replace(simulated, scorers=simulated.scorers[:-1])
    with pytest.raises(BadInput, match="same scorers"):
        summarise([simulated, fewer], 0.4)


def test_intervals_are_students():
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.high - 2.5 == pytest.approx(3.182446 * np.std([1, 2, 3, 4], ddof=1) / 2, rel=1e-6)
    assert math.isnan(estimate([1.0]).low)
    assert math.isinf(estimate([1.0, math.inf]).mean)


def test_pages_say_never_where_a_target_is_not_reached(simulated, tmp_path):
    scorers = [
        replace(each, needed={"perfect": math.inf, "noisy": math.inf}, contour=math.nan)
        for each in simulated.scorers
    ]
    summary = summarise([replace(simulated, scorers=tuple(scorers))], 0.4)
    write_simulation_page(summary, PLAN, tmp_path / "page.html")
    assert "never" in (tmp_path / "page.html").read_text()


def test_thresholds_come_from_the_calibration_volumes_alone(stacks):
    network = teach(RECIPE, foreground_parts(stacks, [0, 1, 2]), foreground_parts(stacks, []))
    calibration = propose([network], stacks, (3, 4, 5, 6)).table
    pool = propose([network], stacks, (7, 8))
    back = {"perfect": pool.truths, "noisy": pool.masks}
    results = compare(calibration, pool, back, PLAN)
    for each in results:
        assert each.curves["noisy"] == pytest.approx(each.curves["noisy"][0])
        assert 0 <= each.promised_share <= 1


def test_the_command_writes_figures_and_a_page(tmp_path, monkeypatch, capsys):
    folder = write_volume_pairs(tmp_path / "volumes", volumes=9)
    (folder / "labels" / "scan_3.nii").write_bytes(b"damaged")
    out = tmp_path / "out"
    options = "--training 2 --calibration 3 --held-out 1 --members 1 --epochs 2 --size 16 --depth 4"
    options += " --judge-layers 2 --threads 1 --again 8 --target 0.5"
    arguments = [*options.split(), "--network-options", '{"hidden": [4, 4]}', "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["zooassist", "loop", "simulate", str(folder), *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert "scan_3" in said.err
    assert "oracle" in said.out
    figures = json.loads((out / "simulation.json").read_text())
    assert figures["encoding-type"] == "zooassist-simulation"
    assert len(figures["scorers"]["entropy"]["curves"]["perfect"]) == 101
    assert (out / "simulation.html").read_text().count("<svg") == 2
