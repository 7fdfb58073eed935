"""What does a model's answer say of each slice, without truth? Eight numbers per slice.

Read slice by slice, so that a volume of any size is never in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.effort_simulation import SliceCost, slice_cost
from zooassist_loop.slice_table import SliceTable, count_row
from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.stack import Stack, size_text
from zooassist_serving.mask_proposer import binary_entropy
from zooassist_training.evaluation.masks.overlap import count, dice

Plane = NDArray[np.float32]
Bools = NDArray[np.bool_]

ALWAYS: Final = ("entropy", "edge_entropy", "inconsistency", "area")
WITH_REALNESS: Final = ("realness_mean", "realness_worst")
WITH_ENSEMBLE: Final = ("disagreement",)
# A discriminator that is certain says 0 or 1, which has no logarithm.
LEAST_REALNESS: Final = 1e-6
# Pixels on either side of the predicted edge.
BAND: Final = 2


def volume_features(
    name: str,
    probabilities: Stack,
    *,
    realness: Stack | None = None,
    members: Sequence[Stack] = (),
    truth: Stack | None = None,
    threshold: float = 0.5,
) -> SliceTable:
    """Look at every slice of one volume.

    Parameters
    ----------
    probabilities : Stack
        Of the foreground, 0 to 1 (or whole numbers 0 to 255, or 0 to 65535).
    realness : Stack, optional
        What the patch discriminator says of image and *predicted* mask: a slice of patches per
        slice, 0 to 1, 1 for a mask as people draw it.
    members : sequence of Stack
        Probabilities of the other members of an ensemble.
    truth : Stack, optional
        Label map; everything that is not 0 is foreground.

    Returns
    -------
    SliceTable
        `entropy` and `area` are sums over the slice's pixels (nats, pixels), `edge_entropy` is the
        mean entropy within two pixels of the predicted edge, `inconsistency` is 1 minus the mean
        Dice with the slices before and after, `realness_mean` and `realness_worst` are mean and
        maximum of -ln(realness) over patches, `disagreement` is the variance between members summed
        over pixels.

    Raises
    ------
    BadInput
        When sizes differ, or numbers are no probabilities.
    """
    if not 0 < threshold < 1:
        raise BadInput(f"threshold: expected between 0 and 1, got {threshold}")
    for other in (*members, *([truth] if truth else [])):
        if other.shape != probabilities.shape:
            raise BadInput(
                f"{other.path}: expected the size of {probabilities.path}, "
                f"{size_text(probabilities.shape)}, got {size_text(other.shape)}"
            )
    if realness is not None and len(realness) != len(probabilities):
        raise BadInput(
            f"{realness.path}: expected {len(probabilities)} slices as in {probabilities.path}, "
            f"got {len(realness)}"
        )
    names = [*ALWAYS, *(WITH_REALNESS if realness else ()), *(WITH_ENSEMBLE if members else ())]
    features: dict[str, list[float]] = {each: [] for each in names}
    counts: list[tuple[int, int, int, int]] = []
    costs: list[SliceCost] = []
    before: Bools | None = None
    overlaps: list[float] = []  # of slice z with z - 1, from the second on
    for at in range(len(probabilities)):
        plane = read_probability(probabilities, at)
        mask = plane >= threshold
        entropy = binary_entropy(plane)
        features["entropy"].append(float(entropy.sum(dtype=np.float64)))
        band = _band(mask)
        features["edge_entropy"].append(float(entropy[band].mean()) if band.any() else 0.0)
        features["area"].append(float(np.count_nonzero(mask)))
        if before is not None:
            overlaps.append(dice(count(mask, before)))
        before = mask
        if realness is not None:
            patches = -np.log(np.maximum(read_probability(realness, at), LEAST_REALNESS))
            features["realness_mean"].append(float(patches.mean()))
            features["realness_worst"].append(float(patches.max()))
        if members:
            said = np.stack([plane, *(read_probability(each, at) for each in members)])
            features["disagreement"].append(float(said.var(axis=0).sum(dtype=np.float64)))
        if truth is not None:
            right = truth.read_labels(at) != 0
            counts.append(count_row(count(mask, right)))
            costs.append(slice_cost(mask, right))
    features["inconsistency"] = _inconsistency(overlaps, len(probabilities))
    return SliceTable(
        np.full(len(probabilities), name),
        np.arange(len(probabilities)),
        {each: np.array(features[each], dtype=np.float64) for each in names},
        np.array(counts, dtype=np.int64) if truth is not None else None,
        np.array(costs, dtype=np.float64) if truth is not None else None,
    )


def read_probability(stack: Stack, at: int) -> Plane:
    """Return a slice as probabilities; whole numbers are shares of their type's largest.

    Raises
    ------
    BadInput
        When a number is NaN, negative or over 1.
    """
    plane = stack.read_finite(at)
    if stack.dtype.kind in "ui":
        plane = plane / np.float32(np.iinfo(stack.dtype).max)
    if plane.min() < 0 or plane.max() > 1:
        raise BadInput(
            f"{stack.where(at)}: expected probabilities from 0 to 1, got {float(plane.min()):g} to "
            f"{float(plane.max()):g}; write the network's output after its sigmoid"
        )
    return plane


def _band(mask: Bools) -> Bools:
    """Return the pixels within `BAND` of the mask's edge, on either side."""
    grown, shrunk = mask, mask
    for _ in range(BAND):
        grown, shrunk = _spread(grown), ~_spread(~shrunk)
    return grown & ~shrunk


def _spread(mask: Bools) -> Bools:
    out = mask.copy()
    out[1:] |= mask[:-1]
    out[:-1] |= mask[1:]
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    return out


def _inconsistency(overlaps: Sequence[float], slices: int) -> list[float]:
    """Return 1 minus the mean overlap with the neighbours there are; 0 for a lone slice."""
    found = []
    for at in range(slices):
        near = overlaps[max(0, at - 1) : at + 1]
        found.append(1 - sum(near) / len(near) if near else 0.0)
    return found
