"""What do the metrics say of one pair of masks? Two passes: counts by slice, then what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.opening import open_stack
from zooassist_plugin.stacks.stack import Spacing, Stack, size_text
from zooassist_training.evaluation.masks.hausdorff import hd95
from zooassist_training.evaluation.masks.lesions import lesionwise
from zooassist_training.evaluation.masks.objects import ObjectScore, components, object_score
from zooassist_training.evaluation.masks.overlap import Bools, Counts, count, dice, iou, mcc
from zooassist_training.evaluation.masks.pairs import Pair
from zooassist_training.evaluation.masks.request import FOREGROUND, LESIONWISE, MaskRequest

Labels = NDArray[np.integer[Any]]
Box = tuple[int, int, int, int, int, int]
# Voxel sizes of two files may differ by rounding.
SAME: Final = 1e-3


@dataclass(frozen=True)
class Row:
    """What was measured of one region of one pair.

    Attributes
    ----------
    values : mapping
        Column -> number; `hd95` is infinite where one mask is empty.
    spacing : 3 floats
        That was used.
    """

    name: str
    region: str
    values: Mapping[str, float]
    counts: Counts
    spacing: Spacing


@dataclass
class _Region:
    """What the first pass found of a region."""

    labels: tuple[int, ...] | None
    counts: Counts = field(default_factory=Counts)
    box: Box | None = None

    def mask(self, labels: Labels) -> Bools:
        return labels != 0 if self.labels is None else np.isin(labels, self.labels)

    def add(self, at: int, predicted: Bools, truth: Bools) -> None:
        self.counts += count(predicted, truth)
        either = predicted | truth
        rows, columns = np.flatnonzero(either.any(axis=1)), np.flatnonzero(either.any(axis=0))
        if len(rows):
            here = (
                at,
                at + 1,
                int(rows[0]),
                int(rows[-1]) + 1,
                int(columns[0]),
                int(columns[-1]) + 1,
            )
            self.box = here if self.box is None else _around(self.box, here)


def measure_pair(pair: Pair, request: MaskRequest) -> list[Row]:
    """Measure two masks.

    Only counts are kept of each slice; a whole volume is read again, and only the box around what
    is set, where a metric needs it.

    Raises
    ------
    BadInput
        When the files can't be read, differ in size, place or voxel size, hold a label that belongs
        to no region, or a box is too large.
    """
    with open_stack(pair.predicted) as ours, open_stack(pair.truth) as theirs:
        return measure_stacks(pair.name, ours, theirs, request)


def measure_stacks(name: str, ours: Stack, theirs: Stack, request: MaskRequest) -> list[Row]:
    """Measure a predicted stack of labels against the true one; see `measure_pair`."""
    spacing = _common_spacing(ours, theirs, request)
    named: Mapping[str, tuple[int, ...] | None] = request.named_regions or {FOREGROUND: None}
    regions = {region: _Region(labels) for region, labels in named.items()}
    known = _known(request)
    for at in range(len(theirs)):
        predicted, truth = (_read(each, at, request, known) for each in (ours, theirs))
        for region in regions.values():
            region.add(at, region.mask(predicted), region.mask(truth))
    return [
        _row(name, region_name, region, ours, theirs, request, spacing)
        for region_name, region in regions.items()
    ]


def _row(
    name: str,
    region_name: str,
    region: _Region,
    ours: Stack,
    theirs: Stack,
    request: MaskRequest,
    spacing: Spacing,
) -> Row:
    values: dict[str, float] = {}
    volumes: tuple[Labels, Labels] | None = None
    if request.needs_volume:
        volumes = _load(region.box, ours, request), _load(region.box, theirs, request)
    for metric in request.metrics:
        if metric in BY_COUNTS:
            values[metric] = BY_COUNTS[metric](region.counts)
        elif volumes is not None:
            values |= BY_VOLUME[metric](*volumes, region, request, spacing)
    return Row(name, region_name, values, region.counts, spacing)


def _distance(
    ours: Labels, theirs: Labels, region: _Region, request: MaskRequest, spacing: Spacing
) -> dict[str, float]:
    predicted, truth = region.mask(ours), region.mask(theirs)
    if not predicted.size:
        return {"hd95": 0.0}
    predicted, truth = _flat(predicted, truth)
    return {"hd95": hd95(predicted, truth, spacing[-truth.ndim :])}


def _lesions(
    ours: Labels, theirs: Labels, region: _Region, request: MaskRequest, spacing: Spacing
) -> dict[str, float]:
    score = lesionwise(region.mask(ours), region.mask(theirs), spacing, request.parameters)
    return {
        "lesionwise_dice": score.dice,
        "lesionwise_hd95": score.hd95,
        "lesions": len(score.counted),
        "missed_lesions": sum(not each.found for each in score.counted),
        "false_lesions": score.false_lesions,
    }


def _objects(
    ours: Labels, theirs: Labels, region: _Region, request: MaskRequest, spacing: Spacing
) -> dict[str, float]:
    if not ours.size:
        score = ObjectScore()
    elif request.instances:
        score = object_score(ours, theirs, request.at)
    else:
        flat = [components(each) for each in _flat(region.mask(ours), region.mask(theirs))]
        score = object_score(flat[0], flat[1], request.at)
    return object_columns(score)


def of_known_objects(
    row: Row,
    predicted: Labels,
    truth: Labels,
    objects: Labels,
    request: MaskRequest,
) -> Row:
    """Return a row of which objects are those that people told apart, also where they touch.

    Parameters
    ----------
    predicted, truth, objects : arrays of shape (height, width)
        Labels of the mask and of the truth; a number per true object, 0 for none.
    """
    region = _Region((request.named_regions or {}).get(row.region))
    known = np.where(region.mask(truth), objects, 0)
    score = object_score(components(region.mask(predicted)), known, request.at)
    return replace(row, values={**row.values, **object_columns(score)})


def object_columns(score: ObjectScore) -> dict[str, float]:
    """Return the columns of the metric f1."""
    return {
        "f1": score.f1,
        "found_objects": score.found,
        "false_objects": score.false,
        "missed_objects": score.missed,
    }


BY_COUNTS: Final[dict[str, Callable[[Counts], float]]] = {"dice": dice, "iou": iou, "mcc": mcc}
BY_VOLUME: Final[
    dict[str, Callable[[Labels, Labels, _Region, MaskRequest, Spacing], dict[str, float]]]
] = {"hd95": _distance, LESIONWISE: _lesions, "f1": _objects}


def _flat(*masks: Bools) -> tuple[Bools, ...]:
    """Take volumes of one slice for pictures: a surface above and below them says nothing."""
    return tuple(mask[0] if mask.shape[0] == 1 else mask for mask in masks)


def _read(stack: Stack, at: int, request: MaskRequest, known: frozenset[int] | None) -> Labels:
    labels = stack.read_labels(at)
    if request.relabel:
        before = labels.copy()
        for old, new in request.relabel.items():
            labels[before == old] = new
    if known is not None:
        strange = sorted(set(np.unique(labels).tolist()) - known)
        if strange:
            raise BadInput(
                f"{stack.where(at)}: expected the labels {', '.join(map(str, sorted(known)))}, got "
                f"{strange[0]}; name it with --class, or change it with --relabel {strange[0]}=…"
            )
    return labels


def _known(request: MaskRequest) -> frozenset[int] | None:
    regions = request.named_regions
    if regions is None:
        return None
    return frozenset({0}).union(*regions.values())


def _load(box: Box | None, stack: Stack, request: MaskRequest) -> Labels:
    if box is None:
        return np.zeros((0, 0, 0), dtype=np.int64)
    first, last, top, bottom, left, right = box
    shape = (last - first, bottom - top, right - left)
    if math.prod(shape) > request.most_voxels:
        raise BadInput(
            f"{stack.path}: distances and lesions need the box around all that is set in memory, "
            f"{size_text(shape)} voxels, expected at most {request.most_voxels:,}; raise "
            "--most-voxels (about 40 bytes each), cut the volume, or measure dice, iou, mcc"
        )
    # Labels of 64 bits would be most of the memory.
    volume = np.empty(shape, dtype=np.int32)
    for at in range(first, last):
        volume[at - first] = _read(stack, at, request, None)[top:bottom, left:right]
    return volume


def _common_spacing(ours: Stack, theirs: Stack, request: MaskRequest) -> Spacing:
    if ours.shape != theirs.shape:
        raise BadInput(
            f"{ours.path}: expected the size of {theirs.path}, {size_text(theirs.shape)} (slices, "
            f"rows, columns), got {size_text(ours.shape)}; resize the label map with nearest "
            "neighbours, or fetch the right file"
        )
    if ours.affine is not None and theirs.affine is not None:
        # Directions only: origins differ in harmless ways, and voxel sizes are compared below.
        mine, right = (np.sign(np.round(e[:3, :3], 3)) for e in (ours.affine, theirs.affine))
        if not np.array_equal(mine, right):
            raise BadInput(
                f"{ours.path}: its axes run another way than those of {theirs.path}; bring both to "
                "one orientation first"
            )
    if request.spacing is not None:
        return request.spacing
    if (
        ours.spacing
        and theirs.spacing
        and not np.allclose(ours.spacing, theirs.spacing, SAME, SAME)
    ):
        raise BadInput(
            f"{ours.path}: expected voxels of {_lengths(theirs.spacing)} as in {theirs.path}, got "
            f"{_lengths(ours.spacing)}; give the right one with --spacing"
        )
    return theirs.spacing or ours.spacing or (1.0, 1.0, 1.0)


def _lengths(spacing: Spacing) -> str:
    return " x ".join(f"{each:g}" for each in spacing)


def _around(one: Box, other: Box) -> Box:
    low = [min(a, b) for a, b in zip(one[::2], other[::2], strict=True)]
    high = [max(a, b) for a, b in zip(one[1::2], other[1::2], strict=True)]
    return low[0], high[0], low[1], high[1], low[2], high[2]
