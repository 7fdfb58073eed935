"""Which object does each pixel of a consensus mask belong to, also where objects touch?

Volunteers draw objects one by one, so their marks tell touching objects apart where the mask alone
cannot: marks of different volunteers that overlap most are taken to be the same object, and each
pixel goes to the object that most volunteers put there. What no object claims stays with the
nearest one it hangs together with, or is an object of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from zooassist_exporters.mask_patch import Box, Mask, Patch, around, iou, overlap

LEAST_IOU: Final = 0.5
# What a 16-bit map holds.
MOST_INSTANCES: Final = 2**16 - 1
Map = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class VolunteerObject:
    """One object as one volunteer drew it; volunteers are numbered within the frame."""

    volunteer: int
    patch: Patch


def same_objects(
    drawn: Sequence[VolunteerObject], least_iou: float = LEAST_IOU
) -> list[list[VolunteerObject]]:
    """Group marks of the same object, at most one per volunteer, largest groups first.

    The pair of marks that overlaps best is joined first; two groups that share a volunteer are
    never joined, since nobody draws one object twice.
    """
    pairs = _overlapping(drawn, least_iou)
    group = list(range(len(drawn)))
    members = {place: [place] for place in group}
    for _, one, other in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        a, b = group[one], group[other]
        if a == b or {drawn[i].volunteer for i in members[a]} & {
            drawn[i].volunteer for i in members[b]
        }:
            continue
        for place in members[b]:
            group[place] = a
        members[a] += members.pop(b)
    ordered = sorted(members.values(), key=lambda places: (-len(places), min(places)))
    return [[drawn[place] for place in sorted(places)] for places in ordered]


def _overlapping(
    drawn: Sequence[VolunteerObject], least_iou: float
) -> Iterable[tuple[float, int, int]]:
    """Yield IoU and places of marks of two volunteers that overlap enough."""
    order = sorted(range(len(drawn)), key=lambda place: drawn[place].patch.left)
    for rank, one in enumerate(order):
        right = drawn[one].patch.box.right
        for other in order[rank + 1 :]:
            if drawn[other].patch.left >= right:
                break  # all further ones begin on the right of this one
            if drawn[one].volunteer == drawn[other].volunteer:
                continue
            value = iou(drawn[one].patch, drawn[other].patch)
            if value >= least_iou:
                yield value, min(one, other), max(one, other)


def split_objects(mask: Mask, objects: Sequence[Sequence[Patch]]) -> Map:
    """Give each object of a consensus mask a number.

    Parameters
    ----------
    mask : array of bool, shape (height, width)
        The consensus of one class.
    objects : sequence of sequences of Patch
        For each object the patches of the volunteers who drew it; without any the connected
        pieces of the mask are the objects.

    Returns
    -------
    array of int, shape (height, width)
        0 outside the mask, else 1, 2, ... without gaps, counted from the top left.
    """
    found = np.zeros(mask.shape, dtype=np.int32)
    if not mask.any():
        return found
    pieces, _ = ndimage.label(mask)
    claimed = _claims(mask, objects)
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        piece = pieces[place] == number
        claim = np.where(piece, claimed[place], 0)
        if claim.any():
            claim = _to_nearest(claim)
        else:
            claim[piece] = len(objects) + number
        found[place][piece] = claim[piece]
    return _renumbered(found)


def _claims(mask: Mask, objects: Sequence[Sequence[Patch]]) -> Map:
    """Return for each pixel the object that most volunteers put there, 0 where none did."""
    best = np.zeros(mask.shape, dtype=np.int32)
    claimed = np.zeros(mask.shape, dtype=np.int32)
    frame = Box(0, 0, *mask.shape)
    for number, patches in enumerate(objects, start=1):
        box = overlap(around(patch.box for patch in patches), frame)
        if box is None:
            continue
        votes = np.zeros(box.shape, dtype=np.int32)
        for patch in patches:
            shared = overlap(patch.box, box)
            if shared is not None:
                rows = slice(shared.top - box.top, shared.bottom - box.top)
                votes[rows, shared.left - box.left : shared.right - box.left] += patch.within(
                    shared
                )
        place = np.s_[box.top : box.bottom, box.left : box.right]
        # Earlier objects were drawn by more volunteers: they keep what is undecided.
        more = votes > best[place]
        best[place][more] = votes[more]
        claimed[place][more] = number
    return claimed


def _to_nearest(claim: Map) -> Map:
    rows, columns = ndimage.distance_transform_edt(
        claim == 0, return_distances=False, return_indices=True
    )
    nearest: Map = claim[rows, columns]
    return nearest


def _renumbered(found: Map) -> Map:
    """Close the gaps between the numbers, in the order in which the objects begin, row by row."""
    pixels = found[found > 0]
    first = np.full(int(found.max()) + 1, len(pixels))
    # The last value assigned stays, so backwards it is the first pixel of each number.
    first[pixels[::-1]] = np.arange(len(pixels))[::-1]
    used = np.flatnonzero(first < len(pixels))
    ranks = np.zeros(len(first), dtype=np.int32)
    ranks[used[np.argsort(first[used])]] = np.arange(1, len(used) + 1)
    renumbered: Map = ranks[found]
    return renumbered
