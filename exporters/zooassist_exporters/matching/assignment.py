"""Which returned mark is which proposed mark, and was it kept, edited, added or deleted?

The classifier forgets the ids of proposed marks and submits untouched ones as they were, so a mark
that comes back with the geometry it was proposed with was kept, one that lies near a proposed mark
was edited, and the others were added. Pure functions; see docs/marks.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from zooassist_exporters.reductions.shapes.areas import area_of
from zooassist_exporters.reductions.shapes.distances import WITH_AREA, upright
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import FreehandLine, Line, Point, Polygon, Shape

Action = Literal["kept", "edited", "added"]

# The classifier's models round outlines to 2 decimals and leave other shapes alone; floats that
# went through a database may differ in their last digit.
DECIMALS: Final = 2
SAME: Final = 1e-6
_NEVER: Final = 1e9


@dataclass(frozen=True)
class Nearness:
    """How near a returned mark must be to a proposed one to be the same mark, edited.

    Attributes
    ----------
    iou : float
        Least intersection over union, for shapes with an area.
    pixels : float
        Largest distance, for points, and for each end of a line.
    """

    iou: float = 0.5
    pixels: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.iou <= 1 or not self.pixels > 0:
            raise BadInput(
                f"expected an IoU in (0, 1] and pixels above 0, got {self.iou} and {self.pixels}"
            )


class Placed(NamedTuple):
    """A mark to match: its shape, and where it lies (task and frame).

    `answers` are compared for equality: a mark whose geometry is untouched but whose subtasks were
    answered otherwise was edited.
    """

    shape: Shape
    task: str = "T0"
    frame: int = 0
    answers: Hashable = ()


@dataclass(frozen=True)
class Matches:
    """What became of each mark.

    Attributes
    ----------
    actions : tuple of str
        ``kept``, ``edited`` or ``added``, one per returned mark.
    partners : tuple of int or None
        The proposed mark that each returned mark is; None for added ones.
    deleted : tuple of int
        Proposed marks without a partner.
    """

    actions: tuple[Action, ...]
    partners: tuple[int | None, ...]
    deleted: tuple[int, ...]


def match_marks(
    proposed: Sequence[Placed], returned: Sequence[Placed], near: Nearness | None = None
) -> Matches:
    """Match returned marks to proposed ones, one to one.

    Only marks of one task, frame and tool type can be partners. Equal ones are paired first, the
    others so that as many as possible are near enough and, among those ways, lie nearest.

    Parameters
    ----------
    proposed : sequence of Placed
        What the volunteer saw.
    returned : sequence of Placed
        What the volunteer submitted.
    """
    near = near or Nearness()
    partners: list[int | None] = [None] * len(returned)
    actions: list[Action] = ["added"] * len(returned)
    for mine, theirs in _groups(proposed, returned):
        free = list(mine)
        changed = []
        for place in theirs:
            twin = _twin(returned[place], [(each, proposed[each]) for each in free])
            if twin is None:
                changed.append(place)
                continue
            free.remove(twin)
            partners[place] = twin
            same = returned[place].answers == proposed[twin].answers
            actions[place] = "kept" if same else "edited"
        for place, partner in _nearest(proposed, free, returned, changed, near):
            partners[place], actions[place] = partner, "edited"
    found = set(partners)
    return Matches(
        actions=tuple(actions),
        partners=tuple(partners),
        deleted=tuple(place for place in range(len(proposed)) if place not in found),
    )


def rounded(shape: Shape) -> Shape:
    """Return a shape as the classifier holds it: outlines rounded to two decimals.

    Halves go up, as JavaScript rounds them.
    """
    if not isinstance(shape, Polygon | FreehandLine):
        return shape
    scale = 10.0**DECIMALS
    points = np.floor(np.asarray(shape.points, dtype=float).reshape(-1, 2) * scale + 0.5) / scale
    return type(shape)(points=tuple((float(x), float(y)) for x, y in points))


def same_shape(one: Shape, other: Shape) -> bool:
    """Whether two shapes are the same after the classifier's rounding."""
    if one.tool_type != other.tool_type or _surely_apart(one, other):
        return False
    a, b = _numbers(rounded(one)), _numbers(rounded(other))
    # A half that another rounding took down is still the same point.
    slack = 10.0**-DECIMALS if isinstance(one, Polygon | FreehandLine) else 0.0
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= slack + SAME))


