from __future__ import annotations

import numpy as np
import pytest
import torch

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.preprocessing import prepare
from zooassist_training.augment import Augmentation, augment, margin_side, with_margin

STILL = Augmentation(rotate=False, flip=False, zoom=0, shift=0, brightness=0)


def batch_of(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("size", "crop"), [(96, 0.75), (48, 1.0), (33, 0.5)])
def test_unchanged_view_is_what_will_be_served(size, crop):
    spec = Preprocessing(size=size, crop=crop)
    picture = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    wide = prepare(picture, with_margin(spec))
    view = augment(batch_of(wide[None]), size, STILL, seeded())[0].permute(1, 2, 0).numpy()
    edge = (wide.shape[0] - size) // 2
    middle = wide[edge : edge + size, edge : edge + size]
    assert np.abs(view - middle).max() < 0.05
    if crop == 0.75:  # no resampling on either side: the very same pixels
        assert np.array_equal(middle, prepare(picture, spec))


def test_same_seed_same_views_and_another_seed_others():
    images = torch.randint(0, 255, (4, 40, 40, 3), dtype=torch.uint8)
    first, again, other = (augment(images, 30, Augmentation(), seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (4, 3, 30, 30)


def test_turning_keeps_a_disc_and_its_brightness():
    y, x = np.mgrid[:64, :64] - 31.5
    disc = (np.hypot(x, y) < 12)[..., None].repeat(3, -1).astype(np.uint8) * 200
    turn = Augmentation(rotate=True, flip=True, zoom=0, shift=0, brightness=0)
    views = augment(batch_of(disc[None].repeat(8, 0)), 40, turn, seeded())
    still = augment(batch_of(disc[None]), 40, STILL, seeded())
    assert (views - still).abs().mean() < 4
    assert views.sum((1, 2, 3)).numpy() == pytest.approx(still.sum().item(), rel=0.02)


def test_upright_images_are_only_mirrored():
    image = torch.zeros(1, 20, 20, 3, dtype=torch.uint8)
    image[0, :5, :5] = 200
    flip = Augmentation(rotate=False, flip=True, zoom=0, shift=0, brightness=0)
    corners = set()
    for seed in range(12):
        view = augment(image, 20, flip, seeded(seed))[0, 0]
        corners.add(tuple(int(v > 100) for v in (view[1, 1], view[1, -2], view[-2, 1])))
    assert corners == {(1, 0, 0), (0, 1, 0)}


def test_upright_images_are_turned_to_both_sides_and_no_further():
    image = torch.zeros(1, 61, 61, 3, dtype=torch.uint8)
    image[0, 30, 31:] = 250  # a line to the right of the middle
    turn = Augmentation(rotate=False, flip=False, zoom=0, shift=0, brightness=0, turn=20)
    assert not turn.changes_nothing
    angles = []
    for seed in range(60):
        view = augment(image, 41, turn, seeded(seed))[0, 0]
        rows, columns = torch.nonzero(view > 60, as_tuple=True)
        far = columns > 34
        angles.append(torch.atan2(rows[far] - 20.0, columns[far] - 20.0).mean().rad2deg().item())
    assert -21 < min(angles) < -12
    assert 12 < max(angles) < 21


def test_a_turned_view_needs_as_much_room_as_its_angle():
    still = {"rotate": False, "zoom": 0.0, "shift": 0.0}
    sides = [margin_side(100, Augmentation(**still, turn=each)) for each in (0, 10, 45, 90)]
    assert sides == [100, 116, 142, 142]
    assert margin_side(100, Augmentation(zoom=0.0, shift=0.0)) == 142


def test_impossible_options_are_refused():
    with pytest.raises(BadInput, match="zoom"):
        Augmentation(zoom=-0.1)
    with pytest.raises(BadInput, match="turn"):
        Augmentation(turn=91)
