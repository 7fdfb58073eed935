"""How well does a model know values? Errors, explained variance and coverage, target by target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.targets import Target, Targets
from zooassist_serving.value_summary import log_density, mean_and_deviation, probability_below
from zooassist_training.evaluation.question_metrics import FEW_GALAXIES

Floats: TypeAlias = NDArray[np.float64]
# Of the curve, and those of them that are told in words and kept in `model.json`.
LEVELS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
TOLD: Final = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class LevelCoverage:
    """How often the central interval of a level holds the true value.

    Attributes
    ----------
    standard_error : float
        Of `observed`, were the level right.
    """

    level: float
    observed: float
    standard_error: float

    @property
    def error_points(self) -> float:
        """Observed minus level, in percentage points; below 0 the model is too sure."""
        return 100 * (self.observed - self.level)


@dataclass(frozen=True)
class TargetMetrics:
    """Figures of one target; NaN where no subject has a value.

    Attributes
    ----------
    subjects : int
        With a value of this target.
    rmse, mae, bias : float
        Of predicted mean minus value, in the target's unit.
    r2 : float
        Share of the values' variance that the predicted means explain: 1 is perfect, 0 no better
        than the mean of these subjects, NaN when the values do not vary.
    log_likelihood : float
        Mean log density of the value, per training scale; larger is better.
    coverage : tuple of LevelCoverage
        At `LEVELS`.
    """

    target: Target
    subjects: int
    rmse: float
    mae: float
    bias: float
    r2: float
    log_likelihood: float
    coverage: tuple[LevelCoverage, ...]

    @property
    def few(self) -> bool:
        """Whether there are too few subjects to trust the figures."""
        return self.subjects < FEW_GALAXIES

    @property
    def told(self) -> tuple[LevelCoverage, ...]:
        """Coverage at the levels of `TOLD`."""
        return tuple(each for each in self.coverage if each.level in TOLD)


@dataclass(frozen=True)
class ValueMetrics:
    """Figures of one set of subjects."""

    subjects: int
    targets: tuple[TargetMetrics, ...]

    def flat(self) -> dict[str, float]:
        """Return the figures as `model.json` keeps them; what could not be measured is left out."""
        found: dict[str, float] = {"subjects": self.subjects}
        for each in self.targets:
            name = each.target.name
            found[f"{name}/subjects"] = each.subjects
            for figure in ("rmse", "mae", "bias", "r2"):
                found[f"{name}/{figure}"] = getattr(each, figure)
            found |= {f"{name}/coverage-{at.level:.0%}": at.observed for at in each.told}
        return {name: digits(x) for name, x in found.items() if np.isfinite(x)}


def digits(value: float) -> float:
    """Round to six digits: values may be of any size, and decimals would lose the small ones."""
    return float(f"{value:.6g}")


def measure_values(answers: NDArray[np.floating], values: Floats, targets: Targets) -> ValueMetrics:
    """Measure a model's answers against known values.

    Parameters
    ----------
    answers : array of shape (subjects, samples, targets, 2)
    values : array of shape (subjects, targets)
        NaN where one is not known.
    """
    return ValueMetrics(
        subjects=len(values),
        targets=tuple(
            measure_target(target, answers[:, :, place], values[:, place])
            for place, target in enumerate(targets.targets)
        ),
    )


def measure_target(target: Target, answers: NDArray[np.floating], values: Floats) -> TargetMetrics:
    """Measure one target.

    Parameters
    ----------
    answers : array of shape (subjects, samples, 2)
    values : array of shape (subjects,)
    """
    known = np.isfinite(values)
    truth, said = values[known].astype(np.float64), answers[known].astype(np.float64)
    if not len(truth):
        nothing = tuple(LevelCoverage(level, np.nan, np.nan) for level in LEVELS)
        return TargetMetrics(target, 0, np.nan, np.nan, np.nan, np.nan, np.nan, nothing)
    error = mean_and_deviation(said)[0] - truth
    variation = float(((truth - truth.mean()) ** 2).sum())
    # Where in its own distribution each value lies: uniform, when the model is as sure as it is.
    place = probability_below(said, truth)
    density = log_density(said, truth) + np.log(target.scale)
    return TargetMetrics(
        target=target,
        subjects=len(truth),
        rmse=float(np.sqrt((error**2).mean())),
        mae=float(np.abs(error).mean()),
        bias=float(error.mean()),
        r2=1 - float((error**2).sum()) / variation if variation > 0 else float("nan"),
        log_likelihood=float(density.mean()),
        coverage=tuple(_coverage(level, place) for level in LEVELS),
    )


def _coverage(level: float, place: Floats) -> LevelCoverage:
    inside = np.abs(place - 0.5) <= level / 2
    error = float(np.sqrt(level * (1 - level) / len(place)))
    return LevelCoverage(level, float(inside.mean()), error)
