"""How are concentrations corrected? Their means by a map of log fractions, their sum by a factor.

With α the concentrations of one question in one sample, S = Σ α and m = α / S::

    m' = softmax(W ln m + b)        α' = f · S · m'

A temperature T is W = 1/T, b = 0: on the log-odds of any two answers it divides by T. The general
W and b are Dirichlet calibration (Kull et al. 2019, arXiv:1910.12656). W = 1, b = 0, f = 1 changes
nothing. Every sample goes through the same map.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.calibration import Calibration, DirichletMap, TemperatureMap
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

Floats: TypeAlias = NDArray[np.float64]
# Below it a Dirichlet says no more than "one answer has all", and Γ loses digits.
SMALLEST = 1e-3


def calibrate(
    concentrations: NDArray[np.floating], schema: LabelSchema, calibration: Calibration
) -> NDArray[np.floating]:
    """Correct a model's output.

    Parameters
    ----------
    concentrations : array of shape (images, samples, columns)
        Positive, in the schema's order of columns.
    calibration : Calibration
        Of this schema. Without any map the array comes back as it is.

    Returns
    -------
    array of shape (images, samples, columns)
        Positive.

    Raises
    ------
    BadInput
        When array, schema and calibration are not of the same model.
    """
    if not calibration:
        return concentrations
    if concentrations.ndim != 3 or concentrations.shape[2] != len(schema.columns):
        raise BadInput(
            f"expected concentrations (images, samples, {len(schema.columns)}), "
            f"got {concentrations.shape}; schema and graph are not of the same model"
        )
    try:
        calibration.check_fits(schema)
    except ValueError as error:
        raise BadInput(str(error)) from error
    values = concentrations.astype(np.float64)
    for name, each in calibration.questions.items():
        where = schema.slices[name]
        weights, bias, sharpness = as_linear(each, where.stop - where.start)
        values[..., where] = linear_map(values[..., where], weights, bias, sharpness)
    return values


def as_linear(each: TemperatureMap | DirichletMap, answers: int) -> tuple[Floats, Floats, float]:
    """Return W, b and f of one question's map."""
    if isinstance(each, TemperatureMap):
        return np.eye(answers) / each.temperature, np.zeros(answers), each.sharpness
    return np.array(each.weights), np.array(each.bias), each.sharpness


def linear_map(alphas: Floats, weights: Floats, bias: Floats, sharpness: float) -> Floats:
    """Map one question's concentrations, shape (..., answers)."""
    strength = alphas.sum(-1, keepdims=True)
    logits = np.log(alphas / strength) @ weights.T + bias
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    means = shares / shares.sum(-1, keepdims=True)
    mapped: Floats = np.maximum(sharpness * strength * means, SMALLEST)
    return mapped
