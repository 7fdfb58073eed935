from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mask_networks import network_of, random_stack
from mask_sets import draw_image

from zooassist_plugin.errors import BadInput
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec
from zooassist_training.segmentation.stacks import read_stacks
from zooassist_training.segmentation.teaching import AT_ONCE, FOREGROUND, ask, judge, teach
from zooassist_training.segmentation.volume_graph import reference

RECIPE = MaskRecipe(
    "tiny",
    network_options={"width": 4, "levels": 2},
    discriminator=DiscriminatorSpec(4, 2),
    windows=WindowOptions(16),
    fit=FitOptions(
        epochs=1,
        batch_size=2,
        learning_rate=1e-6,  # learns next to nothing
        threads=1,
        augmentation=Augmentation(rotate=False, flip=False, zoom=0, shift=0, brightness=0),
    ),
    adversary=AdversaryOptions(epochs=0),
)


@pytest.fixture(scope="module")
def stacks():
    random = np.random.default_rng(0)

    def pair():
        image, labels = draw_image(random)
        return image[None], labels[None]

    return read_stacks([(str(number), pair) for number in range(4)], (FOREGROUND,))


def test_answers_have_the_size_of_the_image_and_are_those_of_the_network():
    network = network_of("volume", classes=1, channels=1)
    stack = random_stack(5, 21, 18, 1)
    masks, realness = ask(network, stack)
    assert masks.shape == (5, 1, 21, 18)
    assert realness.shape[0] == 5
    whole = random_stack(5, 16, 24, 1)
    expected, real = reference(network, whole[None])
    found = ask(network, whole)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], real[0])


def test_slices_of_images_are_answered_alike_however_many_there_are():
    network = network_of("mask", classes=1)
    stack = random_stack(2 * AT_ONCE + 3, 16, 16, 3)
    masks, realness = ask(network, stack)
    alone, real = ask(network, stack[AT_ONCE + 1 : AT_ONCE + 2])
    np.testing.assert_allclose(masks[AT_ONCE + 1], alone[0], atol=1e-6)
    np.testing.assert_allclose(realness[AT_ONCE + 1], real[0], atol=1e-6)


@pytest.mark.parametrize(("kind", "channels"), [("mask", 3), ("volume", 1)])
def test_masks_are_judged_whoever_drew_them(kind, channels):
    network = network_of(kind, classes=1, channels=channels)
    stack = random_stack(5, 16, 24, channels)
    masks, realness = ask(network, stack)
    np.testing.assert_allclose(judge(network, stack, masks), realness, atol=1e-6)
    assert np.abs(judge(network, stack, 1 - masks) - realness).max() > 1e-4
    odd = random_stack(3, 13, 18, channels)
    assert judge(network, odd, ask(network, odd)[0]).shape == ask(network, odd)[1].shape


def test_teaching_goes_on_from_a_network_and_leaves_it_as_it_is(stacks):
    nothing = read_stacks([], (FOREGROUND,))
    first = teach(RECIPE, stacks, nothing)
    before = {name: value.clone() for name, value in first.state_dict().items()}
    other = replace(RECIPE, fit=replace(RECIPE.fit, seed=5))
    second = teach(other, stacks, nothing, start=first)
    assert second.spec.mean == first.spec.mean
    for name, value in second.state_dict().items():
        assert abs(value - before[name]).max() < 1e-3
        assert (first.state_dict()[name] == before[name]).all()
    alone = teach(other, stacks, nothing)
    name = "generator.head.weight"
    assert abs(alone.state_dict()[name] - before[name]).max() > 1e-3


def test_nothing_to_learn_and_other_networks_are_refused(stacks):
    nothing = read_stacks([], (FOREGROUND,))
    with pytest.raises(BadInput, match="got none"):
        teach(RECIPE, nothing, nothing)
    wider = network_of("mask", classes=1)
    with pytest.raises(BadInput, match="same make"):
        teach(RECIPE, stacks, nothing, start=wider)
