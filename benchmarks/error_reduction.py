"""How much smaller does one way of training make the error than another, over several tasks?

The relative error reduction of GZ Evo (arXiv:2404.02973): the mean over tasks of
(e_base − e_new) / e_base. A task's error is its mean over seeds; a task that was measured with
several numbers of labels counts with the mean of its reductions, so that every task weighs the
same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def relative_reduction(base: Sequence[Floats], new: Sequence[Floats]) -> float:
    """Return the mean over tasks of (e_base − e_new) / e_base; below 0 when the new is worse.

    Parameters
    ----------
    base, new : sequences, one per task, of arrays of shape (sizes, seeds)
        Errors; tasks may have been measured with different numbers of sizes.

    Raises
    ------
    ValueError
        When there is no task, or one without any error to reduce.
    """
    if not base:
        raise ValueError("expected the errors of a task, got none")
    reductions = []
    for of_base, of_new in zip(base, new, strict=True):
        before, after = np.asarray(of_base).mean(1), np.asarray(of_new).mean(1)
        if not (before > 0).all():
            raise ValueError(f"expected errors above 0 to reduce, got {before}")
        reductions.append(float(((before - after) / before).mean()))
    return float(np.mean(reductions))


def resampled_reductions(
    base: Sequence[Floats], new: Sequence[Floats], resamples: int, seed: int
) -> Floats:
    """Return reductions over tasks drawn with replacement, and seeds within each likewise.

    A seed is drawn for both ways at once: they learnt from the same labels.
    """
    random = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        tasks = random.integers(len(base), size=len(base))
        seeds = [random.integers(base[task].shape[1], size=base[task].shape[1]) for task in tasks]
        drawn = list(zip(tasks, seeds, strict=True))
        found.append(
            relative_reduction(
                [base[task][:, chosen] for task, chosen in drawn],
                [new[task][:, chosen] for task, chosen in drawn],
            )
        )
    return np.array(found)
