"""When do volunteers agree on a mask? By how much their outlines overlap, pair by pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.retirement import Decision
from zooassist_plugin.errors import BadInput


@dataclass(frozen=True)
class AgreementRule:
    """When is a mask agreed on?

    Attributes
    ----------
    min_volunteers : int
        Who must have seen the image before anything is retired: a model alone never retires.
    iou : float
        Least intersection over union between two volunteers, on average; see `pairwise_iou`.
    """

    min_volunteers: int = 3
    iou: float = 0.8

    def __post_init__(self) -> None:
        if self.min_volunteers < 2:
            raise BadInput(
                "agreement rule: expected 2 or more volunteers, since one agrees with nobody, got "
                f"{self.min_volunteers}"
            )
        if not 0 < self.iou <= 1:
            raise BadInput(f"agreement rule: expected 0 < iou <= 1, got {self.iou}")


def pairwise_iou(covered: NDArray[np.integer[Any]], volunteers: int) -> float | None:
    """Return the intersection over union of two volunteers' masks, all pairs pooled.

    Pixels that both of a pair covered, summed over pairs, over pixels that either covered: the mean
    of the pairs' IoUs, each weighed by its union. Counts of who covered a pixel are enough for it:
    k of n volunteers are k (k - 1) / 2 pairs who agree and k (n - k) who do not.

    Parameters
    ----------
    covered : array of int, shape (height, width)
        How many volunteers covered each pixel.
    volunteers : int
        How many saw the image, drawing or not.

    Returns
    -------
    float or None
        1 when nobody drew anything; None with fewer than two volunteers.

    Raises
    ------
    BadInput
        When a pixel was covered by more volunteers than there are.
    """
    counts = covered.astype(np.int64)
    if counts.size and not 0 <= int(counts.min()) <= int(counts.max()) <= volunteers:
        raise BadInput(
            f"pairwise IoU: expected counts from 0 to {volunteers} volunteers, got "
            f"{int(counts.min())} to {int(counts.max())}"
        )
    if volunteers < 2:
        return None
    both = int((counts * (counts - 1) // 2).sum())
    one = int((counts * (volunteers - counts)).sum())
    return both / (both + one) if both + one else 1.0


def decide_mask(agreement: float | None, volunteers: int, rule: AgreementRule) -> Decision:
    """Decide one image by how far its volunteers agree (`pairwise_iou`)."""
    if agreement is None or volunteers < rule.min_volunteers:
        return Decision(False, None, f"{volunteers} of at least {rule.min_volunteers} volunteers")
    told = f"IoU between {volunteers} volunteers {agreement:.2f}"
    if agreement >= rule.iou:
        return Decision(True, "consensus", told)
    return Decision(False, None, f"{told}, less than {rule.iou:.2f}")
