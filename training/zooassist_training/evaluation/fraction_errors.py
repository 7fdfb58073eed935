"""How far are predicted vote fractions from the volunteers'? Mean absolute and RMS error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zooassist_serving.vote_likelihood import Floats


@dataclass(frozen=True)
class FractionError:
    """Of one answer, or of all answers of a question; NaN without galaxies.

    Attributes
    ----------
    mean_absolute, root_mean_square : float
    bias : float
        Mean of predicted minus observed.
    """

    mean_absolute: float
    root_mean_square: float
    bias: float


def fraction_error(predicted: Floats, observed: Floats) -> FractionError:
    """Compare fractions, arrays of the same shape; all of their numbers count alike."""
    if predicted.size == 0:
        return FractionError(*[float("nan")] * 3)
    gap = predicted - observed
    return FractionError(
        mean_absolute=float(np.abs(gap).mean()),
        root_mean_square=float(np.sqrt((gap**2).mean())),
        bias=float(gap.mean()),
    )
