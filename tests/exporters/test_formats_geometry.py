"""The small converters between shapes, boxes, outlines, pixels and run lengths."""

import math
import time

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from zooassist_exporters.formats.regions import Region, maps_to_regions, regions_to_maps
from zooassist_exporters.formats.shape_outlines import (
    box_to_shape,
    clip_box,
    clip_ring,
    ring_to_box,
    shape_to_box,
    shape_to_ring,
)
from zooassist_exporters.formats.voc import box_to_voc, voc_to_box
from zooassist_exporters.formats.yolo import (
    box_to_yolo,
    ring_to_yolo,
    yolo_to_box,
    yolo_to_ring,
)
from zooassist_exporters.mask_patch import Size
from zooassist_exporters.rasterise import fill_rings
from zooassist_plugin.errors import BadInput
from zooassist_plugin.pixel_outlines import pixels_to_rings, ring_area
from zooassist_plugin.run_lengths import (
    counts_to_runs,
    counts_to_string,
    runs_to_counts,
    string_to_counts,
)
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
)

thousand = settings(max_examples=1000, deadline=None)
hundreds = settings(max_examples=300, deadline=None)  # those that are compared with slow methods
shapes_of_maps = array_shapes(min_dims=2, max_dims=2, max_side=9)
bits = arrays(np.bool_, shapes_of_maps)
numbers = st.floats(-30, 60, allow_nan=False) | st.integers(-30, 60).map(float)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
boxes = st.tuples(numbers, numbers, numbers, numbers).map(
    lambda box: (min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3]))
)


def region_of(pixels):
    return maps_to_regions(pixels.astype(np.uint8))[0]


@thousand
@given(bits)
def test_run_lengths_are_coco_s(pixels):
    assume(pixels.any())
    region = region_of(pixels)
    counts = runs_to_counts(region.starts, region.lengths, pixels.size)
    theirs = coco_mask.encode(np.asfortranarray(pixels.astype(np.uint8)))
    assert counts_to_string(counts) == theirs["counts"].decode("ascii")
    assert string_to_counts(counts_to_string(counts)) == counts
    starts, lengths = counts_to_runs(counts)
    assert starts.tolist() == region.starts.tolist()
    assert lengths.tolist() == region.lengths.tolist()
    left, top, width, height = coco_mask.toBbox(theirs).tolist()
    assert region.box() == (left, top, left + width, top + height)
    assert region.area == coco_mask.area(theirs)
    assert np.array_equal(region.pixels(), pixels)


@thousand
@given(st.lists(st.integers(0, 2**40), max_size=12))
def test_compressed_counts_come_back(counts):
    assert string_to_counts(counts_to_string(counts)) == counts


@pytest.mark.parametrize("text", ["\n", "é", "o", "ooo", "0P", "01 "])
def test_broken_counts_are_refused(text):
    with pytest.raises(BadInput, match="RLE counts"):
        string_to_counts(text)


@thousand
@given(st.data())
def test_maps_come_back_from_their_regions(data):
    shape = data.draw(shapes_of_maps)
    labels = data.draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])))
    instances = data.draw(arrays(np.uint16, shape, elements=st.sampled_from([0, 1, 2, 65_535])))
    instances = np.where(labels > 0, instances, 0).astype(np.uint16)
    regions = maps_to_regions(labels, instances)
    back = regions_to_maps(regions, (shape[1], shape[0]))
    assert np.array_equal(back[0], labels)
    assert np.array_equal(back[1], instances)
    pairs = {
        (a, b)
        for a, b in zip(labels.ravel().tolist(), instances.ravel().tolist(), strict=True)
        if a
    }
    assert [(region.number, region.instance) for region in regions] == sorted(pairs)


def test_65535_objects_of_one_pixel():
    instances = np.arange(256 * 256, dtype=np.uint16).reshape(256, 256)
    labels = (instances > 0).astype(np.uint8)
    start = time.perf_counter()
    regions = maps_to_regions(labels, instances)
    back = regions_to_maps(regions, (256, 256))
    assert time.perf_counter() - start < 10
    assert len(regions) == 65_535
    assert {region.area for region in regions} == {1}
    assert np.array_equal(back[1], instances)


def test_touching_objects_stay_apart():
    labels = np.ones((2, 4), np.uint8)
    instances = np.array([[1, 1, 2, 2], [1, 1, 2, 2]], np.uint16)
    first, second = maps_to_regions(labels, instances)
    assert first.box() == (0, 0, 2, 2)
    assert second.box() == (2, 0, 4, 2)
    assert pixels_to_rings(first.pixels()) == [[(0, 0), (2, 0), (2, 2), (0, 2)]]


def test_maps_of_two_sizes_are_refused():
    with pytest.raises(BadInput, match="instance map: expected the label map's shape"):
        maps_to_regions(np.ones((2, 2), np.uint8), np.ones((3, 2), np.uint16))
    region = Region(1, 0, np.array([0]), np.array([1]), (2, 2))
    with pytest.raises(BadInput, match="region: expected a picture of"):
        regions_to_maps([region], (3, 3))


@hundreds
@given(bits)
def test_outlines_enclose_the_pixels_and_their_holes(pixels):
    rings = pixels_to_rings(pixels)
    height, width = pixels.shape
    filled = np.zeros_like(pixels)
    for ring in rings:
        patch = fill_rings([np.array(ring)], Size(width, height), "winding")
        filled |= patch.in_frame(Size(width, height))
        assert ring_area(ring) == patch.area, "a ring runs clockwise around its pixels"
        assert len(set(ring)) >= 4
    # What is not inside can be left: walk from the border through pixels that share a side.
    outside = np.pad(~pixels, 1, constant_values=True)
    reached = np.zeros_like(outside)
    reached[0, 0] = True
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown &= outside
        if np.array_equal(grown, reached):
            break
        reached = grown
    assert np.array_equal(filled, ~reached[1:-1, 1:-1])


