"""Whose outlines to trust more? STAPLE: the true mask and each volunteer's accuracy, together.

Warfield, Zou and Wells (2004), "Simultaneous truth and performance level estimation", IEEE TMI 23:
each volunteer covers a pixel of the object with probability p (sensitivity) and leaves out one of
the background with probability q (specificity); expectation maximisation estimates p, q and the
probability of every pixel to belong to the object.

Two known weaknesses are met. The share of background decides the result, so background counts only
as far as it is as large as what was drawn, however empty the image. And single pixels are no
independent evidence, so that with few volunteers the estimates run to the one whose outline is
largest or smallest: p and q get a Beta prior, worth a share of the pixels (Commowick and Warfield
2010, "Estimation of inferior performance by MAP STAPLE"). With ``prior_weight=0`` and all of the
image as background it is the algorithm of 2004.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.mask_patch import Size
from zooassist_exporters.reductions.masks.overlay import Overlay

# Pixels of background that count, per pixel that anybody drew.
BACKGROUND: Final = 1.0
PRIOR_ACCURACY: Final = 0.9
PRIOR_WEIGHT: Final = 0.25
MOST_ROUNDS: Final = 200
TOLERANCE: Final = 1e-7
# No volunteer is held to be infallible: keeps every logarithm finite.
LEAST: Final = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Staple:
    """What STAPLE found.

    Attributes
    ----------
    probability : array of float, shape (patterns,)
        Of the pixels of each pattern of the overlay to belong to the object; 0 where nobody drew.
    sensitivity, specificity : array of float, shape (volunteers,)
    rounds : int
        Rounds of expectation maximisation.
    converged : bool
        Whether the estimates stood still at the end.
    """

    probability: Floats
    sensitivity: Floats
    specificity: Floats
    rounds: int
    converged: bool


def staple(
    drawn: Overlay,
    background: int,
    *,
    prior_accuracy: float = PRIOR_ACCURACY,
    prior_weight: float = PRIOR_WEIGHT,
) -> Staple:
    """Estimate the object and the volunteers' accuracy by expectation maximisation.

    Parameters
    ----------
    drawn : Overlay
        Of all volunteers who saw the frame.
    background : int
        How many pixels that nobody drew count; see `background_of`.
    prior_accuracy : float
        What sensitivity and specificity are held to be before anything was seen; also the start.
    prior_weight : float
        How much that counts, as a share of the pixels of the object and of the background.
    """
    votes = drawn.votes.astype(np.float64)
    pixels = drawn.pixels.astype(np.float64)
    pixels[0] = background
    start: NDArray[np.float64] = np.full(drawn.volunteers, prior_accuracy)
    # The chance of any pixel to belong to the object: the mean of all masks, as in 2004.
    share = float(pixels @ drawn.share) / max(1.0, pixels.sum())
    if share <= 0.0 or share >= 1.0:
        return Staple((drawn.counts > 0).astype(np.float64), start, start, 0, True)
    prior = np.log(share / (1 - share))
    sensitivity, specificity, probability = start, start, drawn.share
    change, rounds = np.inf, 0
    while change > TOLERANCE and rounds < MOST_ROUNDS:
        rounds += 1
        probability = _expected(votes, prior, sensitivity, specificity)
        inside, outside = pixels * probability, pixels * (1 - probability)
        before = sensitivity, specificity
        sensitivity = _accuracy(inside @ votes, inside.sum(), prior_accuracy, prior_weight)
        specificity = _accuracy(outside @ (1 - votes), outside.sum(), prior_accuracy, prior_weight)
        change = float(np.abs(np.subtract((sensitivity, specificity), before)).max())
    probability = np.where(drawn.counts > 0, probability, 0.0)
    return Staple(probability, sensitivity, specificity, rounds, change <= TOLERANCE)


def background_of(drawn: Overlay, size: Size, ratio: float = BACKGROUND) -> int:
    """Return how many pixels of background count: as many as were drawn, or all that are left."""
    touched = int(drawn.pixels[1:].sum())
    return min(round(ratio * touched), size.width * size.height - touched)


def _expected(votes: Floats, prior: float, sensitivity: Floats, specificity: Floats) -> Floats:
    """Return the probability of each pattern to be object, given the volunteers' accuracy."""
    p, q = np.clip((sensitivity, specificity), LEAST, 1 - LEAST)
    odds = prior + votes @ np.log(p / (1 - q)) + (1 - votes) @ np.log((1 - p) / q)
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -500, 500))))


def _accuracy(right: Floats, of: float, prior: float, weight: float) -> Floats:
    """Return each volunteer's share of pixels judged right, drawn towards the prior."""
    whole = (1 + weight) * of
    if whole <= 0:
        return np.full(len(right), prior)
    # Sums of the same pixels in another order: a ratio of 1 may come out a trifle larger.
    return np.minimum((right + weight * of * prior) / whole, 1.0)
