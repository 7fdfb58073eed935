"""How are the figures of an evaluation written for programs? The content of `metrics.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zooassist_plugin import __version__
from zooassist_plugin.output_paths import temporary_beside
from zooassist_training.evaluation.coverage import CoverageAt
from zooassist_training.evaluation.definitions import DEFINITIONS
from zooassist_training.evaluation.fit_calibration import QuestionFit
from zooassist_training.evaluation.metrics import Metrics
from zooassist_training.evaluation.question_metrics import QuestionMetrics, Stratum
from zooassist_training.evaluation.run import Evaluation

ENCODING_TYPE, ENCODING_VERSION = "zooassist-evaluation", "0.1.0"


def write_metrics(evaluation: Evaluation, out: Path) -> None:
    """Write `metrics.json`; it appears whole or not at all."""
    write_figures(evaluation_json(evaluation), out)


def write_figures(content: dict[str, Any], out: Path) -> None:
    """Write figures as JSON; the file appears whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    temporary = temporary_beside(out)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(out)


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return every figure; what could not be measured is null."""
    card, data, request = evaluation.folder.card, evaluation.data, evaluation.request
    calibrated = evaluation.after is not evaluation.before
    content = {
        "encoding-type": ENCODING_TYPE,
        "encoding-version": ENCODING_VERSION,
        "producer": f"zooassist {__version__}",
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "training_set": {
            "name": data.path.resolve().name,
            "sha256": data.sha256,
            "rows": data.manifest["rows"],
            "assumed_votes": evaluation.assumed_votes,
        },
        "split": request.split,
        "where": dict(request.where),
        "learnt_from": evaluation.learnt_from,
        "chosen_by": evaluation.chosen_by,
        "subjects": evaluation.after.galaxies,
        "without_votes": evaluation.without_votes,
        "problems": [str(problem) for problem in evaluation.problems],
        "questions_left_out": list(evaluation.comparison.left_out),
        "questions_not_asked": list(evaluation.comparison.not_asked),
        "calibration": evaluation.calibration.to_json(),
        "calibration_fit": None
        if evaluation.fit is None
        else [fit_json(each) for each in evaluation.fit.questions],
        "uncalibrated": metrics_json(evaluation.before),
        "calibrated": metrics_json(evaluation.after) if calibrated else None,
        "definitions": DEFINITIONS,
    }
    return dict(plain(content))


def metrics_json(metrics: Metrics) -> dict[str, Any]:
    """Return the figures of one set of galaxies."""
    return {
        "subjects": metrics.galaxies,
        "cumulative_rmse": metrics.scores.rmse,
        "cumulative_rmse_by_column": metrics.scores.column_rmse,
        "log_likelihood": metrics.log_likelihood,
        "coverage_error_80": metrics.coverage_error,
        "questions": {each.name: question_json(each) for each in metrics.questions},
    }


def question_json(question: QuestionMetrics) -> dict[str, Any]:
    """Return the figures of one question."""
    likelihood = question.log_likelihood
    return {
        "subjects": question.score.galaxies,
        "few": question.few,
        "subjects_with_votes": question.with_votes,
        "accuracy": question.score.accuracy,
        "confident_subjects": question.score.confident,
        "confident_accuracy": question.score.confident_accuracy,
        "fraction_error": asdict(question.error),
        "fraction_error_by_answer": {label: asdict(each) for label, each in question.answers},
        "log_likelihood": {
            "subjects": likelihood.galaxies,
            "votes": likelihood.votes,
            "total": likelihood.total,
            "per_subject": likelihood.per_galaxy,
            "per_vote": likelihood.per_vote,
        },
        "coverage_by_level": [_coverage_json(each) for each in question.coverage.levels],
        "coverage_by_width": [_coverage_json(each) for each in question.coverage.widths],
        "reliability_of_fractions": asdict(question.fractions),
        "reliability_of_leading_answer": asdict(question.leading),
        "confusion": question.confusion.tolist(),
        "by_votes": [_stratum_json(each) for each in question.strata],
    }


def _stratum_json(each: Stratum) -> dict[str, Any]:
    content = asdict(each)
    return {"subjects": content.pop("galaxies"), **content}


def _coverage_json(each: CoverageAt) -> dict[str, float]:
    return asdict(each) | {
        "error_points": each.error_points,
        "relative_error": each.relative_error,
    }


def fit_json(each: QuestionFit) -> dict[str, Any]:
    """Return what was found for one question."""
    return {
        "question": each.name,
        "subjects": each.galaxies,
        "map": None if each.chosen is None else each.chosen.model_dump(mode="json"),
        "shared_by_all_questions": each.shared,
        "gain_per_subject": each.gain,
        "gain_standard_error": each.gain_error,
    }


def six_decimals(value: float) -> float:
    """Round what lies between 0 and 1, or is counted."""
    return round(value, 6)


def plain(
    value: Any,  # noqa: ANN401 - any JSON value
    rounded: Callable[[float], float] = six_decimals,
) -> Any:  # noqa: ANN401
    """Round, and put null for what JSON has no word for."""
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(each, rounded) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, rounded) for each in value]
    return value
