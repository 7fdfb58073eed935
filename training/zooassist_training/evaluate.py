"""How good are predicted vote fractions? Accuracy and error per question, against volunteers.

Definitions of GZ DECaLS (Walmsley et al. 2022): a galaxy counts for a question when more than half
of the volunteers were led to it; the right answer is the volunteers' most frequent one; a galaxy
is confident when more than 0.8 of those asked gave that answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.vote_summary import proportion_asked

Floats = NDArray[np.float64]
ASKED_MORE_THAN = 0.5
CONFIDENT_MORE_THAN = 0.8


@dataclass(frozen=True)
class QuestionScore:
    """Scores of one question.

    Attributes
    ----------
    galaxies, confident : int
        How many counted, and how many of these were confident.
    accuracy, confident_accuracy : float
        NaN when none counted.
    """

    galaxies: int
    accuracy: float
    confident: int
    confident_accuracy: float


@dataclass(frozen=True)
class Scores:
    """Scores of one set of galaxies.

    Attributes
    ----------
    questions : dict
        By question name.
    column_rmse : dict
        By label column, root mean square error of the cumulative vote fraction: of all volunteers,
        how many came to the question and gave the answer.
    rmse : float
        Over all galaxies and columns.
    """

    galaxies: int
    questions: dict[str, QuestionScore]
    column_rmse: dict[str, float]
    rmse: float

    def flat(self) -> dict[str, float]:
        """Return the scores as `model.json` keeps them; what could not be measured is left out."""
        values: dict[str, float] = {"galaxies": self.galaxies, "rmse": self.rmse}
        for name, score in self.questions.items():
            values[f"{name}/accuracy"] = score.accuracy
            values[f"{name}/galaxies"] = score.galaxies
            values[f"{name}/confident-accuracy"] = score.confident_accuracy
            values[f"{name}/confident-galaxies"] = score.confident
        values.update({f"{column}/rmse": error for column, error in self.column_rmse.items()})
        return {name: round(float(x), 6) for name, x in values.items() if np.isfinite(x)}


def fractions_of_votes(counts: NDArray[np.floating], schema: LabelSchema) -> Floats:
    """Return each answer's fraction among those asked, 0 where nobody was.

    Parameters
    ----------
    counts : array of shape (galaxies, label columns)
        Votes; concentrations too, of which these are the expected fractions.
    """
    values = np.asarray(counts, dtype=np.float64)
    fractions = np.zeros_like(values)
    for where in schema.slices.values():
        total = values[:, where].sum(1, keepdims=True)
        np.divide(values[:, where], total, out=fractions[:, where], where=total > 0)
    return fractions


def cumulative(fractions: Floats, schema: LabelSchema) -> Floats:
    """Return each answer's fraction among all volunteers, shape (galaxies, label columns)."""
    asked = proportion_asked(schema, fractions)
    widths = [len(question.answers) for question in schema.questions]
    return fractions * np.repeat(asked, widths, axis=1)


def score(predicted: Floats, observed: Floats, schema: LabelSchema) -> Scores:
    """Compare predicted and observed fractions among those asked.

    Parameters
    ----------
    predicted, observed : arrays of shape (galaxies, label columns)
    """
    asked = proportion_asked(schema, observed)
    questions = {
        question.name: score_question(
            predicted[:, schema.slices[question.name]],
            observed[:, schema.slices[question.name]],
            asked[:, place],
        )
        for place, question in enumerate(schema.questions)
    }
    error = cumulative(predicted, schema) - cumulative(observed, schema)
    per_column = np.sqrt((error**2).mean(0)) if len(error) else np.full(error.shape[1], np.nan)
    return Scores(
        galaxies=len(observed),
        questions=questions,
        column_rmse=dict(zip(schema.columns, map(float, per_column), strict=True)),
        rmse=float(np.sqrt((error**2).mean())) if error.size else float("nan"),
    )


def score_question(predicted: Floats, observed: Floats, asked: Floats) -> QuestionScore:
    """Score one question.

    Parameters
    ----------
    predicted, observed : arrays of shape (galaxies, answers)
        Fractions among those asked; observed ones all 0 where nobody was.
    asked : array of shape (galaxies,)
        Proportion of the volunteers that were led to the question.
    """
    counted = (asked > ASKED_MORE_THAN) & (observed.sum(1) > 0)
    right = predicted[counted].argmax(1) == observed[counted].argmax(1)
    confident = observed[counted].max(1, initial=0.0) > CONFIDENT_MORE_THAN
    return QuestionScore(
        galaxies=int(counted.sum()),
        accuracy=_mean(right),
        confident=int(confident.sum()),
        confident_accuracy=_mean(right[confident]),
    )


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")
