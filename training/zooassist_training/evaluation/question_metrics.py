"""How does a model do on one question? All its figures, from concentrations and votes.

Unless said otherwise a galaxy counts when more than half of the volunteers were led to the
question (GZ DECaLS, Walmsley et al. 2022, arXiv:2102.08414) and somebody answered it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.label_schema import Question
from zooassist_serving.posteriors import expected_fraction
from zooassist_serving.vote_likelihood import Floats, log_predictive
from zooassist_training.evaluate import ASKED_MORE_THAN, QuestionScore, score_question
from zooassist_training.evaluation.confusion import confusion
from zooassist_training.evaluation.coverage import Coverage, CoverageTable, coverage_table
from zooassist_training.evaluation.fraction_errors import FractionError, fraction_error
from zooassist_training.evaluation.reliability import (
    Reliability,
    leading_probability,
    reliability,
)

# Under so many galaxies a figure is shown, but flagged.
FEW_GALAXIES = 50
# Lower edges of the strata by number of votes on the question.
VOTES_FROM = (1, 5, 10, 20, 40, 80, 160)


@dataclass(frozen=True)
class LogLikelihood:
    """Posterior predictive log-likelihood of the votes, over all galaxies with a vote; in nats."""

    galaxies: int
    votes: int
    total: float

    @property
    def per_galaxy(self) -> float:
        """Mean over the galaxies."""
        return self.total / self.galaxies if self.galaxies else float("nan")

    @property
    def per_vote(self) -> float:
        """Mean over the votes."""
        return self.total / self.votes if self.votes else float("nan")


@dataclass(frozen=True)
class Stratum:
    """Galaxies with so many votes on the question (all of them, however many were led there)."""

    votes_from: int
    votes_to: int | None
    galaxies: int
    accuracy: float
    error: FractionError
    coverage_80: float
    predicted_80: float


@dataclass(frozen=True, eq=False)
class QuestionMetrics:
    """The figures of one question.

    Attributes
    ----------
    with_votes : int
        Galaxies that anybody answered the question about; `score.galaxies` count.
    error : FractionError
        Over the answers; `answers` has each one's.
    fractions, leading : Reliability
        Of vote fractions, and of the probability that the predicted answer leads.
    confusion : array of shape (answers, answers)
        Row: volunteers' answer.
    """

    name: str
    answers: tuple[tuple[str, FractionError], ...]
    with_votes: int
    score: QuestionScore
    error: FractionError
    log_likelihood: LogLikelihood
    coverage: Coverage
    fractions: Reliability
    leading: Reliability
    confusion: NDArray[np.int64]
    strata: tuple[Stratum, ...]

    @property
    def few(self) -> bool:
        """Whether there are too few galaxies to trust the figures."""
        return self.score.galaxies < FEW_GALAXIES


def measure_question(
    question: Question,
    alphas: Floats,
    counts: NDArray[np.int64],
    asked: Floats,
    random: np.random.Generator,
) -> QuestionMetrics:
    """Measure one question.

    Parameters
    ----------
    alphas : array of shape (galaxies, samples, answers)
        Concentrations.
    counts : array of shape (galaxies, answers)
        Votes.
    asked : array of shape (galaxies,)
        Proportion of the volunteers that were led to the question.
    random : numpy.random.Generator
        For the votes that are drawn, see `reliability.leading_probability`.
    """
    votes = counts.sum(1)
    voted = votes > 0
    predicted = expected_fraction(alphas)
    observed = counts / np.maximum(votes, 1)[:, None]
    counted = voted & (asked > ASKED_MORE_THAN)
    guess, truth = predicted[counted], observed[counted]
    choice = guess.argmax(1)
    table = coverage_table(alphas[voted], counts[voted])
    lead = leading_probability(alphas[counted], votes[counted], choice, random)
    return QuestionMetrics(
        name=question.name,
        answers=tuple(
            (answer.label or answer.column, fraction_error(guess[:, i], truth[:, i]))
            for i, answer in enumerate(question.answers)
        ),
        with_votes=int(voted.sum()),
        score=score_question(predicted, observed, asked),
        error=fraction_error(guess, truth),
        log_likelihood=LogLikelihood(
            galaxies=int(voted.sum()),
            votes=int(votes.sum()),
            total=float(log_predictive(alphas[voted], counts[voted]).sum()),
        ),
        coverage=table.over(counted[voted]),
        fractions=reliability(guess, truth),
        leading=reliability(lead, choice == truth.argmax(1)),
        confusion=confusion(guess, truth),
        strata=_strata(votes[voted], predicted[voted], observed[voted], table),
    )


def _strata(
    votes: NDArray[np.int64], predicted: Floats, observed: Floats, table: CoverageTable
) -> tuple[Stratum, ...]:
    strata = []
    for low, high in zip(VOTES_FROM, (*VOTES_FROM[1:], None), strict=True):
        here = (votes >= low) & (votes < high if high is not None else True)
        if not here.any():
            continue
        at_80 = table.over(here).level(0.8)
        right = predicted[here].argmax(1) == observed[here].argmax(1)
        strata.append(
            Stratum(
                votes_from=low,
                votes_to=None if high is None else high - 1,
                galaxies=int(here.sum()),
                accuracy=float(right.mean()),
                error=fraction_error(predicted[here], observed[here]),
                coverage_80=at_80.observed,
                predicted_80=at_80.predicted,
            )
        )
    return tuple(strata)
