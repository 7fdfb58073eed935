"""How are the figures of an evaluation of values written for programs? As `metrics.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zooassist_plugin import __version__
from zooassist_training.evaluation.definitions import VALUE_DEFINITIONS
from zooassist_training.evaluation.record import (
    ENCODING_TYPE,
    ENCODING_VERSION,
    plain,
    write_figures,
)
from zooassist_training.evaluation.value_metrics import TargetMetrics, digits
from zooassist_training.evaluation.value_run import ValueEvaluation


def write_value_metrics(evaluation: ValueEvaluation, out: Path) -> None:
    """Write `metrics.json`; it appears whole or not at all."""
    write_figures(value_evaluation_json(evaluation), out)


def value_evaluation_json(evaluation: ValueEvaluation) -> dict[str, Any]:
    """Return every figure; what could not be measured is null."""
    card, data, request = evaluation.folder.card, evaluation.data, evaluation.request
    content = {
        "encoding-type": ENCODING_TYPE,
        "encoding-version": ENCODING_VERSION,
        "producer": f"zooassist {__version__}",
        "kind": card.kind,
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "training_set": {
            "name": data.path.resolve().name,
            "sha256": data.sha256,
            "rows": data.manifest["rows"],
        },
        "split": request.split,
        "where": dict(request.where),
        "learnt_from": evaluation.learnt_from,
        "chosen_by": evaluation.chosen_by,
        "subjects": evaluation.metrics.subjects,
        "without_values": evaluation.without_values,
        "problems": [str(problem) for problem in evaluation.problems],
        "values_left_out": list(evaluation.remarks),
        "targets_not_compared": list(evaluation.not_compared),
        "targets": {each.target.name: target_json(each) for each in evaluation.metrics.targets},
        "definitions": VALUE_DEFINITIONS,
    }
    return dict(plain(content, digits))


def target_json(each: TargetMetrics) -> dict[str, Any]:
    """Return the figures of one target."""
    return {
        "unit": each.target.unit,
        "subjects": each.subjects,
        "few": each.few,
        "rmse": each.rmse,
        "mae": each.mae,
        "bias": each.bias,
        "r2": each.r2,
        "log_likelihood": each.log_likelihood,
        "coverage": [
            {
                "level": at.level,
                "observed": at.observed,
                "standard_error": at.standard_error,
                "error_points": at.error_points,
            }
            for at in each.coverage
        ],
    }
