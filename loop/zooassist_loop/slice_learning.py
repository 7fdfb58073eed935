"""How are a slice's features put together into one score? A ridge regression on its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from zooassist_loop.slice_table import Floats, SliceTable
from zooassist_plugin.errors import BadInput

LEARNED: Final = "learned"
# Strengths that are tried; how well they predict volumes left out decides.
STRENGTHS: Final = (0.1, 1.0, 10.0, 100.0, 1000.0)
FOLDS: Final = 5
LEAST_SLICES: Final = 20


@dataclass(frozen=True, eq=False)
class LearnedScore:
    """A fitted combination.

    Attributes
    ----------
    names : tuple of str
        Features it looks at.
    means, scales, weights : arrays of shape (terms,)
        Of ln(1 + feature) and its square.
    strength : float
        How much large weights were held back.
    """

    names: tuple[str, ...]
    means: Floats
    scales: Floats
    weights: Floats
    strength: float

    def score(self, slices: SliceTable) -> Floats:
        """Return the expected square root of a slice's wrong pixels, up to a constant.

        Raises
        ------
        BadInput
            When the slices lack a feature.
        """
        missing = [name for name in self.names if name not in slices.features]
        if missing:
            raise BadInput(f"scorer learned: the slices have no {', '.join(missing)}")
        terms = (_terms(slices, self.names) - self.means) / self.scales
        score: Floats = terms @ self.weights
        return score


def fit_score(slices: SliceTable) -> LearnedScore:
    """Fit on slices whose truth is known.

    The square root of the wrong pixels is predicted: of few slices with enormous errors the sum of
    squares would see nothing else. The strength is that which predicts volumes left out best.

    Raises
    ------
    BadInput
        For fewer than 20 slices.
    """
    if len(slices) < LEAST_SLICES:
        raise BadInput(
            f"scorer learned: expected at least {LEAST_SLICES} calibration slices, got "
            f"{len(slices)}; label more, or choose another scorer"
        )
    names = tuple(slices.features)
    terms, target = _terms(slices, names), np.sqrt(slices.wrong.astype(np.float64))
    folds = _folds(slices)
    errors = []
    for strength in STRENGTHS:
        missed = 0.0
        for fold in np.unique(folds):
            means, scales, weights, middle = _ridge(
                terms[folds != fold], target[folds != fold], strength
            )
            said = (terms[folds == fold] - means) / scales @ weights + middle
            missed += float(((said - target[folds == fold]) ** 2).sum())
        errors.append(missed)
    best = STRENGTHS[int(np.argmin(errors))]
    means, scales, weights, _ = _ridge(terms, target, best)
    return LearnedScore(names, means, scales, weights, best)


def held_out_scores(slices: SliceTable) -> Floats:
    """Score every slice by a combination that was fitted without its volume.

    A threshold that is chosen on the slices the score was fitted on would promise too much.
    """
    folds = _folds(slices)
    scores = np.empty(len(slices))
    for fold in np.unique(folds):
        inside = folds == fold
        scores[inside] = fit_score(slices.where(~inside)).score(slices.where(inside))
    return scores


def _folds(slices: SliceTable) -> Floats:
    """Return which fold each slice is in; those of a volume stay together where there are two."""
    names, number = np.unique(slices.volumes, return_inverse=True)
    if len(names) > 1:
        return np.asarray(number % min(FOLDS, len(names)), dtype=np.float64)
    # One volume: stretches of it, since neighbours are much alike.
    return np.asarray(np.arange(len(slices)) * FOLDS // len(slices), dtype=np.float64)


def _terms(slices: SliceTable, names: tuple[str, ...]) -> Floats:
    logs = np.stack([np.log1p(np.maximum(slices.features[name], 0)) for name in names], axis=1)
    return np.concatenate([logs, logs**2], axis=1)


def _ridge(terms: Floats, target: Floats, strength: float) -> tuple[Floats, Floats, Floats, float]:
    means, scales = terms.mean(axis=0), terms.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    x, middle = (terms - means) / scales, float(target.mean())
    weights = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ (target - middle))
    return means, scales, weights, middle
