"""Which answers does the model take for which? The confusion matrix of one question."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooassist_serving.vote_likelihood import Floats


def confusion(predicted: Floats, observed: Floats) -> NDArray[np.int64]:
    """Count galaxies by the volunteers' most frequent answer and the model's.

    Parameters
    ----------
    predicted, observed : arrays of shape (galaxies, answers)
        Fractions.

    Returns
    -------
    array of shape (answers, answers)
        Row: the volunteers' answer; column: the model's.
    """
    answers = predicted.shape[1]
    place = observed.argmax(1) * answers + predicted.argmax(1)
    return np.bincount(place, minlength=answers**2).reshape(answers, answers)
