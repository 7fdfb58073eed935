"""How does an evaluation of values become a page? One HTML file with everything in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from zooassist_plugin import __version__
from zooassist_plugin.output_paths import temporary_beside
from zooassist_serving.value_summary import mean_and_deviation
from zooassist_training.evaluation.definitions import VALUE_DEFINITIONS
from zooassist_training.evaluation.report.charts import Curve, curves
from zooassist_training.evaluation.report.gallery import SHOWN, data_url
from zooassist_training.evaluation.report.page import page_environment
from zooassist_training.evaluation.report.value_charts import scatter
from zooassist_training.evaluation.value_metrics import Floats, TargetMetrics
from zooassist_training.evaluation.value_run import ValueEvaluation


@dataclass(frozen=True)
class ShownValue:
    """One subject of the gallery: its image as a data URL, and what was and is said of it."""

    subject_id: int
    picture: str
    true: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class ValueSection:
    """What the page shows of one target; no charts and galleries where no subject has a value."""

    metrics: TargetMetrics
    scatter: Markup | None = None
    coverage: Markup | None = None
    worst: tuple[ShownValue, ...] = ()
    best: tuple[ShownValue, ...] = ()


def write_value_report(evaluation: ValueEvaluation, out: Path) -> None:
    """Write the page; it appears whole or not at all."""
    metrics = evaluation.metrics
    explained = [each.r2 for each in metrics.targets if math.isfinite(each.r2)]
    text = (
        page_environment()
        .get_template("values.html")
        .render(
            evaluation=evaluation,
            card=evaluation.folder.card,
            metrics=metrics,
            explained=float(np.mean(explained)) if explained else float("nan"),
            explained_of=len(explained),
            training_set=evaluation.data.path.resolve().name,
            sections=value_sections(evaluation),
            definitions=VALUE_DEFINITIONS,
            version=__version__,
            weighted=bool((evaluation.data.inclusion_probability < 1).any()),
        )
    )
    temporary = temporary_beside(out)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(out)


def value_sections(evaluation: ValueEvaluation) -> list[ValueSection]:
    """Draw every target."""
    return [_section(evaluation, place) for place in range(len(evaluation.metrics.targets))]


def _section(evaluation: ValueEvaluation, place: int) -> ValueSection:
    metrics = evaluation.metrics.targets[place]
    rows = np.flatnonzero(np.isfinite(evaluation.values[:, place]))
    if not len(rows):
        return ValueSection(metrics)
    truth = evaluation.values[rows, place]
    means, deviations = mean_and_deviation(evaluation.answers[rows][:, :, place].astype(np.float64))
    order = np.argsort(np.abs(means - truth) / deviations, kind="stable")
    best = order[: min(SHOWN, len(order) // 2)]
    worst = order[::-1][: min(SHOWN, len(order) - len(best))]

    def shown(chosen: NDArray[np.signedinteger]) -> tuple[ShownValue, ...]:
        return tuple(
            ShownValue(
                subject_id=int(evaluation.subject_ids[rows[each]]),
                picture=data_url(evaluation.images[rows[each]]),
                true=float(truth[each]),
                mean=float(means[each]),
                deviation=float(deviations[each]),
            )
            for each in chosen
        )

    return ValueSection(
        metrics,
        scatter=_scatter(evaluation, metrics, rows, truth, means, deviations),
        coverage=coverage_curve(metrics),
        worst=shown(worst),
        best=shown(best),
    )


def _scatter(
    evaluation: ValueEvaluation,
    metrics: TargetMetrics,
    rows: NDArray[np.signedinteger],
    truth: Floats,
    means: Floats,
    deviations: Floats,
) -> Markup:
    names = [f"subject {subject}" for subject in evaluation.subject_ids[rows].tolist()]
    return scatter(truth, means, deviations, names, metrics.target.label)


def coverage_curve(metrics: TargetMetrics) -> Markup:
    """Draw levels against how often their intervals hold the true value."""
    points = tuple(
        (
            at.level,
            at.observed,
            0.1,
            f"{at.level:.0%} intervals hold {at.observed:.1%} of the true values",
        )
        for at in metrics.coverage
    )
    name = f"{metrics.target.name}: coverage"
    return curves([Curve(points)], name, "level", "observed coverage")
