"""How does a model do on a set of galaxies? Every question's figures, and those of the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.posteriors import expected_fraction
from zooassist_serving.vote_likelihood import Floats
from zooassist_serving.vote_summary import proportion_asked
from zooassist_training.evaluate import Scores, fractions_of_votes, score
from zooassist_training.evaluation.question_metrics import QuestionMetrics, measure_question

SEED = 0


@dataclass(frozen=True, eq=False)
class Metrics:
    """Figures of one set of galaxies.

    Attributes
    ----------
    scores : Scores
        Accuracies, and errors over the cumulative columns.
    questions : tuple of QuestionMetrics
        In the order of the schema.
    """

    galaxies: int
    scores: Scores
    questions: tuple[QuestionMetrics, ...]

    @property
    def log_likelihood(self) -> float:
        """Of all votes, per galaxy, summed over the questions; in nats."""
        total = sum(each.log_likelihood.total for each in self.questions)
        return total / self.galaxies if self.galaxies else float("nan")

    @property
    def enough(self) -> tuple[QuestionMetrics, ...]:
        """The questions with enough galaxies to take a mean over."""
        return tuple(each for each in self.questions if not each.few)

    @property
    def coverage_error(self) -> float:
        """Mean over the questions with enough galaxies, at the 80 % level; percentage points."""
        gaps = [abs(each.coverage.level(0.8).error_points) for each in self.enough]
        return float(np.mean(gaps)) if gaps else float("nan")


def fractions_of_samples(concentrations: Floats, schema: LabelSchema) -> Floats:
    """Return expected fractions, the mean over the samples; shape (galaxies, columns)."""
    parts = [expected_fraction(concentrations[..., where]) for where in schema.slices.values()]
    return np.concatenate(parts, axis=1)


def measure(
    concentrations: Floats, counts: NDArray[np.int64], schema: LabelSchema, seed: int = SEED
) -> Metrics:
    """Measure a model's answers against volunteers' votes.

    Parameters
    ----------
    concentrations : array of shape (galaxies, samples, columns)
    counts : array of shape (galaxies, columns)
    seed : int
        Of the draws behind the reliability of the leading answer.
    """
    observed = fractions_of_votes(counts.astype(np.float64), schema)
    asked = proportion_asked(schema, observed)
    random = np.random.default_rng(seed)
    return Metrics(
        galaxies=len(counts),
        scores=score(fractions_of_samples(concentrations, schema), observed, schema),
        questions=tuple(
            measure_question(
                question,
                concentrations[..., schema.slices[question.name]],
                counts[:, schema.slices[question.name]],
                asked[:, place],
                random,
            )
            for place, question in enumerate(schema.questions)
        ),
    )
