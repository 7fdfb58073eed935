"""How much work did people do, and how much would it have been without the model?

Definitions side by side, since each flatters another way: slices that people looked at, marks that
they drew or moved, contour that they drew anew, and the time that they took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.hausdorff import bounding_box, surface_distances

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

TOLERANCE: Final = 2.0
"""Pixels within which a returned contour counts as the proposed one: the width of a drawn line."""

LONGEST: Final = 3600.0
"""Seconds: who took longer went away and came back."""


@dataclass(frozen=True)
class SliceEffort:
    """Slices that people looked at, of all there are."""

    sent: int
    slices: int

    def __post_init__(self) -> None:
        if not 0 <= self.sent <= self.slices:
            raise BadInput(
                f"slice effort: expected 0 to {self.slices} slices sent, got {self.sent}"
            )

    @property
    def share(self) -> float:
        """Effort as a share of looking at all; the published saving is 1 minus this."""
        return self.sent / self.slices if self.slices else 0.0


@dataclass(frozen=True)
class ContourEffort:
    """What people drew anew, of what they would have drawn without a proposal; adds up.

    Attributes
    ----------
    length : float
        Pixels of contour that came back: what drawing from scratch takes.
    redrawn : float
        Of it, what lies farther than the tolerance from the proposed contour.
    erased : float
        Pixels of proposed contour that no returned contour lies near.
    changed_pixels, pixels : int
        Pixels that differ between proposal and return, and pixels that came back.
    masks, untouched : int
        Masks compared, and those that came back as they were.
    """

    length: float = 0.0
    redrawn: float = 0.0
    erased: float = 0.0
    changed_pixels: int = 0
    pixels: int = 0
    masks: int = 0
    untouched: int = 0

    def __add__(self, other: ContourEffort) -> ContourEffort:
        return ContourEffort(
            self.length + other.length,
            self.redrawn + other.redrawn,
            self.erased + other.erased,
            self.changed_pixels + other.changed_pixels,
            self.pixels + other.pixels,
            self.masks + other.masks,
            self.untouched + other.untouched,
        )

    @property
    def share(self) -> float:
        """Redrawn contour as a share of all; 0 where nothing came back."""
        return self.redrawn / self.length if self.length else 0.0

    @property
    def pixel_share(self) -> float:
        """Changed pixels as a share of those that came back; may exceed 1."""
        if not self.pixels:
            return math.inf if self.changed_pixels else 0.0
        return self.changed_pixels / self.pixels


def contour_effort(proposed: Bools, returned: Bools, tolerance: float = TOLERANCE) -> ContourEffort:
    """Compare a proposal with what came back.

    Parameters
    ----------
    proposed, returned : arrays of bool, shape (height, width)
    tolerance : float
        Pixels.

    Raises
    ------
    BadInput
        When the sizes differ.
    """
    if proposed.shape != returned.shape:
        raise BadInput(
            f"contour effort: expected masks of one size, got {proposed.shape} and {returned.shape}"
        )
    box = bounding_box(proposed | returned)
    if box is None:
        return ContourEffort(masks=1, untouched=1)
    before, after = proposed[box], returned[box]
    far, lengths = surface_distances(after, before, (1.0, 1.0))
    lost, lost_lengths = surface_distances(before, after, (1.0, 1.0))
    changed = int(np.count_nonzero(before ^ after))
    return ContourEffort(
        length=float(lengths.sum()),
        redrawn=float(lengths[far > tolerance].sum()),
        erased=float(lost_lengths[lost > tolerance].sum()),
        changed_pixels=changed,
        pixels=int(np.count_nonzero(after)),
        masks=1,
        untouched=int(changed == 0),
    )


@dataclass(frozen=True)
class MarkEffort:
    """What became of proposed marks, and what was drawn besides; adds up.

    Attributes
    ----------
    kept, edited, deleted : int
        Proposed marks that came back as they were, that came back changed, and that did not.
    added : int
        Marks that no proposal lies near.
    """

    kept: int = 0
    edited: int = 0
    added: int = 0
    deleted: int = 0

    def __add__(self, other: MarkEffort) -> MarkEffort:
        return MarkEffort(
            self.kept + other.kept,
            self.edited + other.edited,
            self.added + other.added,
            self.deleted + other.deleted,
        )

    @property
    def returned(self) -> int:
        """Marks that came back: what would have been drawn without a proposal."""
        return self.kept + self.edited + self.added

    @property
    def share(self) -> float:
        """Marks drawn or moved by hand, of those that came back; 0 where nothing came back."""
        return (self.edited + self.added) / self.returned if self.returned else 0.0


@dataclass(frozen=True)
class TimeEffort:
    """Median seconds per classification with and without a proposal.

    Attributes
    ----------
    with_proposal, without : float or None
        None where there are no classifications of the kind.
    ratio, lower, upper : float or None
        With over without, and its 90 % interval.
    left_out : int
        Classifications without a time, or with one that is none.
    """

    with_proposal: float | None
    without: float | None
    ratio: float | None
    lower: float | None
    upper: float | None
    classifications: tuple[int, int]
    left_out: int


@dataclass(frozen=True)
class Timed:
    """How long one classification took; `seconds` is None where the export does not say."""

    volunteer: int
    assisted: bool
    seconds: float | None


def time_effort(
    timed: Sequence[Timed], random: np.random.Generator, draws: int = 1000
) -> TimeEffort:
    """Compare times with and without a proposal.

    Some people are fast, so the interval comes from a bootstrap over volunteers. Volunteers were
    not drawn for one kind or the other unless subjects were: compare within one workflow.
    """
    usable = [t for t in timed if t.seconds is not None and 0 < t.seconds <= LONGEST]
    groups: dict[int, tuple[list[float], list[float]]] = {}
    for each in usable:
        kinds = groups.setdefault(each.volunteer, ([], []))
        kinds[0 if each.assisted else 1].append(float(each.seconds or 0.0))
    people = list(groups.values())
    with_, without = _median(people, 0), _median(people, 1)
    ratio = lower = upper = None
    if with_ is not None and without is not None:
        ratio = with_ / without
        ratios = []
        for _ in range(draws):
            drawn = [people[i] for i in random.integers(0, len(people), len(people))]
            one, other = _median(drawn, 0), _median(drawn, 1)
            if one is not None and other is not None:
                ratios.append(one / other)
        lower, upper = (float(q) for q in np.quantile(ratios, [0.05, 0.95]))
    counts = tuple(sum(len(kinds[kind]) for kinds in people) for kind in (0, 1))
    return TimeEffort(
        with_, without, ratio, lower, upper, (counts[0], counts[1]), len(timed) - len(usable)
    )


def _median(people: Sequence[tuple[list[float], list[float]]], kind: int) -> float | None:
    values = [seconds for kinds in people for seconds in kinds[kind]]
    return float(np.median(values)) if values else None
