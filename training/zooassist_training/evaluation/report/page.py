"""How does an evaluation become a page? One HTML file with everything in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zooassist_exporters.report.charts import number
from zooassist_exporters.report.page import percent
from zooassist_plugin import __version__
from zooassist_plugin.calibration import DirichletMap, TemperatureMap
from zooassist_plugin.label_schema import Question
from zooassist_plugin.output_paths import temporary_beside
from zooassist_serving.posteriors import expected_fraction
from zooassist_serving.vote_summary import proportion_asked
from zooassist_training.evaluate import ASKED_MORE_THAN, fractions_of_votes
from zooassist_training.evaluation.coverage import Coverage
from zooassist_training.evaluation.definitions import DEFINITIONS
from zooassist_training.evaluation.question_metrics import QuestionMetrics
from zooassist_training.evaluation.reliability import Reliability
from zooassist_training.evaluation.report.charts import Curve, curves, density
from zooassist_training.evaluation.report.gallery import Gallery, gallery
from zooassist_training.evaluation.run import Evaluation

LEVEL: Final = 0.8


@dataclass(frozen=True)
class Section:
    """What the page shows of one question.

    Attributes
    ----------
    then, now : QuestionMetrics
        Without and with the calibration.
    calibration : str
        In words; empty when the question has none.
    labels : tuple of str
        Of the answers.
    """

    question: Question
    then: QuestionMetrics
    now: QuestionMetrics
    calibration: str
    labels: tuple[str, ...]
    coverage: Markup
    fractions: Markup
    leading: Markup
    density: Markup
    gallery: Gallery


def write_report(evaluation: Evaluation, out: Path) -> None:
    """Write the page; it appears whole or not at all."""
    card, after = evaluation.folder.card, evaluation.after
    text = (
        page_environment()
        .get_template("evaluation.html")
        .render(
            evaluation=evaluation,
            card=card,
            after=after,
            before=evaluation.before,
            calibrated=after is not evaluation.before,
            confident=mean_confident(after.enough),
            best_level=LEVEL,
            training_set=evaluation.data.path.resolve().name,
            sections=sections(evaluation),
            columns=list(after.scores.column_rmse.items()),
            definitions=DEFINITIONS,
            version=__version__,
            weighted=bool((evaluation.data.inclusion_probability < 1).any()),
        )
    )
    temporary = temporary_beside(out)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(out)


def page_environment() -> Environment:
    """Return what fills the templates, with the filters that they use."""
    environment = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("zooassist_training.evaluation.report", "templates"),
                PackageLoader("zooassist_exporters.report", "templates"),  # the style sheet
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, percent=percent, fixed=fixed, signed=signed, points=points, figure=figure
    )
    return environment


def sections(evaluation: Evaluation) -> list[Section]:
    """Draw every question."""
    schema, counts = evaluation.comparison.schema, evaluation.counts
    observed = fractions_of_votes(counts.astype(np.float64), schema)
    asked = proportion_asked(schema, observed)
    calibrated = evaluation.after is not evaluation.before
    found = []
    for place, question in enumerate(schema.questions):
        where = schema.slices[question.name]
        then, now = (each.questions[place] for each in (evaluation.before, evaluation.after))
        alphas, votes = evaluation.alphas[..., where], counts[:, where]
        rows = np.flatnonzero((votes.sum(1) > 0) & (asked[:, place] > ASKED_MORE_THAN))
        both = [then, now] if calibrated else [now]
        found.append(
            Section(
                question=question,
                then=then,
                now=now,
                calibration=in_words(evaluation.calibration.questions.get(question.name)),
                labels=tuple(answer.label or answer.column for answer in question.answers),
                coverage=coverage_chart([each.coverage for each in both], question.name),
                fractions=reliability_chart(
                    [each.fractions for each in both],
                    question.name,
                    "predicted fraction",
                    "volunteers' fraction",
                ),
                leading=reliability_chart(
                    [each.leading for each in both],
                    question.name,
                    "probability that it leads",
                    "how often it does",
                ),
                density=density(
                    expected_fraction(alphas[rows]),
                    observed[rows][:, where],
                    f"{question.name}: predicted against volunteers' fractions",
                ),
                gallery=gallery(
                    question, alphas, votes, evaluation.images, evaluation.subject_ids, rows
                ),
            )
        )
    return found


def coverage_chart(each: list[Coverage], name: str) -> Markup:
    """Draw predicted against observed coverage; the last is as it is now."""
    drawn = [
        Curve(
            tuple(
                (
                    at.predicted,
                    at.observed,
                    0.1,
                    f"level {at.at:.0%}: predicted {at.predicted:.1%}, observed {at.observed:.1%}",
                )
                for at in coverage.levels
                if math.isfinite(at.predicted)
            ),
            style,
        )
        for coverage, style in zip(each, _styles(len(each)), strict=True)
    ]
    return curves(drawn, f"{name}: coverage", "predicted coverage", "observed coverage")


def reliability_chart(each: list[Reliability], name: str, x_axis: str, y_axis: str) -> Markup:
    """Draw predicted against observed means of the bins; the last is as it is now."""
    drawn = [
        Curve(
            tuple(
                (
                    each_bin.predicted,
                    each_bin.observed,
                    each_bin.number / max(sum(other.number for other in one.bins), 1),
                    f"{each_bin.low:.1f} to {each_bin.high:.1f}: predicted "
                    f"{each_bin.predicted:.3f}, observed {each_bin.observed:.3f}, "
                    f"{each_bin.number} predictions",
                )
                for each_bin in one.bins
                if each_bin.number
            ),
            style,
        )
        for one, style in zip(each, _styles(len(each)), strict=True)
    ]
    return curves(drawn, f"{name}: reliability", x_axis, y_axis)


def _styles(number_of: int) -> tuple[str, ...]:
    return ("then", "now")[-number_of:]


def in_words(each: TemperatureMap | DirichletMap | None) -> str:
    """Say what a calibration does to a question."""
    if each is None:
        return ""
    if isinstance(each, TemperatureMap):
        return f"temperature {each.temperature:.2f}, sharpness × {each.sharpness:.2f}"
    return f"linear map of log fractions, sharpness × {each.sharpness:.2f}"


def mean_confident(questions: tuple[QuestionMetrics, ...]) -> float:
    """Mean accuracy on confident answers over questions."""
    known = [each.score.confident_accuracy for each in questions if each.score.confident]
    return float(np.mean(known)) if known else float("nan")


def fixed(value: float, digits: int = 3) -> str:
    """Write a number, – for none."""
    return f"{value:.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def signed(value: float, digits: int = 1) -> str:
    """Write a number with its sign, – for none."""
    return f"{value:+.{digits}f}".replace("-", "\u2212") if math.isfinite(value) else "–"


def points(share: float) -> str:
    """Write a share as percentage points without a sign: 1.5."""
    return fixed(100 * share, 1)


def figure(value: float) -> str:
    """Write a number of any size with three digits, – for none."""
    return f"{value:.3g}".replace("-", "\u2212") if math.isfinite(value) else "–"
