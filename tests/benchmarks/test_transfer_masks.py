from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from zooassist_training.segmentation.stacks import read_stacks


@pytest.fixture(scope="module")
def transfer(benchmark_module):
    return benchmark_module("transfer_masks")


@pytest.fixture(scope="module")
def figures(benchmark_module):
    return benchmark_module("transfer_masks_figures")


@pytest.fixture(scope="module")
def tasks(benchmark_module):
    return benchmark_module("transfer_masks_tasks")


def counts(dice: np.ndarray) -> np.ndarray:
    """Pixels of masks that have these Dice (1,000 predicted and true ones, as many missed as
    false)."""
    both = np.round(1000 * dice)
    return np.stack([both, 1000 - both, 1000 - both, np.full_like(both, 9000)], axis=-1)


def test_scores_are_what_their_formulas_say(figures):
    found = np.array([[3.0, 1.0, 2.0, 10.0], [0.0, 0.0, 0.0, 16.0]])
    assert figures.dice_of(found).tolist() == pytest.approx([6 / 9, 1])
    assert figures.iou_of(found).tolist() == pytest.approx([3 / 6, 1])
    mcc = (3 * 10 - 1 * 2) / math.sqrt(4 * 5 * 11 * 12)
    assert figures.mcc_of(found).tolist() == pytest.approx([mcc, 0])


def test_gains_are_paired_by_seed_and_image(figures):
    random = np.random.default_rng(0)
    # Images differ much more than the arms.
    before = random.uniform(0.2, 0.9, (3, 40))
    mean, low, high = figures.gain(before, before + 0.02)
    assert (mean, low, high) == pytest.approx((0.02, 0.02, 0.02))
    noisy = before + random.normal(0, 0.05, before.shape)
    mean, low, high = figures.gain(before, noisy)
    assert low < mean < high
    assert high - low < 0.06


def test_the_fractions_that_help_and_harm_are_named(figures):
    random = np.random.default_rng(1)
    dices = random.uniform(0.4, 0.6, (3, 30))
    results = {}
    for per_cent, more in ((5, 0.1), (25, 0.0), (100, -0.1)):
        results["nuclei", "scratch", per_cent] = counts(dices)
        shaken = dices + more + random.normal(0, 0.01, dices.shape)
        results["nuclei", "other", per_cent] = counts(shaken)
    found = figures.figures_of(results)
    assert found["nuclei_other_helps_up_to"].value == 5
    assert found["nuclei_other_helps_at"].value == 1
    assert found["nuclei_other_harms_at"].value == 1
    assert found["nuclei_other_5_gain"].value == pytest.approx(0.1, abs=0.01)
    assert found["nuclei_scratch_5_dice"].value == pytest.approx(dices.mean(), abs=0.001)
    line = figures.table(found, results)[0]
    assert line.startswith("nuclei, pre-trained on another project: 5 %: +0.09")
    drawn = ElementTree.fromstring(figures.picture(results))
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 18


def test_subsets_of_a_seed_are_nested(transfer):
    small, large = transfer.subset(98, 5, 1), transfer.subset(98, 50, 1)
    assert len(small) == 5
    assert set(small) < set(large)
    assert transfer.subset(98, 5, 2) != small
    assert transfer.subset(10, 1, 1)
    assert transfer.subset(98, 100, 1) == list(range(98))


def test_all_fractions_take_the_same_steps(transfer):
    options = transfer.Options(steps=10, before=20, batch=4, size=16, threads=1)
    for images in (1, 3, 7, 40):
        recipe = options.recipe(images, 10, seed=1, rate=1e-3)
        windows = images * recipe.windows.each
        assert 10 <= windows // 4 <= 10 + images // 4


def test_an_arm_begins_with_what_was_learnt_elsewhere(transfer, tasks):
    random = np.random.default_rng(0)

    def pair():
        labels = np.zeros((1, 24, 24), dtype=np.uint8)
        labels[0, 8:16, 8:16] = 1
        light = labels[..., None] * 150 + random.integers(0, 60, (1, 24, 24, 3))
        return light.astype(np.uint8), labels

    stacks = read_stacks([(str(number), pair) for number in range(3)], tasks.OBJECT)
    options = transfer.Options(steps=2, before=2, batch=2, size=16, threads=1)
    recipe = options.recipe(len(stacks), 2, seed=1, rate=1e-6)  # learns next to nothing
    first = transfer.fitted(recipe, stacks, "scratch")
    other = transfer.fitted(options.recipe(3, 2, 2, 1e-6), stacks, "other", first.state_dict())
    alone = transfer.fitted(options.recipe(3, 2, 2, 1e-6), stacks, "scratch")
    name = "head.weight"
    began = first.generator.state_dict()[name]
    assert (other.generator.state_dict()[name] - began).abs().max() < 1e-3
    assert (alone.generator.state_dict()[name] - began).abs().max() > 1e-3
    encoder = {k: v + 1 for k, v in first.generator.encoder.state_dict().items() if v.ndim == 4}
    generic = transfer.fitted(recipe, stacks, "generic", encoder=encoder)
    stem = "conv_stem.weight"
    moved = generic.generator.encoder.state_dict()[stem] - encoder[stem]
    assert moved.abs().max() < 1e-3
    assert np.array(transfer.counts_of(first, stacks)).sum(1).tolist() == [24 * 24] * 3
