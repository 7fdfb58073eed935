"""The fill rule against exact geometry and a point-by-point check."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from zooassist_exporters import rasterise as rasterising
from zooassist_exporters.mask_patch import Size, iou, united, without
from zooassist_exporters.rasterise import fill_rings, rasterise
from zooassist_plugin.errors import BadInput
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

SIZE = Size(23, 17)
# Quarters hit pixel centres and edges often, and are exact in binary.
QUARTER = st.integers(-40, 120).map(lambda quarters: quarters / 4)
VERTEX = st.tuples(QUARTER, QUARTER)
PATH = st.lists(VERTEX, min_size=1, max_size=9)


def mask_of(shape, size=SIZE, fill="even-odd"):
    return rasterise(shape, size, fill).in_frame(size)


def centres(size):
    y, x = np.mgrid[0 : size.height, 0 : size.width] + 0.5
    return x, y


def by_hand(points, size, fill="even-odd"):
    """Every pixel centre against every edge, one by one; also its distance to the outline."""
    inside = np.zeros((size.height, size.width), bool)
    distance = np.full(inside.shape, np.inf)
    for (row, column), _ in np.ndenumerate(inside):
        x, y = column + 0.5, row + 0.5
        turns = crossings = 0
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            length = (x1 - x0) ** 2 + (y1 - y0) ** 2
            along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0
            along = min(max(along, 0), 1)
            near = math.hypot(x0 + along * (x1 - x0) - x, y0 + along * (y1 - y0) - y)
            distance[row, column] = min(distance[row, column], near)
            if (y0 <= y) != (y1 <= y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
                crossings += 1
                turns += 1 if y1 > y0 else -1
        inside[row, column] = turns != 0 if fill == "winding" else crossings % 2 == 1
    return inside, distance


@given(PATH, st.sampled_from(["even-odd", "winding"]))
def test_any_polygon_covers_the_centres_inside_it(points, fill):
    """Self-intersecting, flat, outside the image: all of it."""
    expected, distance = by_hand(points, SIZE, fill)
    found = mask_of(Polygon(points=points), fill=fill)
    clear = distance > 1e-6  # a centre on the outline is a matter of rounding
    assert np.array_equal(found[clear], expected[clear])
    assert np.array_equal(found, mask_of(FreehandLine(points=points), fill=fill))


@given(PATH, st.integers(-5, 5), st.integers(-5, 5))
def test_moving_by_whole_pixels_moves_the_mask(points, right, down):
    large = Size(90, 90)
    points = [(x + 25, y + 25) for x, y in points]
    moved = mask_of(Polygon(points=[(x + right, y + down) for x, y in points]), large)
    assert np.array_equal(
        moved, np.roll(mask_of(Polygon(points=points), large), (down, right), (0, 1))
    )


@given(st.lists(st.floats(0, 2 * math.pi), min_size=3, max_size=12, unique=True))
def test_area_of_a_convex_polygon(angles):
    """The pixels counted differ from the exact area by less than its outline's length."""
    points = [(50 + 40 * math.cos(a), 50 + 40 * math.sin(a)) for a in sorted(angles)]
    x, y = np.array(points).T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    outline = np.hypot(np.diff(x, append=x[0]), np.diff(y, append=y[0])).sum()
    found = rasterise(Polygon(points=points), Size(100, 100)).area
    assert abs(found - area) <= outline + 4


@given(VERTEX, VERTEX, VERTEX, VERTEX)
def test_shapes_that_share_an_edge_neither_overlap_nor_leave_a_gap(a, b, c, d):
    one, other = mask_of(Polygon(points=[a, b, c])), mask_of(Polygon(points=[c, b, d]))
    quadrangle = mask_of(Polygon(points=[a, b, d, c]))
    assert np.array_equal(one ^ other, quadrangle)


@given(QUARTER, QUARTER, st.floats(0, 12), st.floats(0, 12), st.floats(-400, 400))
def test_ellipse_covers_the_centres_inside_it(x, y, rx, ry, angle):
    assume(rx > 1e-3)
    assume(ry > 1e-3)
    px, py = centres(SIZE)
    turn = math.radians(angle)
    along = ((px - x) * math.cos(turn) + (py - y) * math.sin(turn)) / rx
    across = (-(px - x) * math.sin(turn) + (py - y) * math.cos(turn)) / ry
    distance = along**2 + across**2
    found = mask_of(Ellipse(x_center=x, y_center=y, rx=rx, ry=ry, angle=angle))
    clear = np.abs(distance - 1) > 1e-6
    assert np.array_equal(found[clear], (distance <= 1)[clear])


