from __future__ import annotations

import numpy as np
import pytest
import torch
from mask_sets import draw_volume

from zooassist_plugin.model_card import MaskClass
from zooassist_training.augment import Augmentation, augment_stacks, margin_side
from zooassist_training.segmentation.crops import EveryWindow, RandomWindows, WindowOrder
from zooassist_training.segmentation.stacks import (
    UNLEARNT,
    Stacks,
    channel_statistics,
    read_stacks,
)

CLASSES = (MaskClass(number=1, name="a"), MaskClass(number=2, name="b"))
STILL = Augmentation(rotate=False, flip=False, zoom=0, shift=0, brightness=0)


def stacks_of(volumes: int = 3, **options) -> Stacks:
    """Images whose pixels say which class they are of."""
    random = np.random.default_rng(0)

    def pair(number: int):
        labels = draw_volume(random, slices=5 + number, **options)[1]
        return (labels * 100)[..., None], labels

    items = [(f"volume {number}", lambda number=number: pair(number)) for number in range(volumes)]
    return read_stacks(items, CLASSES)


def test_pixels_and_labels_are_kept_as_they_were():
    stacks = stacks_of()
    assert [image.shape for image in stacks.images] == [(n, 20, 24, 1) for n in (5, 6, 7)]
    for image, labels in zip(stacks.images, stacks.labels, strict=True):
        np.testing.assert_array_equal(image[..., 0], labels * 100)
    assert stacks.slices == 18


def test_windows_side_by_side_show_every_pixel():
    stacks = stacks_of()
    seen = sum(int((labels > 0).sum()) for _, labels in EveryWindow(stacks, 2, 8))
    assert seen >= sum(int((labels > 0).sum()) for labels in stacks.labels)


@pytest.mark.parametrize("margin", [0, 3])
def test_a_small_stack_begins_with_its_window_and_what_is_never_served_is_not_learnt(margin):
    """Volumes of 5 to 7 x 20 x 24, of which 24 x 24 are served with a divisor of 8."""
    stacks = stacks_of()
    side = 32 + 2 * margin
    drawn = RandomWindows(stacks, 9, 32, side, divisor=8)
    windows = [drawn[number, seed] for number in range(3) for seed in range(3)]
    if not margin:
        windows += list(EveryWindow(stacks, 9, 32, divisor=8))
    for number, (image, labels) in enumerate(windows):
        slices = 5 + (number // 3 if number < 9 else number - 9)
        assert image.shape == (9, side, side, 1)
        learnt = torch.zeros(9, side, side, dtype=torch.bool)
        learnt[:slices, : margin + 24, : margin + 24] = True
        assert torch.equal(labels != UNLEARNT, learnt)
        assert torch.equal(image[..., 0][learnt], (labels * 100)[learnt])
        itself = image[:slices, margin : margin + 20, margin : margin + 24].numpy()
        np.testing.assert_array_equal(itself, stacks.images[slices - 5])


def test_the_class_after_the_last_that_can_be_learnt_is_refused():
    numbers = np.full((1, 4, 4), 255, np.uint8)
    many = tuple(MaskClass(number=each, name=str(each)) for each in range(1, 256))
    stacks = read_stacks(
        [
            ("fits", lambda: (numbers[..., None], numbers - 1)),
            ("not", lambda: (numbers[..., None], numbers)),
        ],
        many,
    )
    assert stacks.names == ("fits",)
    assert "at most 254 classes" in str(stacks.problems[0])


def test_nothing_of_a_stack_that_fills_its_window_is_left_out():
    windows = RandomWindows(stacks_of(), 3, 16, 40, divisor=16)
    assert all((windows[0, seed][1] != UNLEARNT).all() for seed in range(9))


def test_windows_repeat_with_their_seed_and_keep_labels_with_pixels():
    windows = RandomWindows(stacks_of(), depth=3, size=8, side=12)
    for number in range(20):
        image, labels = windows[number % 3, number]
        assert image.shape == (3, 12, 12, 1)
        assert torch.equal(image[..., 0], labels * 100)
        assert torch.equal(windows[number % 3, number][0], image)
    assert not all(torch.equal(windows[0, k][0], windows[0, 99][0]) for k in range(9))


def test_half_of_the_windows_look_for_objects():
    """In a wide plane with one small ball nearly all others would be empty."""
    windows = RandomWindows(stacks_of(1, height=150, width=150), 5, 32, 32)
    full = sum(bool(windows[0, seed][1].any()) for seed in range(200))
    alone = (32 + 12) ** 2 / 119**2  # chance of one window, about
    assert full > 200 * alone * 1.5


def test_an_epoch_shows_every_stack_so_often_and_each_window_once():
    order = WindowOrder(stacks=4, windows=3, seed=1)
    order.set_epoch(2)
    drawn = list(order)
    assert sorted(index for index, _ in drawn) == sorted([0, 1, 2, 3] * 3)
    assert len({seed for _, seed in drawn}) == 12
    assert list(order) == drawn
    order.set_epoch(3)
    assert not {seed for _, seed in order} & {seed for _, seed in drawn}


def test_labels_turn_with_their_pixels_and_stay_classes():
    options = Augmentation(brightness=0, shift=0.1, zoom=0.2)
    side = margin_side(16, options)
    windows = RandomWindows(stacks_of(), depth=4, size=16, side=side)
    drawn = [windows[0, seed] for seed in range(4)]
    images, labels = torch.stack([each[0] for each in drawn]), torch.stack([e[1] for e in drawn])
    generator = torch.Generator().manual_seed(0)
    views, classes = augment_stacks(images, labels, 16, options, generator)
    assert views.shape == (4, 4, 1, 16, 16)
    assert set(classes.unique().tolist()) <= {0, 1, 2}
    # Away from borders, where a pixel is a mean of neighbours, both say the same.
    agree = ((views[:, :, 0] / 100).round() == classes).float().mean()
    assert agree > 0.93
    edge = (side - 16) // 2
    assert not torch.equal(classes, labels[:, :, edge : edge + 16, edge : edge + 16].long())


def test_an_unturned_view_is_the_window_itself():
    images, labels = EveryWindow(stacks_of(), 4, 16)[0]
    generator = torch.Generator().manual_seed(0)
    views, classes = augment_stacks(images[None], labels[None], 16, STILL, generator)
    torch.testing.assert_close(views[0, :, 0], images[..., 0].float())
    assert torch.equal(classes[0], labels.long())
    assert margin_side(16, STILL) == 16


def test_statistics_are_those_of_the_pixels():
    stacks = stacks_of()
    pixels = np.concatenate([image.reshape(-1) for image in stacks.images]) / 255
    mean, deviation = channel_statistics(stacks)
    np.testing.assert_allclose(mean, [pixels.mean()])
    np.testing.assert_allclose(deviation, [pixels.std()])
