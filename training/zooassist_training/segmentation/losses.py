"""What makes a mask better? Losses of masks, in a table.

All take logits (slices, logits, height, width) and the classes of the pixels (slices, height,
width), 0 for the background, and give one number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from zooassist_training.segmentation.stacks import UNLEARNT

# How much a missed pixel counts beside one too many, and how much bad masks beside good ones.
MISSED, FOCUS = 0.75, 0.75
SMOOTH = 1.0
# A logit of which nothing is left to learn.
CERTAIN = 20.0
# The slope of a root is infinite at 0.
LEAST = 1e-6


def focal_tversky(logits: Tensor, classes: Tensor) -> Tensor:
    """One less the Tversky index, to the power of `FOCUS` (Abraham and Khan 2019).

    The index is taken of every slice and class, then the mean, then the power, as in patchGAN and
    TCuP-GAN (https://arxiv.org/abs/1810.07842). A slice without a class that is left empty counts
    as perfect.
    """
    probabilities, truth = foreground(logits, classes)
    both = (probabilities * truth).sum((2, 3))
    missed = ((1 - probabilities) * truth).sum((2, 3))
    too_many = (probabilities * (1 - truth)).sum((2, 3))
    index = (both + SMOOTH) / (both + MISSED * missed + (1 - MISSED) * too_many + SMOOTH)
    return (1 - index).mean().clamp_min(LEAST) ** FOCUS


def dice_ce(logits: Tensor, classes: Tensor) -> Tensor:
    """Dice and cross-entropy in equal parts, MONAI's `DiceCELoss`."""
    from monai.losses.dice import DiceCELoss

    alone = logits.shape[1] == 1
    loss = DiceCELoss(sigmoid=alone, softmax=not alone, to_onehot_y=not alone)
    target = classes[:, None]
    result: Tensor = loss(logits.float(), target.float() if alone else target)
    return result


def weighted_bce(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy of each class against all else; rare classes weigh more.

    A class weighs 1 less its share of all labelled pixels of the batch; the only class weighs 1.
    """
    probabilities, truth = foreground(logits, classes)
    weights = torch.ones(truth.shape[1], device=truth.device)
    if truth.shape[1] > 1:
        pixels = truth.sum((0, 2, 3))
        weights = 1 - pixels / pixels.sum().clamp_min(1)
    # Of logits where there is one class: a product of probabilities would lose its digits.
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits.float(), truth)
    certain = probabilities.clamp(1e-7, 1 - 1e-7)
    loss = -(truth * certain.log() + (1 - truth) * (1 - certain).log())
    return (loss * weights[:, None, None]).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "focal-tversky": focal_tversky,
    "dice-ce": dice_ce,
    "weighted-bce": weighted_bce,
}


def settled(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Make pixels that are `UNLEARNT` certain background, and rightly so: no loss, no gradient.

    Parameters
    ----------
    logits : Tensor of shape (…, logits, height, width)
    classes : Tensor of shape (…, height, width)

    Returns
    -------
    Tensor, Tensor
        Of the same shapes.
    """
    left_out = classes == UNLEARNT
    if not left_out.any():
        return logits, classes
    background = logits.new_full((logits.shape[-3], 1, 1), -CERTAIN)
    if logits.shape[-3] > 1:
        background[0] = CERTAIN
    known = torch.where(left_out.unsqueeze(-3), background, logits)
    return known, classes.masked_fill(left_out, 0)


def foreground(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities of the classes, and the truth as zeros and ones, of the same shape."""
    truth = one_hot(classes, max(1, logits.shape[1] - 1))
    if logits.shape[1] == 1:
        return torch.sigmoid(logits.float()), truth
    return torch.softmax(logits.float(), 1)[:, 1:], truth


def one_hot(classes: Tensor, count: int) -> Tensor:
    """Return zeros and ones (…, classes, height, width) of class places (…, height, width)."""
    numbers = torch.arange(1, count + 1, device=classes.device)[:, None, None]
    return (classes.unsqueeze(-3) == numbers).float()