def test_angles_turn_clockwise_on_the_screen():
    tall = Ellipse(x_center=50, y_center=50, rx=40, ry=5, angle=90)
    assert mask_of(tall, Size(100, 100))[:, 50].sum() == 80
    leaning = mask_of(tall.model_copy(update={"angle": 45.0}), Size(100, 100))
    assert leaning[75, 75]  # y points down: to the right and down
    assert not leaning[25, 75]
    turned = RotateRectangle(x_center=50, y_center=50, width=60, height=4, angle=45)
    assert mask_of(turned, Size(100, 100))[65, 65]


def test_rectangle_covers_exactly_its_pixels():
    box = mask_of(Rectangle(x_center=5, y_center=4, width=4, height=2))
    expected = np.zeros((17, 23), bool)
    expected[3:5, 3:7] = True
    assert np.array_equal(box, expected)
    turned = RotateRectangle(x_center=5, y_center=4, width=4, height=2, angle=180)
    assert np.array_equal(mask_of(turned), expected)


def test_one_pixel_and_less():
    one = Rectangle(x_center=2.5, y_center=3.5, width=1, height=1)
    assert np.argwhere(mask_of(one)).tolist() == [[3, 2]]
    circle = Circle(x_center=2.5, y_center=3.5, r=0.1)  # holds the centre
    assert np.argwhere(mask_of(circle)).tolist() == [[3, 2]]
    assert not mask_of(Circle(x_center=2, y_center=3, r=0.4)).any()  # between the centres
    assert not mask_of(Circle(x_center=2.5, y_center=3.5, r=0)).any()
    assert not mask_of(Polygon(points=[(1, 1), (9, 9)])).any()
    assert not mask_of(Polygon(points=[])).any()


def test_figure_of_eight_and_an_outline_drawn_twice():
    eight = Polygon(points=[(0, 0), (10, 10), (10, 0), (0, 10)])
    assert rasterise(eight, SIZE).area == 50
    square = [(0, 0), (10, 0), (10, 10), (0, 10)]
    twice = FreehandLine(points=square * 2)
    assert rasterise(twice, SIZE).area == 0
    assert rasterise(twice, SIZE, "winding").area == 100


def test_rings_in_rings_are_holes():
    outer = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], float)
    assert fill_rings([outer, outer / 2 + 2], SIZE).area == 75


@pytest.mark.parametrize("far", [1e6, 1e300])
def test_marks_far_outside_cost_nothing_and_cover_what_they_cross(far):
    sheet = Polygon(points=[(-far, -far), (far, -far), (far, far), (-far, far)])
    assert rasterise(sheet, SIZE).area == SIZE.width * SIZE.height
    assert rasterise(Circle(x_center=-far, y_center=0, r=1), SIZE).area == 0
    huge = Circle(x_center=10, y_center=8, r=far)
    assert rasterise(huge, SIZE).area == SIZE.width * SIZE.height


def test_partly_outside_is_cut_off():
    disc = Circle(x_center=0, y_center=0, r=8)
    whole = rasterise(Circle(x_center=40, y_center=40, r=8), Size(80, 80)).area
    assert rasterise(disc, SIZE).area == whole / 4


def test_bands_and_portions_make_no_difference(monkeypatch):
    turns = np.linspace(0, 12 * math.pi, 400)
    spiral = Polygon(points=[(40 + t * math.cos(t), 40 + t * math.sin(t)) for t in turns])
    expected = mask_of(spiral, Size(80, 80))
    monkeypatch.setattr(rasterising, "CELLS_PER_BAND", 500)
    monkeypatch.setattr(rasterising, "CUTS_AT_ONCE", 37)
    assert np.array_equal(mask_of(spiral, Size(80, 80)), expected)


@pytest.mark.parametrize("shape", [Point(x=1, y=1), Line(x1=0, y1=0, x2=5, y2=5)])
def test_points_and_lines_have_no_area(shape):
    with pytest.raises(BadInput, match=f"{shape.tool_type}: expected a shape that encloses"):
        rasterise(shape, SIZE)


def test_patches_combine_where_they_overlap():
    left = rasterise(Rectangle(x_center=5, y_center=5, width=6, height=6), SIZE)
    right = rasterise(Rectangle(x_center=8, y_center=5, width=6, height=6), SIZE)
    far = rasterise(Rectangle(x_center=20, y_center=14, width=2, height=2), SIZE)
    assert iou(left, right) == 18 / 54
    assert iou(left, far) == 0
    assert united([left, right, far]).area == 58
    assert without(left, right).area == 18
    assert without(left, far).area == 36