def test_outlines_by_hand():
    one = np.zeros((3, 3), bool)
    one[1, 2] = True
    assert pixels_to_rings(one) == [[(2, 1), (3, 1), (3, 2), (2, 2)]]
    corners = np.array([[1, 0], [0, 1]], bool)
    assert pixels_to_rings(corners) == [
        [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (1, 2), (1, 1), (0, 1)]
    ], "pixels that touch by a corner are one part"
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert pixels_to_rings(ring) == [[(0, 0), (3, 0), (3, 3), (0, 3)]]
    assert pixels_to_rings(np.zeros((2, 2), bool)) == []


@thousand
@given(boxes, sizes)
def test_boxes_of_yolo_and_voc_come_back(box, size):
    clipped = clip_box(box, size)
    fractions, corners = box_to_yolo(box, size), box_to_voc(box, size)
    if clipped is None:
        assert fractions is None
        assert corners is None
        return
    assert all(0 <= each <= 1 for each in fractions)
    assert yolo_to_box(fractions, size) == pytest.approx(clipped, abs=1e-9)
    left, top, right, bottom = corners
    assert 1 <= left <= right <= size[0]
    assert 1 <= top <= bottom <= size[1]
    whole = voc_to_box(corners)
    assert whole == (*map(math.floor, clipped[:2]), *map(math.ceil, clipped[2:]))
    assert box_to_voc(whole, size) == corners, "whole boxes come back as they are"
    assert shape_to_box(box_to_shape(clipped)) == pytest.approx(clipped, abs=1e-9)


@hundreds
@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=8), sizes)
def test_clipped_outlines_are_the_part_within(ring, size):
    clipped = clip_ring(list(ring), size)
    picture = shapely.box(0, 0, *size)
    polygon = shapely.Polygon(ring)
    if clipped is None:
        if polygon.is_valid:
            assert polygon.intersection(picture).area == pytest.approx(0, abs=1e-6)
        return
    assert all(0 <= x <= size[0] and 0 <= y <= size[1] for x, y in clipped)
    if polygon.is_valid:
        assert abs(ring_area(clipped)) == pytest.approx(
            polygon.intersection(picture).area, abs=1e-6
        )
    fractions = ring_to_yolo(list(ring), size)
    assert all(0 <= each <= 1 for each in fractions)
    assert np.allclose(yolo_to_ring(fractions, size), clipped)


@thousand
@given(st.floats(0, 20), st.floats(0, 20), st.floats(-720, 720), st.floats(-9, 9), st.floats(-9, 9))
def test_boxes_around_turned_shapes(rx, ry, angle, x, y):
    ellipse = Ellipse(x_center=x, y_center=y, rx=rx, ry=ry, angle=angle)
    left, top, right, bottom = shape_to_box(ellipse)
    turns = np.linspace(0, 2 * np.pi, 721)
    turn = math.radians(angle)
    xs = x + rx * np.cos(turns) * math.cos(turn) - ry * np.sin(turns) * math.sin(turn)
    ys = y + rx * np.cos(turns) * math.sin(turn) + ry * np.sin(turns) * math.cos(turn)
    assert [left, top, right, bottom] == pytest.approx(
        [xs.min(), ys.min(), xs.max(), ys.max()], abs=2e-3
    )
    ring = shape_to_ring(ellipse)
    inner = ring_to_box(ring)
    assert inner[0] >= left - 1e-9
    assert inner[3] <= bottom + 1e-9
    assert ring_area(ring) == pytest.approx(math.pi * rx * ry, rel=2e-3, abs=1e-9)
    turned = RotateRectangle(x_center=x, y_center=y, width=2 * rx, height=2 * ry, angle=angle)
    assert ring_area(shape_to_ring(turned)) == pytest.approx(4 * rx * ry, abs=1e-6)


def test_boxes_and_outlines_by_hand():
    assert shape_to_box(Point(x=1, y=2)) == (1, 2, 1, 2)
    assert shape_to_ring(Point(x=1, y=2)) is None
    assert shape_to_box(Line(x1=3, y1=1, x2=2, y2=5)) == (2, 1, 3, 5)
    assert shape_to_ring(Line(x1=3, y1=1, x2=2, y2=5)) is None
    assert shape_to_box(Circle(x_center=5, y_center=5, r=2)) == (3, 3, 7, 7)
    rectangle = Rectangle(x_center=5, y_center=5, width=4, height=2)
    assert shape_to_ring(rectangle) == [(3, 4), (7, 4), (7, 6), (3, 6)]
    turned = RotateRectangle(x_center=5, y_center=5, width=4, height=2, angle=90)
    assert shape_to_box(turned) == pytest.approx((4, 3, 6, 7))
    # 45 degrees clockwise on the screen, where y runs down: the first corner moves up.
    corner = shape_to_ring(turned.model_copy(update={"angle": 45.0}))[0]
    assert corner == pytest.approx((5 - math.sqrt(0.5), 5 - 3 * math.sqrt(0.5)))
    assert shape_to_ring(Polygon(points=((0, 0), (1, 1)))) is None
    assert shape_to_ring(FreehandLine(points=())) is None
    assert shape_to_box(FreehandLine(points=())) == (0, 0, 0, 0)
    assert clip_box((-5, -5, -1, 3), (10, 10)) is None
    around = [(-5.0, -5.0), (15.0, -5.0), (15.0, 15.0), (-5.0, 15.0)]
    assert clip_ring(around, (10, 8)) == [(0, 8), (0, 0), (10, 0), (10, 8)]
