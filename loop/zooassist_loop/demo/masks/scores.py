"""How good are masks? Dice and object F1 against biologists' outlines, image by image."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import text_to_masks
from zooassist_training.evaluation.masks.objects import ObjectScore, components, object_score
from zooassist_training.evaluation.masks.overlap import count, dice

Numbers = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image."""

    dice: float
    objects: ObjectScore


@dataclass(frozen=True)
class Score:
    """The scores of several images.

    Attributes
    ----------
    dice : float or None
        Mean over images; None without any.
    f1 : float or None
        Of all objects together, matched at an IoU of 0.5.
    """

    dice: float | None
    f1: float | None
    images: int


def score_image(objects: Numbers, truth: Numbers) -> ImageScore:
    """Score one image.

    Parameters
    ----------
    objects, truth : arrays of int, one shape
        One number per object, 0 for none.
    """
    return ImageScore(dice(count(objects > 0, truth > 0)), object_score(objects, truth))


def score_images(scores: Mapping[int, ImageScore], subjects: Collection[int]) -> Score:
    """Score some subjects together; those without a score are left out."""
    found = [scores[subject] for subject in sorted(subjects) if subject in scores]
    if not found:
        return Score(None, None, 0)
    objects = sum((each.objects for each in found), ObjectScore())
    return Score(statistics.fmean(each.dice for each in found), objects.f1, len(found))


def proposed_objects(proposal: Proposal, size: tuple[int, int]) -> NDArray[np.int32]:
    """Return the objects of a proposal's mask: the pieces that hang together.

    Parameters
    ----------
    size : (int, int)
        Width and height of the image.

    Raises
    ------
    BadInput
        When a mask is of another size.
    """
    whole = np.zeros((size[1], size[0]), dtype=np.bool_)
    for mask in text_to_masks(proposal.mask) if proposal.mask else ():
        if mask.size != whole.shape:
            raise BadInput(
                f"subject {proposal.subject_id}: expected a mask of {size[0]}x{size[1]} px, got "
                f"{mask.size[1]}x{mask.size[0]}"
            )
        whole |= mask.pixels()
    return components(whole)
