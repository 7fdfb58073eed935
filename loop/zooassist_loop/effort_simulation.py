"""How much work would a choice of slices be, if people corrected it? All three efforts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.effort import TOLERANCE, SliceEffort, contour_effort
from zooassist_plugin.errors import BadInput

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class SliceCost(NamedTuple):
    """What correcting one slice takes, in pixels of contour.

    Attributes
    ----------
    length : float
        Of everything that comes back: drawing from scratch.
    redrawn, erased : float
        With the proposal.
    """

    length: float
    redrawn: float
    erased: float


def slice_cost(proposed: Bools, returned: Bools, tolerance: float = TOLERANCE) -> SliceCost:
    """Return what a person does who turns one mask into another.

    Parameters
    ----------
    returned : array of bool, shape (height, width)
        Of a perfect person the truth; of a noisy one whatever they drew.
    """
    found = contour_effort(proposed, returned, tolerance)
    return SliceCost(found.length, found.redrawn, found.erased)


@dataclass(frozen=True)
class Pace:
    """How long people take; an assumption, to be measured on the project's own exports.

    Attributes
    ----------
    look : float
        Seconds to judge a slice, whatever is drawn.
    per_pixel : float
        Seconds per pixel of contour, drawn or erased.
    """

    look: float = 5.0
    per_pixel: float = 0.05

    def __post_init__(self) -> None:
        if not all(math.isfinite(each) and each >= 0 for each in (self.look, self.per_pixel)):
            raise BadInput(
                f"pace: expected seconds of 0 or more, got {self.look:g} and {self.per_pixel:g}"
            )
        if self.look + self.per_pixel == 0:
            raise BadInput("pace: expected that people take some time, got 0 and 0")


@dataclass(frozen=True)
class SimulatedEffort:
    """The three efforts of a choice, as shares of drawing every slice from scratch.

    Attributes
    ----------
    slices : SliceEffort
    contour_share : float
        Contour redrawn in the slices that are sent.
    seconds, seconds_from_scratch : float
        At the assumed pace.
    """

    slices: SliceEffort
    contour_share: float
    seconds: float
    seconds_from_scratch: float

    @property
    def time_share(self) -> float:
        """Time as a share of drawing all slices from scratch."""
        return self.seconds / self.seconds_from_scratch if self.seconds_from_scratch else 0.0


def simulate_effort(costs: Floats, sent: Bools, pace: Pace | None = None) -> SimulatedEffort:
    """Account for the work of correcting the slices that are sent.

    Parameters
    ----------
    costs : array of shape (slices, 3)
        Columns as `SliceCost`.
    sent : array of bool, shape (slices,)

    Raises
    ------
    BadInput
        When the numbers of slices differ.
    """
    if len(costs) != len(sent):
        raise BadInput(f"effort: expected the costs of {len(sent)} slices, got {len(costs)}")
    pace = pace or Pace()
    whole = float(costs[:, 0].sum())
    redrawn, erased = (float(each) for each in costs[sent, 1:].sum(axis=0))
    number = int(np.count_nonzero(sent))
    return SimulatedEffort(
        slices=SliceEffort(number, len(sent)),
        contour_share=redrawn / whole if whole else 0.0,
        seconds=pace.look * number + pace.per_pixel * (redrawn + erased),
        seconds_from_scratch=pace.look * len(sent) + pace.per_pixel * whole,
    )
