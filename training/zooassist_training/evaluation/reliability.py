"""Do things happen as often as predicted? Reliability curves and their expected error.

Two predictions of one question are looked at: every answer's vote fraction, and how likely it is
that the predicted answer is the one that most volunteers give. The expected calibration error is
the gap between predicted and observed mean of each bin, weighted by what lies in the bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_serving.vote_likelihood import Floats

BINS = 10
DRAWS = 200
# Draws held at once.
MAX_DRAWS = 2_000_000


@dataclass(frozen=True)
class Bin:
    """What was predicted between two edges; NaN means where nothing was."""

    low: float
    high: float
    number: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Reliability:
    """A reliability curve and its expected calibration error, NaN without any prediction."""

    bins: tuple[Bin, ...]
    error: float


def reliability(
    predicted: NDArray[np.floating], observed: NDArray[np.floating], bins: int = BINS
) -> Reliability:
    """Compare predictions from 0 to 1 with what was observed, in bins of equal width.

    Parameters
    ----------
    predicted, observed : arrays of the same shape
    """
    guess, truth = predicted.ravel().astype(np.float64), observed.ravel().astype(np.float64)
    place = np.minimum((guess * bins).astype(np.int64), bins - 1)
    number = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, values, minlength=bins) for values in (guess, truth))
    with np.errstate(invalid="ignore"):
        means = [each / number for each in sums]
    gaps = np.where(number > 0, np.abs(means[0] - means[1]), 0.0)
    return Reliability(
        bins=tuple(
            Bin(i / bins, (i + 1) / bins, int(number[i]), float(means[0][i]), float(means[1][i]))
            for i in range(bins)
        ),
        error=float((gaps * number).sum() / number.sum()) if number.sum() else float("nan"),
    )


def leading_probability(
    alphas: Floats,
    votes: NDArray[np.int64],
    answer: NDArray[np.int64],
    random: np.random.Generator,
    draws: int = DRAWS,
) -> Floats:
    """Probability that an answer gets the most of so many votes; of a tie the first answer wins.

    Votes are drawn from the posterior predictive: a sample, fractions, counts.

    Parameters
    ----------
    alphas : array of shape (galaxies, samples, answers)
    votes, answer : arrays of shape (galaxies,)

    Returns
    -------
    array of shape (galaxies,)
    """
    galaxies, samples, answers = alphas.shape
    result = np.zeros(galaxies)
    step = max(1, MAX_DRAWS // (draws * answers))
    for first in range(0, galaxies, step):
        part = alphas[first : first + step]
        chosen = random.integers(samples, size=(len(part), draws))
        shape = np.take_along_axis(part, chosen[..., None], axis=1)
        # Gammas of tiny shapes underflow to zero; a sum of zeros must not divide.
        shares = np.maximum(random.standard_gamma(shape), 1e-300)
        shares /= shares.sum(-1, keepdims=True)
        counts = random.multinomial(votes[first : first + step, None], shares)
        leads = counts.argmax(-1) == answer[first : first + step, None]
        result[first : first + step] = leads.mean(1)
    return result
