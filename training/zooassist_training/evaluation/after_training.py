"""What becomes of a graph that was just trained: which calibration, and how good is it then?"""

from __future__ import annotations

import numpy as np

from zooassist_plugin.calibration import NO_CALIBRATION, Calibration
from zooassist_serving.calibration import calibrate
from zooassist_training.datasets import LabelledImages
from zooassist_training.evaluate import Scores, fractions_of_votes, score
from zooassist_training.evaluation.answers import concentrations_of_graph, values_of_graph
from zooassist_training.evaluation.fit_calibration import fit_calibration
from zooassist_training.evaluation.metrics import fractions_of_samples
from zooassist_training.evaluation.value_metrics import ValueMetrics, measure_values
from zooassist_training.surveys import Surveys
from zooassist_training.value_surveys import ValueSurveys


def calibrate_and_score(
    onnx_bytes: bytes,
    validation: LabelledImages,
    test: LabelledImages,
    data: Surveys | ValueSurveys,
    threads: int | None = None,
) -> tuple[Calibration, dict[str, Scores | ValueMetrics]]:
    """Fit a calibration on the validation split, and score each set's test split with it.

    Parameters
    ----------
    validation : LabelledImages
        Not trained on; without any image nothing is calibrated. Values never are.
    """
    if isinstance(data, ValueSurveys):
        return NO_CALIBRATION, _score_values(onnx_bytes, test, data, threads)
    schema = data.schema
    columns = len(schema.columns)
    known = concentrations_of_graph(onnx_bytes, validation.images, columns, threads)
    calibration = fit_calibration(known, validation.counts, schema).calibration
    raw = concentrations_of_graph(onnx_bytes, test.images, columns, threads)
    alphas = calibrate(raw, schema, calibration).astype(np.float64)
    scores: dict[str, Scores | ValueMetrics] = {}
    for number, survey in enumerate(data.surveys):
        rows, places, own = test.surveys == number, list(survey.places), survey.data.schema
        observed = fractions_of_votes(test.counts[rows][:, places], own)
        predicted = fractions_of_samples(alphas[rows][:, :, places], own)
        scores[survey.name] = score(predicted, observed, own)
    return calibration, scores


def _score_values(
    onnx_bytes: bytes, test: LabelledImages, data: ValueSurveys, threads: int | None
) -> dict[str, Scores | ValueMetrics]:
    answers = values_of_graph(onnx_bytes, test.images, len(data.taught.columns), threads)
    return {
        survey.name: measure_values(
            answers[test.surveys == number],
            test.labels[test.surveys == number].astype(np.float64),
            data.taught,
        )
        for number, survey in enumerate(data.surveys)
    }
