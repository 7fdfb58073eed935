from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from scipy import ndimage

from zooassist_exporters.mask_patch import Size
from zooassist_exporters.rasterise import fill_rings
from zooassist_plugin.errors import BadInput
from zooassist_plugin.outline_simplifier import simplify
from zooassist_plugin.pixel_outlines import pixels_to_parts, ring_area


def disc(radius, side=80):
    y, x = np.indices((side, side)) - side / 2 + 0.5
    return x**2 + y**2 < radius**2


def wild(seed, sigma, side=120):
    """The largest part of a random field: bays, necks, holes."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), sigma)
    labels, _ = ndimage.label(field > 0.4 * field.std(), np.ones((3, 3)))
    return labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1


def outer(mask):
    return pixels_to_parts(mask)[0].outer


def test_a_square_stays_as_it_is():
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:7, 3:8] = True
    found = simplify(outer(mask), 1.0, 60)
    assert sorted(found.ring) == [(3, 2), (3, 7), (8, 2), (8, 7)]
    assert (found.deviation, found.displaced) == (0, 0)


@pytest.mark.parametrize("radius", [4, 8, 20, 38])
def test_a_disc_keeps_its_area_with_few_vertices(radius):
    ring = outer(disc(radius))
    found = simplify(ring, 1.0, 60)
    assert len(found.ring) <= max(0.6 * len(ring), 12)
    assert ring_area(found.ring) == pytest.approx(ring_area(ring), rel=1e-9)
    assert found.deviation <= 1.0


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most", [12, 60])
def test_wild_outlines_cross_nowhere_and_say_how_far_they_are_off(seed, most):
    ring = outer(wild(seed, 2 + seed % 4))
    found = simplify(ring, 1.0, most)
    assert len(found.ring) <= most
    shape = shapely.Polygon(found.ring)
    assert shape.is_valid
    assert shape.area == pytest.approx(ring_area(ring), rel=1e-6)
    edge = shapely.LinearRing(found.ring)
    truly = max(edge.distance(shapely.Point(vertex)) for vertex in ring)
    assert truly <= found.deviation + 1e-9
    moved = shape.symmetric_difference(shapely.Polygon(ring)).area
    assert moved <= found.displaced + 1e-6


def test_the_tolerance_is_kept_while_vertices_are_few_enough():
    ring = outer(wild(1, 4))
    sizes = []
    for tolerance in (0.0, 0.5, 1.0, 3.0):
        found = simplify(ring, tolerance, len(ring), displaced=1.0)
        assert found.deviation <= tolerance
        sizes.append(len(found.ring))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[1] < sizes[0]


@pytest.mark.parametrize("radius", [2, 3, 5, 12])
def test_small_objects_keep_their_pixels_whatever_the_tolerance(radius):
    mask = disc(radius)
    found = simplify(outer(mask), 5.0, 60)
    size = Size(*mask.shape)
    filled = fill_rings([np.array(found.ring)], size).in_frame(size)
    assert (filled & mask).sum() / (filled | mask).sum() >= 0.97


@pytest.mark.parametrize("seed", range(6))
def test_an_outline_within_half_a_pixel_encloses_the_same_pixels(seed):
    mask = wild(seed, 3)
    size = Size(*mask.shape)
    parts = pixels_to_parts(mask)
    rings = [simplify(r, 0.49, 9999).ring for r in (parts[0].outer, *parts[0].holes)]
    assert (fill_rings([np.array(r) for r in rings], size).in_frame(size) == mask).all()


def test_what_encloses_nothing_useful_is_refused():
    for tolerance, most in ((-1, 60), (math.nan, 3), (1, 3)):
        with pytest.raises(BadInput, match="0 or more and at least 4"):
            simplify(outer(disc(5)), tolerance, most)