def _surely_apart(one: Shape, other: Shape) -> bool:
    """Whether two outlines differ at first sight: a frame has hundreds, and rounding takes time."""
    if not isinstance(one, Polygon | FreehandLine) or not isinstance(other, Polygon | FreehandLine):
        return False
    if len(one.points) != len(other.points):
        return True
    far = 3 * 10.0**-DECIMALS  # each is rounded by half a step, and may lie a step off
    return any(abs(a - b) > far for a, b in zip(one.points[0], other.points[0], strict=True))


def _groups(
    proposed: Sequence[Placed], returned: Sequence[Placed]
) -> list[tuple[list[int], list[int]]]:
    found: dict[tuple[str, int, str], tuple[list[int], list[int]]] = {}
    for side, marks in enumerate((proposed, returned)):
        for place, mark in enumerate(marks):
            key = (mark.task, mark.frame, mark.shape.tool_type)
            found.setdefault(key, ([], []))[side].append(place)
    return list(found.values())


def _twin(mark: Placed, candidates: Sequence[tuple[int, Placed]]) -> int | None:
    """Return the proposed mark with the same geometry, preferably with the same answers too."""
    twins = [entry for entry in candidates if same_shape(entry[1].shape, mark.shape)]
    twins.sort(key=lambda entry: entry[1].answers != mark.answers)
    return twins[0][0] if twins else None


def _nearest(
    proposed: Sequence[Placed],
    mine: Sequence[int],
    returned: Sequence[Placed],
    theirs: Sequence[int],
    near: Nearness,
) -> list[tuple[int, int]]:
    """Return (returned, proposed) pairs that are near enough."""
    if not mine or not theirs:
        return []
    ours = [proposed[place].shape for place in mine]
    costs = _costs([returned[place].shape for place in theirs], ours, near)
    rows, columns = linear_sum_assignment(costs)
    return [
        (theirs[row], mine[column])
        for row, column in zip(rows, columns, strict=True)
        if costs[row, column] < _NEVER
    ]


def _costs(
    returned: Sequence[Shape], proposed: Sequence[Shape], near: Nearness
) -> NDArray[np.float64]:
    """Return distances, shape (returned, proposed); `_NEVER` where they are not near enough."""
    costs = np.full((len(returned), len(proposed)), _NEVER)
    if returned[0].tool_type in WITH_AREA:
        mine, theirs = [area_of(shape) for shape in proposed], [area_of(s) for s in returned]
        for row, one in enumerate(theirs):
            for column, other in enumerate(mine):
                if one is None or other is None or not one.intersects(other):
                    continue
                common = one.intersection(other).area
                iou = common / (one.area + other.area - common)
                if iou >= near.iou:
                    costs[row, column] = 1.0 - iou
        return costs
    for row, shape in enumerate(returned):
        for column, candidate in enumerate(proposed):
            distance = _ends_apart(shape, candidate)
            if distance <= near.pixels:
                costs[row, column] = distance
    return costs


def _ends_apart(one: Shape, other: Shape) -> float:
    """Return how far a point, or the further end of a line, lies from the other's."""
    a, b = (_numbers(upright(shape)).reshape(-1, 2) for shape in (one, other))
    apart = [np.hypot(*(a - b).T).max()]
    if isinstance(one, Line):  # nearly vertical lines may be upright in either direction
        apart.append(np.hypot(*(a - b[::-1]).T).max())
    return float(min(apart))


def _numbers(shape: Shape) -> NDArray[np.float64]:
    if isinstance(shape, Polygon | FreehandLine):
        return np.asarray(shape.points, dtype=float)
    if isinstance(shape, Point):
        return np.array([shape.x, shape.y])
    return np.array([value for key, value in shape if key != "tool_type"], dtype=float)
