"""Thinning, filling up and clipping by themselves, apart from what the page makes of it."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zooassist_plugin.presenters.clipping import clip
from zooassist_plugin.presenters.mending import fill_up, mend, thin
from zooassist_plugin.shapes import Circle, Line, Polygon, Rectangle

# The same examples on every run, and a slow machine is no failure.
steady = settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
coordinates = st.integers(-20, 120).map(float)
vertices = st.tuples(coordinates, coordinates)


def area(points):
    """Signed area by the shoelace formula."""
    edges = zip(points, [*points[1:], points[0]], strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges) / 2


def test_a_rough_outline_is_thinned_with_a_larger_tolerance():
    rough = random.Random(7)
    points = [
        (100 + (60 + rough.uniform(-6, 6)) * math.cos(a / 50), 100 + 60 * math.sin(a / 50))
        for a in range(314)
    ]
    kept, tolerance = thin(points)
    assert 3 <= len(kept) <= 60
    assert tolerance > 0.5
    assert set(kept) <= set(points)
    assert area(kept) == pytest.approx(area(points), rel=0.1)


def test_an_outline_that_turns_back_on_itself_is_thinned_too():
    # Out and back along one line: the halves between the two far points have no area.
    there = [(float(i), 0.0) for i in range(50)]
    points = (*there, *reversed(there[:-1]))
    kept, tolerance = thin(points)
    assert kept == ((0.0, 0.0), (49.0, 0.0))
    assert tolerance == 0.5
    shape, notes = mend(Polygon(points=points))
    assert shape is None
    assert notes[-1] == "fewer than 3 distinct vertices, left out"


def test_an_outline_with_few_vertices_is_not_thinned():
    points = tuple((float(i), float(i * i)) for i in range(60))
    assert thin(points) == (points, 0.0)


@steady
@given(st.lists(vertices, min_size=2, max_size=30))
def test_filling_up_keeps_every_point_in_order_and_the_length(path):
    filled = fill_up(path)
    places = iter(filled)
    assert all(point in places for point in path), "the path is a subsequence"
    if len(set(path)) > 1:
        assert len(filled) >= 20

    def length(points):
        return sum(math.dist(a, b) for a, b in pairwise(points))

    assert length(filled) == pytest.approx(length(path))


@steady
@given(st.lists(vertices, min_size=3, max_size=8), st.integers(-20, 120), st.integers(-20, 120))
def test_a_clipped_polygon_covers_the_frame_where_the_whole_did(points, i, j):
    x, y = i + 0.37, j + 0.53  # never on an edge between integer vertices, nearly
    whole = Polygon(points=tuple(points))
    clipped = clip(whole, (100, 60))
    inside_frame = 0 < x < 100 and 0 < y < 60
    covered = clipped is not None and winds(clipped.points, x, y)
    assert covered == (inside_frame and winds(whole.points, x, y))
    if clipped is not None:
        assert all(0 <= px <= 100 and 0 <= py <= 60 for px, py in clipped.points)


def winds(points, x, y):
    """Whether a point lies inside by the even-odd rule."""
    inside = False
    for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


@steady
@given(vertices, vertices)
def test_a_clipped_line_lies_on_the_line_and_in_the_frame(start, end):
    line = Line(x1=start[0], y1=start[1], x2=end[0], y2=end[1])
    clipped = clip(line, (100, 60))
    samples = [
        (start[0] + t / 64 * (end[0] - start[0]), start[1] + t / 64 * (end[1] - start[1]))
        for t in range(65)
    ]
    inside = [p for p in samples if 0 < p[0] < 100 and 0 < p[1] < 60]
    if clipped is None:
        assert inside == []
        return
    (a, b), length = ((clipped.x1, clipped.y1), (clipped.x2, clipped.y2)), math.dist(start, end)
    for p in (a, b):
        assert -1e-9 <= p[0] <= 100 + 1e-9
        assert -1e-9 <= p[1] <= 60 + 1e-9
        assert math.dist(start, p) + math.dist(p, end) == pytest.approx(length)
    for p in inside:  # nothing inside the frame is cut away
        assert math.dist(a, p) + math.dist(p, b) == pytest.approx(math.dist(a, b), abs=1e-6)


def test_shapes_inside_the_frame_are_not_touched():
    size = (100, 60)
    for shape in (
        Rectangle(x_center=50, y_center=30, width=100, height=60),
        Polygon(points=((0, 0), (100, 0), (100, 60))),
        Circle(x_center=0, y_center=0, r=50),
    ):
        assert clip(shape, size) is shape
    assert clip(Rectangle(x_center=150, y_center=30, width=20, height=60), size) is None
