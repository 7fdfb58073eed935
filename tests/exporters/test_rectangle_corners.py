"""Corners of rectangles: one answer for filling, for areas and for the formats of other tools."""

import numpy as np
import pytest
import shapely
from shapely import affinity

from zooassist_exporters.formats.shape_outlines import shape_to_ring
from zooassist_exporters.rasterise import outline
from zooassist_exporters.rectangle_corners import rectangle_corners
from zooassist_exporters.reductions.shapes.areas import area_of
from zooassist_plugin.shapes import Rectangle, RotateRectangle


@pytest.mark.parametrize("angle", [0.0, 30.0, -90.0, 200.5])
def test_corners_are_those_of_a_box_turned_about_its_centre(angle):
    shape = RotateRectangle(x_center=10, y_center=-4, width=6, height=2.5, angle=angle)
    box = shapely.box(7, -5.25, 13, -2.75)
    turned = affinity.rotate(box, angle, origin=(10, -4))
    corners = rectangle_corners(shape)
    assert turned.symmetric_difference(shapely.Polygon(corners)).area == pytest.approx(0, abs=1e-9)
    turn = np.radians(angle)
    first = (-3 * np.cos(turn) + 1.25 * np.sin(turn), -3 * np.sin(turn) - 1.25 * np.cos(turn))
    assert corners[0] - (10, -4) == pytest.approx(first)


@pytest.mark.parametrize(
    "shape",
    [
        Rectangle(x_center=3, y_center=2, width=4, height=2),
        RotateRectangle(x_center=3, y_center=2, width=4, height=2, angle=33),
    ],
)
def test_all_that_asks_for_corners_gets_the_same(shape):
    corners = rectangle_corners(shape)
    assert np.array_equal(outline(shape), corners)
    assert np.array_equal(shape_to_ring(shape), corners)
    assert np.array_equal(np.array(area_of(shape).exterior.coords)[:-1], corners)
