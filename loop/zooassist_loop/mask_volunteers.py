"""What would a volunteer do with proposed outlines? Seeded: keep, move, delete, draw what lacks.

Each has a hand of their own: how far it shakes, how wide it draws, what is good enough for it, what
it overlooks, and how often it trusts the machine against its own eyes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.mask_patch import Patch, Size, iou, overlap
from zooassist_exporters.matching.assignment import rounded
from zooassist_exporters.rasterise import rasterise
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.pixel_outlines import Ring, pixels_to_rings
from zooassist_plugin.shapes import Polygon

Floats = NDArray[np.float64]

MOVABLE: Final = 0.5
"""IoU from which a wrong outline is moved into place; a worse one is deleted and drawn anew."""

STEP: Final = 5.0
"""Pixels between the vertices that a person sets."""

FEWEST, MOST = 6, 40  # vertices of an outline drawn by hand


@dataclass(frozen=True)
class Hand:
    """How one person draws and judges.

    Attributes
    ----------
    shake : float
        Pixels, standard deviation of a vertex across the outline.
    swell : float
        Pixels that all their outlines lie outside (below 0: inside) the object's edge.
    content : float
        IoU from which a proposal is good enough to be left as it is.
    overlooking : float
        Probability of not seeing an object that has no outline.
    trusting : float
        Probability of leaving a wrong proposal as it is.
    """

    shake: float = 0.7
    swell: float = 0.3
    content: float = 0.75
    overlooking: float = 0.08
    trusting: float = 0.1

    def __post_init__(self) -> None:
        if not self.shake >= 0:
            raise BadInput(f"hand: expected a shake of 0 or more pixels, got {self.shake}")
        for name in ("content", "overlooking", "trusting"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"hand: expected 0 <= {name} <= 1, got {getattr(self, name)}")


def draw_hand(rng: np.random.Generator) -> Hand:
    """Draw one person: people draw rather too wide than too tight, and some are careless."""
    return Hand(
        shake=float(rng.uniform(0.4, 1.1)),
        swell=float(rng.normal(0.3, 0.4)),
        content=float(rng.uniform(0.65, 0.85)),
        overlooking=float(rng.beta(1.5, 14)),
        trusting=float(rng.beta(1.5, 12)),
    )


@dataclass(frozen=True, eq=False)
class TrueObject:
    """One object as it is: its outline along pixel edges, and its pixels."""

    ring: Ring
    patch: Patch


@dataclass(frozen=True)
class OutlineTool:
    """Where a person draws: the task and the tool's number."""

    task: str
    index: int


@dataclass(frozen=True)
class OutlineResponse:
    """What a volunteer submits.

    Attributes
    ----------
    prefilled : tuple of bool
        For each mark whether it came from a proposal, moved or not.
    actions : mapping
        ``kept``, ``edited``, ``added``, ``deleted`` -> marks, as the volunteer meant it.
    """

    marks: tuple[Mark, ...]
    prefilled: tuple[bool, ...]
    actions: Mapping[str, int]


def true_objects(numbers: NDArray[np.integer[Any]]) -> tuple[TrueObject, ...]:
    """Outline the objects of an instance map; of one in several parts the largest counts.

    Parameters
    ----------
    numbers : array of int, shape (height, width)
        One number per object, 0 for none.
    """
    size = Size(numbers.shape[1], numbers.shape[0])
    found = []
    for number in np.unique(numbers[numbers > 0]):
        ring = pixels_to_rings(numbers == number)[0]
        found.append(TrueObject(ring, rasterise(Polygon(points=tuple(ring)), size)))
    return tuple(found)


def own_outline(thing: TrueObject, size: Size, hand: Hand, rng: np.random.Generator) -> Polygon:
    """Draw an object by hand, as the classifier holds it: inside the image, two decimals."""
    points = _along(thing.ring)
    after, before = np.roll(points, -1, axis=0), np.roll(points, 1, axis=0)
    tangent = after - before
    tangent /= np.maximum(np.hypot(*tangent.T), 1e-9)[:, None]
    # The ring runs clockwise on the screen, with y down, so that its left is outside.
    outward = np.column_stack([tangent[:, 1], -tangent[:, 0]])
    # Not so far that a small object vanishes.
    room = 0.25 * math.sqrt(thing.patch.area)
    off = np.clip(hand.swell + _wobble(len(points), hand.shake, rng), -room, None)
    drawn = points + off[:, None] * outward + rng.normal(0, hand.shake / 2, 2)
    drawn = np.clip(drawn, 0, [size.width, size.height])
    shape = rounded(Polygon(points=tuple((float(x), float(y)) for x, y in drawn)))
    assert isinstance(shape, Polygon)
    return shape


