"""Are intervals as wide as they should be? Predicted against observed coverage of vote counts.

Votes are whole numbers, so that an interval can't hold exactly 80 % of the probability: what it
does hold (the predicted coverage) is averaged and held against how often it holds the true count
(the observed one). Given N votes on the question, an answer's count k has the probabilities p(k)
of the posterior predictive, a mixture of beta-binomials. Two families of sets of counts:

widths
    {k* − w … k* + w} with k* = int(Σ k p(k)): Walmsley et al. 2020, arXiv:1905.07424.
levels
    The fewest counts, most probable first, that together reach a level.

The coverage error is the gap between the two averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_serving.vote_likelihood import Floats, count_probabilities

WIDTHS = (0, 1, 2, 3, 5, 8, 12)
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class CoverageAt:
    """Coverage of one kind of interval, averaged over galaxies and answers.

    Attributes
    ----------
    at : float
        Half-width in votes, or level.
    predicted, observed : float
        NaN without galaxies.
    standard_error : float
        Of observed minus predicted, from the scatter between galaxies.
    """

    at: float
    predicted: float
    observed: float
    standard_error: float

    @property
    def error_points(self) -> float:
        """Observed minus predicted in percentage points; below 0 the model is too sure."""
        return 100 * (self.observed - self.predicted)

    @property
    def relative_error(self) -> float:
        """The gap as a share of the predicted coverage."""
        if not self.predicted > 0:
            return float("nan")
        return abs(self.observed - self.predicted) / self.predicted


@dataclass(frozen=True)
class Coverage:
    """Of one question: by half-width in votes, and by level."""

    widths: tuple[CoverageAt, ...]
    levels: tuple[CoverageAt, ...]

    def level(self, level: float) -> CoverageAt:
        """Return the coverage at one of the levels."""
        return next(each for each in self.levels if each.at == level)


def discrete_coverage(
    pmf: Floats, counts: NDArray[np.int64], widths: Sequence[int] = WIDTHS
) -> tuple[Floats, Floats]:
    """Predicted and observed coverage of {k* − w … k* + w}.

    Parameters
    ----------
    pmf : array of shape (galaxies, largest number of votes + 1)
        Probability of each count.
    counts : array of shape (galaxies,)
        The true ones.

    Returns
    -------
    tuple of arrays of shape (galaxies, widths)
        Probability of the interval, and whether it holds the true count.
    """
    most = pmf.shape[1] - 1
    # Not to take 2.9999999 for 2 where the mean is 3.
    centre = (pmf @ np.arange(most + 1) + 1e-9).astype(np.int64)[:, None]
    half = np.asarray(widths, dtype=np.int64)
    low, high = np.maximum(centre - half, 0), np.minimum(centre + half, most)
    below = np.concatenate([np.zeros((len(pmf), 1)), np.cumsum(pmf, axis=1)], axis=1)
    predicted: Floats = np.take_along_axis(below, high + 1, 1) - np.take_along_axis(below, low, 1)
    inside = (counts[:, None] >= low) & (counts[:, None] <= high)
    return predicted, inside.astype(np.float64)


def level_coverage(
    pmf: Floats, counts: NDArray[np.int64], levels: Sequence[float] = LEVELS
) -> tuple[Floats, Floats]:
    """Predicted and observed coverage of the fewest, most probable counts that reach a level.

    Returns
    -------
    tuple of arrays of shape (galaxies, levels)
    """
    order = np.argsort(-pmf, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(pmf, order, 1), axis=1)
    rank = np.argmax(order == counts[:, None], axis=1)
    # The last count of the set is the first at which the level is reached.
    last = np.stack([(reached < level - 1e-12).sum(1) for level in levels], axis=1)
    last = np.minimum(last, pmf.shape[1] - 1)
    predicted: Floats = np.take_along_axis(reached, last, axis=1)
    return predicted, (rank[:, None] <= last).astype(np.float64)


@dataclass(frozen=True, eq=False)
class CoverageTable:
    """Coverage of each galaxy, the mean over the question's answers.

    Attributes
    ----------
    widths, levels : pair of arrays of shape (galaxies, widths or levels)
        Predicted and observed. A galaxy's answers are not independent of each other: their mean is
        taken before any scatter is.
    """

    widths: tuple[Floats, Floats]
    levels: tuple[Floats, Floats]

    def over(self, rows: NDArray[np.bool_]) -> Coverage:
        """Return the averages over some galaxies."""
        return Coverage(
            _averages(WIDTHS, *(each[rows] for each in self.widths)),
            _averages(LEVELS, *(each[rows] for each in self.levels)),
        )


def coverage_table(alphas: Floats, counts: NDArray[np.int64]) -> CoverageTable:
    """Coverage of one question for each galaxy, every answer's count on its own.

    Parameters
    ----------
    alphas : array of shape (galaxies, samples, answers)
    counts : array of shape (galaxies, answers)
    """
    votes, strength = counts.sum(1), alphas.sum(-1)
    answers = alphas.shape[2]
    widths = [np.zeros((len(votes), len(WIDTHS))) for _ in range(2)]
    levels = [np.zeros((len(votes), len(LEVELS))) for _ in range(2)]
    for answer in range(answers):
        own = alphas[..., answer]
        pmf = count_probabilities(own, strength - own, votes)
        for sums, found in (
            (widths, discrete_coverage(pmf, counts[:, answer])),
            (levels, level_coverage(pmf, counts[:, answer])),
        ):
            for place, each in enumerate(found):
                sums[place] += each / answers
    return CoverageTable((widths[0], widths[1]), (levels[0], levels[1]))


def coverage(alphas: Floats, counts: NDArray[np.int64]) -> Coverage:
    """Coverage of one question over all galaxies, see `coverage_table`."""
    return coverage_table(alphas, counts).over(np.ones(len(counts), dtype=np.bool_))


def _averages(
    places: Sequence[float], predicted: Floats, observed: Floats
) -> tuple[CoverageAt, ...]:
    galaxies = len(predicted)
    if galaxies == 0:
        return tuple(CoverageAt(at, *[float("nan")] * 3) for at in places)
    one = np.full(len(places), np.nan)  # a lone galaxy has no scatter
    scatter = (observed - predicted).std(0, ddof=1) if galaxies > 1 else one
    return tuple(
        CoverageAt(
            at=float(at),
            predicted=float(predicted[:, i].mean()),
            observed=float(observed[:, i].mean()),
            standard_error=float(scatter[i] / np.sqrt(galaxies)),
        )
        for i, at in enumerate(places)
    )
