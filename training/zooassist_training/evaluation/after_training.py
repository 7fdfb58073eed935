"""What becomes of a graph that was just trained: which calibration, and how good is it then?"""

from __future__ import annotations

import numpy as np

from zooassist_plugin.calibration import Calibration
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.calibration import calibrate
from zooassist_training.datasets import LabelledImages
from zooassist_training.evaluate import Scores, fractions_of_votes, score
from zooassist_training.evaluation.answers import concentrations_of_graph
from zooassist_training.evaluation.fit_calibration import fit_calibration
from zooassist_training.evaluation.metrics import fractions_of_samples


def calibrate_and_score(
    onnx_bytes: bytes,
    validation: LabelledImages,
    test: LabelledImages,
    schema: LabelSchema,
    threads: int | None = None,
) -> tuple[Calibration, Scores]:
    """Fit a calibration on the validation split, and score the test split with it.

    Parameters
    ----------
    validation : LabelledImages
        Not trained on; without any image nothing is calibrated.
    """
    columns = len(schema.columns)
    known = concentrations_of_graph(onnx_bytes, validation.images, columns, threads)
    calibration = fit_calibration(known, validation.counts, schema).calibration
    raw = concentrations_of_graph(onnx_bytes, test.images, columns, threads)
    alphas = calibrate(raw, schema, calibration).astype(np.float64)
    observed = fractions_of_votes(test.counts, schema)
    return calibration, score(fractions_of_samples(alphas, schema), observed, schema)
