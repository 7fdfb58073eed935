from __future__ import annotations

import pytest
import torch
from monai.losses import TverskyLoss
from torch.nn import functional

from zooassist_training.segmentation.losses import FOCUS, LOSSES, MISSED, one_hot, settled
from zooassist_training.segmentation.stacks import UNLEARNT


def certain(classes: torch.Tensor, logits: int, sure: float = 30.0) -> torch.Tensor:
    """Logits that say exactly these classes."""
    if logits == 1:
        return (classes[:, None].float() * 2 - 1) * sure
    return functional.one_hot(classes, logits).permute(0, 3, 1, 2).float() * 2 * sure


@pytest.fixture
def classes() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 3, (4, 8, 10), generator=generator)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logits", [1, 3])
def test_the_right_mask_costs_nothing_and_a_wrong_one_does(name, logits, classes):
    truth = classes.clamp_max(logits - 1 or 1)
    right = LOSSES[name](certain(truth, logits), truth)
    wrong = LOSSES[name](certain((truth + 1) % max(2, logits), logits), truth)
    assert right < 1e-3
    assert wrong > 0.5


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logits", [1, 3])
def test_slopes_are_numbers_even_at_the_right_mask(name, logits, classes):
    truth = classes.clamp_max(logits - 1 or 1)
    for sure in (1.0, 60.0):
        guess = certain(truth, logits, sure).requires_grad_()
        LOSSES[name](guess, truth).backward()
        assert torch.isfinite(guess.grad).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logits", [1, 3])
def test_what_is_not_learnt_costs_nothing_and_moves_nothing(name, logits, classes):
    truth = classes.clamp_max(logits - 1 or 1)
    guess = torch.randn(4, logits, 8, 10, generator=torch.Generator().manual_seed(1))
    left_out = truth.clone()
    left_out[:, 5:] = UNLEARNT
    found = []
    for offset in (0.0, 50.0):
        other = guess.clone()
        other[:, :, 5:] += offset
        other.requires_grad_()
        loss = LOSSES[name](*settled(other, left_out))
        loss.backward()
        assert not other.grad[:, :, 5:].any()
        assert other.grad[:, :, :5].any()
        found.append(loss.item())
    assert found[0] == found[1]
    same, classes_as_they_are = settled(guess, truth)
    assert same is guess
    assert classes_as_they_are is truth


def test_focal_tversky_is_monais_tversky_to_a_power(classes):
    torch.manual_seed(1)
    logits = torch.randn(4, 3, 8, 10)
    monai = TverskyLoss(
        include_background=False,
        to_onehot_y=True,
        softmax=True,
        alpha=1 - MISSED,
        beta=MISSED,
        smooth_nr=1,
        smooth_dr=1,
    )
    expected = monai(logits, classes[:, None]) ** FOCUS
    torch.testing.assert_close(LOSSES["focal-tversky"](logits, classes), expected)


def test_an_empty_slice_left_empty_is_perfect():
    nothing = torch.zeros(2, 6, 6, dtype=torch.long)
    assert LOSSES["focal-tversky"](certain(nothing, 1), nothing) < 1e-3


def test_missing_costs_more_than_drawing_too_much():
    truth = torch.zeros(1, 10, 10, dtype=torch.long)
    truth[:, :, :5] = 1
    less, more = truth.clone(), truth.clone()
    less[:, :, 4] = 0
    more[:, :, 5] = 1
    loss = LOSSES["focal-tversky"]
    assert loss(certain(less, 1), truth) > loss(certain(more, 1), truth)


def test_weighted_cross_entropy_weighs_by_share(classes):
    """Class 1 has three quarters of the labelled pixels, so it weighs a quarter."""
    truth = torch.zeros(1, 4, 4, dtype=torch.long)
    truth[:, :3], truth[:, 3] = 1, 2
    logits = torch.zeros(1, 3, 4, 4)
    p = torch.full((1, 4, 4), 1 / 3)
    one = functional.binary_cross_entropy(p, (truth == 1).float())
    two = functional.binary_cross_entropy(p, (truth == 2).float())
    expected = (0.25 * one + 0.75 * two) / 2
    torch.testing.assert_close(LOSSES["weighted-bce"](logits, truth), expected)


def test_the_only_class_keeps_its_weight():
    """Published code gave it the weight 0, and the loss vanished."""
    truth = torch.ones(1, 4, 4, dtype=torch.long)
    logits = torch.zeros(1, 1, 4, 4)
    torch.testing.assert_close(LOSSES["weighted-bce"](logits, truth), torch.tensor(2.0).log())


def test_one_hot_leaves_the_background_out(classes):
    shown = one_hot(classes, 2)
    assert shown.shape == (4, 2, 8, 10)
    assert torch.equal(shown.argmax(1)[classes > 0] + 1, classes[classes > 0])
    assert not shown.sum(1)[classes == 0].any()
