"""What did one volunteer cover in one frame? The marks of each class as one mask, holes cut out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from zooassist_exporters.mask_patch import EMPTY, Patch, Size, exclusive, united, without
from zooassist_exporters.rasterise import Fill, Ring, fill_rings, rasterise
from zooassist_exporters.reductions.masks.strokes import join_strokes
from zooassist_plugin.shapes import FreehandLine, Line, Shape

HOLE: Final = 0


@dataclass(frozen=True, slots=True)
class Outline:
    """One mark and what it outlines.

    Attributes
    ----------
    shape : Shape
        In natural pixels of the frame.
    number : int
        The class, from 1; `HOLE` for a mark that cuts a hole into the volunteer's other marks.
    """

    shape: Shape
    number: int


@dataclass(frozen=True)
class Covered:
    """What one volunteer covered.

    Attributes
    ----------
    masks : dict
        Class number -> patch; a class that the volunteer did not draw is left out.
    objects : tuple of (int, Patch)
        Class number and patch of each mark (or outline joined of several strokes), without holes.
    missed : int
        Marks that cover no pixel centre: tiny, flat, or outside the image.
    """

    masks: dict[int, Patch] = field(default_factory=dict)
    objects: tuple[tuple[int, Patch], ...] = ()
    missed: int = 0


def covered(
    outlines: Sequence[Outline], size: Size, *, join: bool = False, fill: Fill = "even-odd"
) -> Covered:
    """Rasterise the marks of one volunteer in one frame.

    Parameters
    ----------
    join : bool
        False: every mark is closed by itself, a class covers what any of its marks covers. True,
        as CRIA has it: strokes (freehand paths and lines) are joined to outlines, and a class
        covers what lies inside an odd number of its outlines.
    fill : str
        What counts as inside where one outline crosses itself.
    """
    by_class: dict[int, list[Shape]] = {}
    for each in outlines:
        by_class.setdefault(each.number, []).append(each.shape)
    missed = 0
    patches: dict[int, list[Patch]] = {}
    for number, shapes in by_class.items():
        drawn = _joined(shapes, size, fill) if join else [rasterise(s, size, fill) for s in shapes]
        patches[number] = [patch for patch in drawn if patch.cells.any()]
        missed += len(drawn) - len(patches[number])
    hole = united(patches.pop(HOLE, [])) if HOLE in patches else EMPTY
    combine = exclusive if join else united
    masks = {number: without(combine(drawn), hole) for number, drawn in patches.items() if drawn}
    objects = tuple(
        (number, without(patch, hole)) for number, drawn in patches.items() for patch in drawn
    )
    return Covered(masks, objects, missed)


def _joined(shapes: Sequence[Shape], size: Size, fill: Fill) -> list[Patch]:
    """Rasterise joined strokes and closed shapes, one patch per outline."""
    strokes = [_stroke(shape) for shape in shapes if isinstance(shape, FreehandLine | Line)]
    closed = [shape for shape in shapes if not isinstance(shape, FreehandLine | Line)]
    drawn = [fill_rings([ring], size, fill) for ring in join_strokes(strokes)]
    return drawn + [rasterise(shape, size, fill) for shape in closed]


def _stroke(shape: FreehandLine | Line) -> Ring:
    if isinstance(shape, Line):
        return np.array([(shape.x1, shape.y1), (shape.x2, shape.y2)])
    return np.array(shape.points, dtype=np.float64).reshape(-1, 2)
