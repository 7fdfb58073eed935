"""Volumes with known lesions, and the same measures computed the slow and obvious way."""

from __future__ import annotations

import itertools
import math

import numpy as np

from zooassist_training.evaluation.masks.surface_elements import BITS_3D, element_sizes

SHAPE = (36, 48, 40)


def ball(centre, radius, shape=SHAPE):
    grid = np.indices(shape)
    return sum((axis - at) ** 2 for axis, at in zip(grid, centre, strict=True)) <= radius**2


def painted(balls, shape=SHAPE):
    labels = np.zeros(shape, dtype=np.uint8)
    for label, centre, radius in balls:
        labels[ball(centre, radius, shape)] = label
    return labels


# A tumour with core, two lesions that grow together when dilated, one that is missed, one too small
# to count for some challenges.
TRUTH = [
    (2, (12, 14, 14), 8.4),
    (1, (12, 14, 14), 5.2),
    (3, (12, 15, 13), 3.3),
    (2, (25, 36, 10), 3.1),
    (2, (25, 36, 20), 3.1),
    (3, (6, 40, 32), 2.6),
    (2, (30, 8, 34), 2.2),
    (3, (30, 8, 34), 1.0),
]
# The tumour a little off, one of the pair, a false lesion and a stray voxel.
PREDICTED = [
    (2, (13, 14, 15), 7.9),
    (1, (13, 14, 15), 5.8),
    (3, (12, 16, 13), 2.9),
    (2, (25, 35, 11), 3.4),
    (3, (20, 22, 33), 2.4),
    (2, (30, 9, 34), 1.9),
    (1, (2, 2, 2), 0.0),
]


def flood(voxels):
    """26-connected parts of a set of voxels, by walking."""
    left, parts = set(voxels), []
    while left:
        edge = [left.pop()]
        part = set(edge)
        while edge:
            here = edge.pop()
            for step in itertools.product((-1, 0, 1), repeat=3):
                there = tuple(a + b for a, b in zip(here, step, strict=True))
                if there in left:
                    left.remove(there)
                    part.add(there)
                    edge.append(there)
        parts.append(part)
    return parts


def dilate(voxels, shape, times):
    """18 neighbours, within the volume."""
    steps = [s for s in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, s)) < 3]
    for _ in range(times):
        reached = {
            tuple(a + b for a, b in zip(here, step, strict=True))
            for here in voxels
            for step in steps
        }
        voxels = {
            here for here in reached if all(0 <= at < n for at, n in zip(here, shape, strict=True))
        }
    return voxels


def slow_hd95(ours, theirs, spacing):
    """Every element against every element."""
    if not ours or not theirs:
        return math.inf
    directed = []
    elements = [_elements(ours, spacing), _elements(theirs, spacing)]
    for (start, sizes), (goal, _) in (elements, elements[::-1]):
        nearest = sorted(
            (min(math.dist(a, b) for b in goal), size) for a, size in zip(start, sizes, strict=True)
        )
        reached = np.cumsum([size for _, size in nearest]) / sum(sizes)
        directed.append(nearest[int(np.argmax(reached >= 0.95 - 1e-12))][0])
    return max(directed)


def _elements(voxels, spacing):
    areas = element_sizes(tuple(spacing))
    codes = {}
    for voxel in voxels:
        for corner in itertools.product((0, 1), repeat=3):
            at = tuple(a + b for a, b in zip(voxel, corner, strict=True))
            codes[at] = codes.get(at, 0) + int(BITS_3D[tuple(1 - c for c in corner)])
    kept = {at: code for at, code in codes.items() if code != 255}
    places = [tuple(a * s for a, s in zip(at, spacing, strict=True)) for at in kept]
    return places, [float(areas[code]) for code in kept.values()]


def slow_lesionwise(predicted, truth, spacing, challenge):
    """The steps of the definition, one by one, with sets."""
    shape = truth.shape
    true_voxels = set(map(tuple, np.argwhere(truth).tolist()))
    theirs = flood(map(tuple, np.argwhere(predicted).tolist()))
    scores, matched = [], set()
    for part in flood(dilate(true_voxels, shape, challenge.dilation)):
        lesion = part & true_voxels
        reach = dilate(lesion, shape, challenge.dilation)
        hits = [i for i, each in enumerate(theirs) if each & reach]
        matched.update(hits)
        found = set().union(*(theirs[i] for i in hits))
        if len(lesion) * math.prod(spacing) > challenge.smallest:
            distance = slow_hd95(lesion, found, spacing)
            scores.append(
                (
                    2 * len(lesion & found) / (len(lesion) + len(found)),
                    374.0 if math.isinf(distance) else distance,
                )
            )
    false = len(theirs) - len(matched)
    whole = len(scores) + false
    if not whole:
        return 1.0, 0.0
    return (
        sum(d for d, _ in scores) / whole,
        (sum(h for _, h in scores) + 374.0 * false) / whole,
    )
