"""What comes back of a slice that volunteers correct? Hands that miss the contour, and a majority.

The usual hand is that of the crowd in BU-BIL's fluorescence set (Gurari et al. 2015; 61 cells with
a radius of about 16 px, seven workers each): a whole outline lies 1.27 px (standard deviation)
inside or outside of the experts', and strays 1.04 px along itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hand:
    """How well people draw; lengths are pixels.

    Attributes
    ----------
    offset : float
        Standard deviation by which a whole outline lies too far out or in.
    wobble : float
        Standard deviation by which it strays along itself.
    reach : float
        Length over which it strays alike.
    patience : float
        Where a proposed contour lies so near to one's own, it is left as it is.
    volunteers : int
        Who correct the same slice; what at least half of them drew counts.
    """

    offset: float = 1.27
    wobble: float = 1.04
    reach: float = 8.0
    patience: float = 2.0
    volunteers: int = 5

    def __post_init__(self) -> None:
        lengths = (self.offset, self.wobble, self.reach, self.patience)
        if not all(math.isfinite(each) and each >= 0 for each in lengths) or self.reach == 0:
            raise BadInput(
                "hand: expected lengths of 0 px or more and a reach above 0, got "
                f"{', '.join(f'{each:g}' for each in lengths)}"
            )
        if self.volunteers < 1:
            raise BadInput(f"hand: expected 1 volunteer or more, got {self.volunteers}")

    @property
    def is_perfect(self) -> bool:
        """Whether the truth comes back, whatever was proposed."""
        return self.offset == self.wobble == self.patience == 0


PERFECT: Final = Hand(offset=0, wobble=0, patience=0, volunteers=1)


def returned_mask(truth: Bools, proposed: Bools, hand: Hand, random: np.random.Generator) -> Bools:
    """Return what volunteers make of a proposal, by majority.

    Parameters
    ----------
    truth, proposed : arrays of bool, shape (height, width)
    """
    if hand.is_perfect:
        return truth.copy()
    distance = outside_distance(truth)
    if distance is None:  # there is no contour to miss
        return truth.copy()
    votes = np.zeros(truth.shape, dtype=np.int64)
    for _ in range(hand.volunteers):
        strays = hand.offset * random.normal() + hand.wobble * _smooth(
            truth.shape, hand.reach, random
        )
        beyond = distance - strays
        votes += np.where(np.abs(beyond) <= hand.patience, proposed, beyond < 0)
    drawn: Bools = votes >= math.ceil(hand.volunteers / 2)
    return drawn


def outside_distance(mask: Bools) -> Floats | None:
    """Return how far pixels lie outside of a contour, below 0 inside; None where there is none."""
    # Imported here: scipy is of an extra.
    from scipy.ndimage import distance_transform_edt

    if mask.all() or not mask.any():
        return None
    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    # The contour runs between pixels.
    distance: Floats = np.where(mask, 0.5 - inside, outside - 0.5)
    return distance


def _smooth(shape: tuple[int, ...], reach: float, random: np.random.Generator) -> Floats:
    """Return noise of standard deviation 1 that is alike over a length."""
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(random.normal(size=shape), reach, mode="wrap")
    # Of white noise in the plane a Gaussian leaves a variance of 1 / (4 pi reach²).
    scaled: Floats = noise * (2 * math.sqrt(math.pi) * reach)
    return scaled
