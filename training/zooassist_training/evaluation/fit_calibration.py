"""Which calibration do a validation split's votes ask for? None where nothing clearly helps.

By five-fold cross-validation of the log-likelihood of votes: first one temperature and sharpness
for all questions together against no map at all; then, question by question, a temperature and
sharpness of its own, and a Dirichlet map. A richer way is taken when it explains galaxies that it
was not fitted on better than the plainer one, by more than one standard error of the difference
(all questions) or two (one question). What is fitted is pulled to the plainer way, so that few
galaxies change little.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.calibration import METHOD, Calibration, DirichletMap, TemperatureMap
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.vote_likelihood import Floats
from zooassist_training.evaluation.calibration_objective import (
    UNCHANGED,
    Votes,
    fit_dirichlet,
    fit_temperature,
)

log = logging.getLogger(__name__)
FOLDS = 5
# With fewer galaxies than this nothing is fitted.
FEWEST = 25
# A few dozen numbers need no more galaxies than this; more are thinned out evenly.
MOST = 1000
# A linear map has many more.
FEWEST_FOR_LINEAR = 100
# Standard errors by which a richer way has to be better: two numbers for all questions are soon
# trusted, eleven questions with ways of their own are eleven chances to be wrong.
BETTER, CLEARLY = 1.0, 2.0
Map = TemperatureMap | DirichletMap


@dataclass(frozen=True)
class QuestionFit:
    """What was found for one question.

    Attributes
    ----------
    galaxies : int
        With a vote on it.
    chosen : TemperatureMap, DirichletMap or None
    shared : bool
        Whether it is the map of all questions together.
    gain : float
        By cross-validation: more log-likelihood per galaxy than without a map; 0 without one.
    gain_error : float
        Its standard error.
    """

    name: str
    galaxies: int
    chosen: Map | None = None
    shared: bool = False
    gain: float = 0.0
    gain_error: float = 0.0


@dataclass(frozen=True)
class CalibrationFit:
    """What was found for every question."""

    questions: tuple[QuestionFit, ...]

    @property
    def calibration(self) -> Calibration:
        """The record for `model.json`."""
        found = {each.name: each.chosen for each in self.questions if each.chosen is not None}
        return Calibration(method=METHOD, questions=found)


@dataclass(frozen=True, eq=False)
class _Fold:
    """The votes on one question, and the fold that each galaxy is in."""

    votes: Votes
    galaxy: NDArray[np.int64]
    fold: NDArray[np.int64]

    def without(self, held: int) -> Votes:
        return self.votes.rows(self.fold != held)


def fit_calibration(
    concentrations: NDArray[np.floating],
    counts: NDArray[np.floating],
    schema: LabelSchema,
    seed: int = 0,
) -> CalibrationFit:
    """Fit a calibration.

    Parameters
    ----------
    concentrations : array of shape (galaxies, samples, columns)
        As the graph gives them, of galaxies that were not trained on.
    counts : array of shape (galaxies, columns)
        Votes.
    seed : int
        Of the folds.
    """
    galaxies = len(counts)
    fold = np.random.default_rng(seed).permutation(np.arange(galaxies) % FOLDS)
    voted = {name: np.flatnonzero(counts[:, where].sum(1) > 0)
             for name, where in schema.slices.items()}  # fmt: skip
    folded: dict[str, _Fold] = {}
    for name, where in schema.slices.items():
        rows = voted[name][:: max(1, -(-len(voted[name]) // MOST))]
        if len(rows) and where.stop - where.start > 1:
            votes = Votes(
                concentrations[rows][..., where].astype(np.float64),
                counts[rows][:, where].astype(np.float64),
            )
            folded[name] = _Fold(votes, rows, fold[rows])
    shared, explained = _shared(folded, galaxies)
    fits = tuple(
        _fit_question(name, len(voted[name]), folded.get(name), shared, explained)
        for name in schema.slices
    )
    own = sum(each.chosen is not None and not each.shared for each in fits)
    log.info(
        "calibration: %s for all questions, one of its own for %d of %d",
        "none" if shared is None
        else f"temperature {shared.temperature:.2f}, sharpness {shared.sharpness:.2f}",
        own,
        len(fits),
    )  # fmt: skip
    return CalibrationFit(fits)


def _shared(
    folded: Mapping[str, _Fold], galaxies: int
) -> tuple[TemperatureMap | None, dict[str, Floats]]:
    """Return the map of all questions, None when it does not help, and what it explains of each.

    The second is by cross-validation: the log-likelihood of every galaxy's votes.
    """
    plain = {name: each.votes.explained_by(None) for name, each in folded.items()}
    if galaxies < FEWEST:
        return None, plain
    together: dict[str, Floats] = {name: np.zeros(len(each.votes)) for name, each in folded.items()}
    gain = np.zeros(galaxies)
    for held in range(FOLDS):
        found = fit_temperature([each.without(held) for each in folded.values()])
        for name, each in folded.items():
            here = each.fold == held
            together[name][here] = each.votes.rows(here).explained_by(found)
    for name, each in folded.items():
        gain[each.galaxy] += together[name] - plain[name]
    better, error = _difference(gain)
    if better <= BETTER * error:
        return None, plain
    return fit_temperature([each.votes for each in folded.values()]), together


def _fit_question(
    name: str,
    galaxies: int,
    each: _Fold | None,
    shared: TemperatureMap | None,
    explained: Mapping[str, Floats],
) -> QuestionFit:
    if each is None:
        return QuestionFit(name, galaxies)
    votes, base = each.votes, shared or UNCHANGED
    plain = votes.explained_by(None)
    best = explained[name]
    chosen: Map | None = shared
    for fewest, fit in (
        (FEWEST, _temperature_around(base)),
        (FEWEST_FOR_LINEAR, _dirichlet_around(base)),
    ):
        if len(votes) >= fewest:
            richer = _cross_validated(each, fit)
            better, error = _difference(richer - best)
            if better > CLEARLY * error:
                best, chosen = richer, fit(votes)
    gain, error = _difference(best - plain)
    if chosen is None:
        return QuestionFit(name, galaxies)
    return QuestionFit(name, galaxies, chosen, chosen is shared, gain, error)


def _temperature_around(centre: TemperatureMap) -> Callable[[Votes], Map]:
    return lambda votes: fit_temperature([votes], centre)


def _dirichlet_around(centre: TemperatureMap) -> Callable[[Votes], Map]:
    return lambda votes: fit_dirichlet(votes, centre)


def _cross_validated(each: _Fold, fit: Callable[[Votes], Map]) -> Floats:
    """Log-likelihood of every galaxy under the map fitted on the other folds."""
    explained = np.zeros(len(each.votes))
    for held in range(FOLDS):
        here = each.fold == held
        if here.any() and not here.all():
            explained[here] = each.votes.rows(here).explained_by(fit(each.without(held)))
    return explained


def _difference(gap: Floats) -> tuple[float, float]:
    """Mean over the galaxies and its standard error."""
    if len(gap) < 2:
        return 0.0, float("inf")
    return float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap)))
