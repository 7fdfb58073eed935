"""How good is what is not sent, for every share that is? Risk against coverage, with bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.slice_table import Floats, Ints, SliceTable
from zooassist_plugin.errors import BadInput

Bools = NDArray[np.bool_]
STEPS: Final = 101
LEAST_KEPT: Final = 0.1
"""Thresholds that keep fewer slices are not tried: a bound from a handful of slices is noise."""


def slice_dice(counts: Ints) -> Floats:
    """Return the Dice of each row of counts, 1 where nothing is predicted and nothing true."""
    whole = 2 * counts[:, 0] + counts[:, 1] + counts[:, 2]
    return np.where(whole > 0, 2 * counts[:, 0] / np.maximum(whole, 1), 1.0)


class Parts(NamedTuple):
    """A quality as the quotient of two sums over groups of slices (volumes, as a rule).

    Attributes
    ----------
    above, below : arrays of shape (groups, thresholds)
    """

    above: Floats
    below: Floats


def _kept_mean(counts: Ints, sent: Bools, groups: Ints) -> Parts:
    kept = (~sent).astype(np.float64)
    return Parts(_sums(kept * slice_dice(counts), groups), _sums(kept, groups))


def _kept_pooled(counts: Ints, sent: Bools, groups: Ints) -> Parts:
    kept = (~sent).astype(np.float64)
    both, wrong = counts[:, 0], counts[:, 1] + counts[:, 2]
    return Parts(_sums(kept * (2 * both), groups), _sums(kept * (2 * both + wrong), groups))


def _corrected(counts: Ints, sent: Bools, groups: Ints) -> Parts:
    """Sent slices come back perfect: what was wrong in them is right."""
    dice = _quotient(*_corrected_pixels(counts, sent, groups))
    return Parts(dice, np.ones_like(dice))


def _corrected_pixels(counts: Ints, sent: Bools, groups: Ints) -> Parts:
    """Of a single volume, in groups of slices: its Dice is a quotient of sums itself."""
    both = counts[:, 0] + sent * counts[:, 2]
    wrong = ~sent * (counts[:, 1] + counts[:, 2])
    return Parts(_sums(2.0 * both, groups), _sums(2.0 * both + wrong, groups))


def _sums(values: NDArray[np.floating[Any]], groups: Ints) -> Floats:
    """Add values of shape (thresholds, slices) by group."""
    out = np.zeros((int(groups.max()) + 1, len(values)))
    np.add.at(out, groups, values.T)
    return out


def _quotient(above: Floats, below: Floats) -> Floats:
    """Return the quality; 1 where nothing is left that could be wrong."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 1.0)


QUALITIES: Final[dict[str, Callable[[Ints, Bools, Ints], Parts]]] = {
    "kept-mean": _kept_mean,
    "kept-pooled": _kept_pooled,
    "corrected": _corrected,
}
"""Mean Dice of the slices that are not sent; Dice of all their pixels together; mean Dice of the
volumes once the slices that are sent have been corrected."""


@dataclass(frozen=True, eq=False)
class RiskCurve:
    """Quality by the share of slices that is sent.

    Attributes
    ----------
    shares, qualities, lower : arrays of shape (steps,)
        From nothing sent to everything. `lower` is the bootstrap's bound.
    thresholds : array of shape (steps,)
        Slices with at least this score are sent; infinite where none is.
    confidence : float
        The probability that the bound stands for.
    """

    shares: Floats
    qualities: Floats
    lower: Floats
    thresholds: Floats
    confidence: float


def risk_curve(
    slices: SliceTable,
    scores: Floats,
    random: np.random.Generator,
    *,
    quality: str = "kept-mean",
    confidence: float = 0.9,
    draws: int = 500,
) -> RiskCurve:
    """Measure on slices with truth what sending the highest scores leaves behind.

    Slices of a volume are alike, so the bootstrap draws volumes; of a single volume it draws
    slices, and the bound then says nothing of other volumes.

    Parameters
    ----------
    scores : array of shape (slices,)
        Larger is sent first; slices of equal score are sent together.

    Raises
    ------
    BadInput
        When there are no slices, or no such quality.
    """
    if not len(slices):
        raise BadInput("risk curve: expected slices with known truth, got none")
    if quality not in QUALITIES:
        raise BadInput(f"quality: expected one of {', '.join(QUALITIES)}, got {quality!r}")
    if not 0.5 < confidence < 1:
        raise BadInput(f"confidence: expected between 0.5 and 1, got {confidence}")
    measure = QUALITIES[quality]
    ranked = np.sort(scores)[::-1]
    places = np.unique(np.round(np.linspace(0, len(slices), STEPS)).astype(int))
    thresholds = np.array([np.inf if n == 0 else ranked[n - 1] for n in places])
    thresholds = np.unique(thresholds)[::-1]
    sent = scores >= thresholds[:, None]
    _, groups = np.unique(slices.volumes, return_inverse=True)
    if groups.max() == 0:
        groups = np.arange(len(slices))
        measure = _corrected_pixels if quality == "corrected" else measure
    parts = measure(slices.known, sent, groups)
    count = len(parts.above)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
    found = _quotient(drawn @ parts.above, drawn @ parts.below)
    return RiskCurve(
        shares=sent.mean(axis=1),
        qualities=_quotient(parts.above.sum(axis=0), parts.below.sum(axis=0)),
        lower=np.quantile(found, 1 - confidence, axis=0),
        thresholds=thresholds,
        confidence=confidence,
    )


@dataclass(frozen=True)
class Threshold:
    """Which scores are sent, and what that promises.

    Attributes
    ----------
    score : float
        Slices with at least this score are sent; minus infinity sends all.
    share : float
        Of the calibration slices.
    quality, lower : float
        On the calibration slices, and its bound.
    """

    score: float
    share: float
    quality: float
    lower: float


def choose_threshold(curve: RiskCurve, target: float) -> Threshold:
    """Return the threshold that sends least and whose bound keeps the target.

    The shares are tried downwards from one that keeps a tenth, and the first that misses ends it:
    so the bound of the chosen one holds as if it alone had been tried.

    Raises
    ------
    BadInput
        When the target is no Dice.
    """
    if not 0 < target <= 1:
        raise BadInput(f"quality: expected a Dice above 0 and at most 1, got {target}")
    best = Threshold(-np.inf, 1.0, 1.0, 1.0)
    for step in range(len(curve.thresholds) - 1, -1, -1):
        share = float(curve.shares[step])
        if share > 1 - LEAST_KEPT:
            continue
        if curve.lower[step] < target:
            break
        best = Threshold(
            float(curve.thresholds[step]),
            share,
            float(curve.qualities[step]),
            float(curve.lower[step]),
        )
    return best


def needed_share(slices: SliceTable, scores: Floats, target: float) -> float:
    """Return the smallest share to send so that corrected volumes reach a mean Dice.

    Scores are sent one by one, equal ones in their order; corrections are perfect.
    """
    _, volumes = np.unique(slices.volumes, return_inverse=True)
    order = np.argsort(-scores, kind="stable")
    # Sending more never lowers the Dice, so that halving finds the least.
    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        sent = np.zeros(len(order), dtype=np.bool_)
        sent[order[:middle]] = True
        parts = _corrected(slices.known, sent[None], volumes)
        if _quotient(parts.above.sum(axis=0), parts.below.sum(axis=0))[0] >= target:
            high = middle
        else:
            low = middle + 1
    return low / len(order)
