"""What do the volunteers who saw a frame agree on? Classes, agreement and objects as maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.mask_patch import EMPTY, Box, Patch, Size
from zooassist_exporters.reductions.masks.instances import (
    MOST_INSTANCES,
    VolunteerObject,
    same_objects,
    split_objects,
)
from zooassist_exporters.reductions.masks.methods import Method, Quorum
from zooassist_exporters.reductions.masks.overlay import Overlay, overlay
from zooassist_exporters.reductions.masks.volunteer import Covered

# How objects are told apart: by the volunteers' marks, or as connected pieces of the mask.
Objects = Literal["marks", "pieces"]
OBJECTS: Final[tuple[Objects, ...]] = get_args(Objects)


@dataclass(frozen=True)
class ClassConsensus:
    """One class in one frame.

    Attributes
    ----------
    number : int
        Its value in the label map.
    drawn_by : int
        Volunteers who drew any of it.
    area, objects : int
        Pixels and instances in the consensus.
    agreement : float
        Mean share of the volunteers over those pixels; 0 when there are none.
    """

    number: int
    drawn_by: int
    area: int
    objects: int
    agreement: float


@dataclass(frozen=True, eq=False)
class Consensus:
    """The consensus of one frame.

    Attributes
    ----------
    labels : array of uint8, shape (height, width)
        Class number, 0 for background.
    agreement : array of uint8, shape (height, width)
        Share of the volunteers who covered the pixel with its class (on background: with the class
        that most of them saw there), 255 for all of them.
    instances : array of uint16, shape (height, width)
        Object number within the frame, 0 for background.
    volunteers : int
        How many saw the frame.
    classes : tuple of ClassConsensus
        Every class of the set, in order of its number.
    overlays : mapping
        Class number -> who covered what.
    """

    labels: NDArray[np.uint8]
    agreement: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    volunteers: int
    classes: tuple[ClassConsensus, ...]
    overlays: Mapping[int, Overlay]


class TooManyObjects(ValueError):
    """More objects in a frame than a 16-bit map can number."""


def consensus(
    seen: Sequence[Covered],
    size: Size,
    numbers: Sequence[int],
    method: Method,
    quorum: Quorum,
    objects: Objects = "marks",
) -> Consensus:
    """Find the consensus of all volunteers who saw a frame.

    Parameters
    ----------
    seen : sequence of Covered
        One per volunteer; who drew nothing votes for background everywhere.
    numbers : sequence of int
        The classes of the set.

    Raises
    ------
    TooManyObjects
        When the instances cannot be numbered.
    """
    shape = (size.height, size.width)
    labels, agreement = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    score = np.zeros(shape, np.float32)
    overlays = {}
    for number in sorted(numbers):
        drawn = overlay([each.masks.get(number, EMPTY) for each in seen])
        overlays[number] = drawn
        decided = method.decide(drawn, size, quorum)
        place = _place(drawn.box)
        share = drawn.spread(np.rint(drawn.share * 255).astype(np.uint8))
        chosen = drawn.spread(decided.chosen & (decided.score > 0))
        value = drawn.spread(decided.score.astype(np.float32))
        # The smaller number keeps a pixel that two classes claim equally.
        taken = chosen & (value > score[place])
        background = (labels[place] == 0) & (share > agreement[place])
        agreement[place] = np.where(taken | background, share, agreement[place])
        labels[place][taken] = number
        score[place][taken] = value[taken]
    instances = np.zeros(shape, np.uint16)
    classes, count = [], 0
    for number in sorted(numbers):
        # Only the box in which anybody drew: maps of objects are several times larger than masks.
        box = overlays[number].box
        place = _place(box)
        mask = labels[place] == number
        drawn_objects = [
            [_moved(each, box) for each in one] for one in _objects(seen, number, objects)
        ]
        found = split_objects(mask, drawn_objects)
        here = int(found.max(initial=0))
        if count + here > MOST_INSTANCES:
            raise TooManyObjects(f"expected at most {MOST_INSTANCES} objects, got {count + here}")
        instances[place][mask] = found[mask] + count
        count += here
        area = int(np.count_nonzero(mask))
        classes.append(
            ClassConsensus(
                number=number,
                drawn_by=sum(number in each.masks for each in seen),
                area=area,
                objects=here,
                agreement=float(agreement[place][mask].mean()) / 255 if area else 0.0,
            )
        )
    return Consensus(labels, agreement, instances, len(seen), tuple(classes), overlays)


def _place(box: Box) -> tuple[slice, slice]:
    return slice(box.top, box.bottom), slice(box.left, box.right)


def _moved(patch: Patch, box: Box) -> Patch:
    """Return a patch in the coordinates of a box."""
    return Patch(patch.top - box.top, patch.left - box.left, patch.cells)


def _objects(seen: Sequence[Covered], number: int, objects: Objects) -> list[list[Patch]]:
    if objects == "pieces":
        return []
    drawn = [
        VolunteerObject(volunteer, patch)
        for volunteer, each in enumerate(seen)
        for its_class, patch in each.objects
        if its_class == number
    ]
    groups = same_objects(drawn)
    # An object that one of many saw does not split what the others drew as one.
    most = max((len(group) for group in groups), default=0)
    return [[each.patch for each in group] for group in groups if 2 * len(group) >= most]
