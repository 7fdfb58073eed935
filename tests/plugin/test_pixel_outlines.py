from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from zooassist_exporters.mask_patch import Size
from zooassist_exporters.rasterise import fill_rings
from zooassist_plugin.pixel_outlines import pixels_to_parts, ring_area

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9))


@settings(max_examples=200)
@given(masks)
def test_parts_are_the_components_and_fill_to_their_pixels(pixels):
    labels, count = ndimage.label(pixels, np.ones((3, 3)))
    parts = pixels_to_parts(pixels)
    assert len(parts) == count
    size = Size(pixels.shape[1], pixels.shape[0])
    found = []
    for part in parts:
        rings = [np.array(ring) for ring in (part.outer, *part.holes)]
        filled = fill_rings(rings, size).in_frame(size)
        assert filled.sum() == part.area
        found.append(filled)
    ours = sorted(each.tobytes() for each in found)
    assert ours == sorted((labels == n).tobytes() for n in range(1, count + 1))


@given(masks)
def test_holes_run_the_other_way_round(pixels):
    for part in pixels_to_parts(pixels):
        assert ring_area(part.outer) > 0
        assert all(ring_area(hole) < 0 for hole in part.holes)


@given(st.integers(0, 4))
def test_rings_in_rings_are_parts_of_their_own(depth):
    side = 4 * depth + 5
    pixels = np.zeros((side, side), dtype=bool)
    for ring in range(depth + 1):
        at = 2 * ring
        pixels[at : side - at, at : side - at] = True
        pixels[at + 1 : side - at - 1, at + 1 : side - at - 1] = False
    pixels[side // 2, side // 2] = True
    assert [len(part.holes) for part in pixels_to_parts(pixels)] == [1] * (depth + 1) + [0]