def respond_to_outlines(
    proposed: Sequence[Mark],
    truth: Sequence[TrueObject],
    size: Size,
    tool: OutlineTool,
    hand: Hand,
    rng: np.random.Generator,
) -> OutlineResponse:
    """Let one volunteer look at one image.

    Parameters
    ----------
    proposed : sequence of Mark
        What the classifier pre-filled; marks of other tools than `tool` are holes.
    truth : sequence of TrueObject
        What there is to see.
    """
    look = _Look(truth, size, hand, rng)
    outlines = [place for place, mark in enumerate(proposed) if mark.tool_index == tool.index]
    partners = _partners([proposed[place] for place in outlines], truth, size)
    partner_of = dict(zip(outlines, partners, strict=True))
    marks: list[Mark] = []
    actions: Counter[str] = Counter()
    for place, mark in enumerate(proposed):
        if place in partner_of:
            action, drawn = look.judge(mark, *partner_of[place])
        else:
            action, drawn = look.judge_hole(mark)
        actions[action] += 1
        marks += [] if drawn is None else [drawn]
    prefilled = len(marks)
    added = [
        Mark(shape=shape, task=tool.task, tool_index=tool.index) for shape in look.what_lacks()
    ]
    actions["added"] += len(added)
    return OutlineResponse(
        marks=(*marks, *added),
        prefilled=(True,) * prefilled + (False,) * len(added),
        actions=dict(+actions),
    )


class _Look:
    """One volunteer before one image, who remembers what has an outline already."""

    def __init__(
        self, truth: Sequence[TrueObject], size: Size, hand: Hand, rng: np.random.Generator
    ) -> None:
        self._truth, self._size, self._hand, self._rng = truth, size, hand, rng
        self._outlined: set[int] = set()
        self._covered = np.zeros((size.height, size.width), dtype=np.bool_)
        self._objects = np.zeros_like(self._covered)
        for thing in truth:
            self._objects |= thing.patch.in_frame(size)

    def judge(self, mark: Mark, partner: int | None, fit: float) -> tuple[str, Mark | None]:
        """Keep, move or delete one proposed outline."""
        good = partner is not None and fit >= self._hand.content
        if good or self._rng.random() < self._hand.trusting:
            self._covered |= rasterise(mark.shape, self._size).in_frame(self._size)
            if good and partner is not None:
                self._outlined.add(partner)
            return "kept", mark
        if partner is None or fit < MOVABLE:
            return "deleted", None
        self._outlined.add(partner)
        moved = own_outline(self._truth[partner], self._size, self._hand, self._rng)
        return "edited", mark.model_copy(update={"shape": moved})

    def judge_hole(self, mark: Mark) -> tuple[str, Mark | None]:
        """Keep a hole where there is mostly nothing, delete it inside an object."""
        hole = rasterise(mark.shape, self._size).in_frame(self._size)
        wrong = np.count_nonzero(hole & self._objects) > np.count_nonzero(hole) / 2
        if wrong and self._rng.random() >= self._hand.trusting:
            return "deleted", None
        return "kept", mark

    def what_lacks(self) -> list[Polygon]:
        """Draw what has no outline, as far as it is seen."""
        drawn = []
        for number, thing in enumerate(self._truth):
            inside = thing.patch.in_frame(self._size)
            hidden = np.count_nonzero(inside & self._covered) > thing.patch.area / 2
            if number in self._outlined or hidden:
                continue
            if self._rng.random() >= self._hand.overlooking:
                drawn.append(own_outline(thing, self._size, self._hand, self._rng))
        return drawn


def _partners(
    outlines: Sequence[Mark], truth: Sequence[TrueObject], size: Size
) -> list[tuple[int | None, float]]:
    """Return for each outline the object that it is taken for and their IoU, best pairs first."""
    patches = [rasterise(mark.shape, size) for mark in outlines]
    pairs = [
        (iou(patch, thing.patch), place, number)
        for place, patch in enumerate(patches)
        for number, thing in enumerate(truth)
        if overlap(patch.box, thing.patch.box) is not None
    ]
    found: list[tuple[int | None, float]] = [(None, 0.0)] * len(outlines)
    taken: set[int] = set()
    for fit, place, number in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:])):
        if fit > 0 and found[place][0] is None and number not in taken:
            found[place] = (number, fit)
            taken.add(number)
    return found


def _along(ring: Ring) -> Floats:
    """Return points at equal distances along a ring, (points, 2), where a person would click."""
    corners = np.array([*ring, ring[0]], dtype=np.float64)
    reach = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(corners, axis=0).T))])
    count = int(np.clip(round(reach[-1] / STEP), FEWEST, MOST))
    at = np.arange(count) * reach[-1] / count
    return np.column_stack([np.interp(at, reach, corners[:, axis]) for axis in (0, 1)])


def _wobble(count: int, shake: float, rng: np.random.Generator) -> Floats:
    """Return how far each vertex lies off; neighbours err alike, since a hand moves smoothly."""
    noise = rng.normal(0, 1, count)
    smooth = (np.roll(noise, 1) + 2 * noise + np.roll(noise, -1)) / math.sqrt(6)
    wobble: Floats = shake * smooth
    return wobble
