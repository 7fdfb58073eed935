"""Areas, distances, clusters and averages: by hand, and by properties where no hand reaches."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from zooassist_exporters.reductions.shapes.areas import area_of, bounds_of, ring_of
from zooassist_exporters.reductions.shapes.averages import average_parameters
from zooassist_exporters.reductions.shapes.circular import arc, circular_mean, circular_median
from zooassist_exporters.reductions.shapes.clustering import Clustering, cluster
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules, consensus
from zooassist_exporters.reductions.shapes.distances import iou_distances, pixel_distances
from zooassist_exporters.reductions.shapes.overlap import contours, overlap_levels
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


def box(left, top, right, bottom):
    return Polygon(points=((left, top), (right, top), (right, bottom), (left, bottom)))


# Two triangles that meet in (5, 5); a stroke that goes twice around the same square.
BOW_TIE = Polygon(points=((0, 0), (10, 10), (10, 0), (0, 10)))
TWICE_AROUND = FreehandLine(points=((0, 0), (10, 0), (10, 10), (0, 10)) * 2)
UNEVEN_BOW_TIE = Polygon(points=((0, 0), (30, 30), (30, 0), (0, 10)))


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (Circle(x_center=50, y_center=50, r=10), math.pi * 100),
        (Ellipse(x_center=50, y_center=50, rx=10, ry=5, angle=33), math.pi * 50),
        (Rectangle(x_center=50, y_center=50, width=10, height=4), 40),
        (RotateRectangle(x_center=50, y_center=50, width=10, height=4, angle=71), 40),
        (box(0, 0, 6, 7), 42),
        (BOW_TIE, 50),
        (TWICE_AROUND, 100),
    ],
)
def test_areas(shape, area):
    found = area_of(shape)
    assert found.is_valid
    assert found.area == pytest.approx(area, rel=1e-3)


@pytest.mark.parametrize(
    "shape",
    [
        Point(x=1, y=2),
        Line(x1=0, y1=0, x2=9, y2=9),
        Polygon(points=((0, 0), (9, 9))),
        Polygon(points=((0, 0), (9, 9), (18, 18))),
        Circle(x_center=5, y_center=5, r=0),
    ],
)
def test_what_encloses_nothing_has_no_area(shape):
    assert area_of(shape) is None


def test_an_angle_turns_clockwise_on_the_screen():
    """y points down: a rectangle's right end goes down."""
    long = RotateRectangle(x_center=0, y_center=0, width=20, height=2, angle=45)
    assert area_of(long).contains(shapely.Point(6, 6))
    assert not area_of(long).contains(shapely.Point(6, -6))
    assert bounds_of(long) == pytest.approx((-7.778, -7.778, 7.778, 7.778), abs=1e-3)
    assert bounds_of(Line(x1=5, y1=1, x2=-2, y2=3)) == (-2, 1, 5, 3)


def test_repairs_differ_where_an_outline_crosses_itself():
    # Crossing at (7.5, 7.5): a triangle of 37.5 px² left of it and one of 337.5 px² right of it.
    assert area_of(UNEVEN_BOW_TIE).area == pytest.approx(375)
    assert area_of(UNEVEN_BOW_TIE, "largest").area == pytest.approx(337.5)


def test_iou_distances_by_hand():
    areas = [area_of(s) for s in (box(0, 0, 10, 10), box(5, 0, 15, 10), box(90, 90, 99, 99))]
    expected = [[0, 2 / 3, 1], [2 / 3, 0, 1], [1, 1, 0]]
    assert iou_distances(areas) == pytest.approx(np.array(expected))
    assert iou_distances([areas[0], None])[0, 1] == 1


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        (Point(x=0, y=0), Point(x=3, y=4), 5),
        (Circle(x_center=0, y_center=0, r=5), Circle(x_center=2, y_center=3, r=11), 7),
        # Top left corners are 4 px further right, sizes 3 px apart.
        (
            Rectangle(x_center=10, y_center=10, width=10, height=10),
            Rectangle(x_center=15.5, y_center=10, width=13, height=10),
            5,
        ),
        # Half a turn is no difference, whichever axis comes first; a line has no direction.
        (
            Ellipse(x_center=0, y_center=0, rx=9, ry=5, angle=179),
            Ellipse(x_center=0, y_center=0, rx=5, ry=9, angle=91),
            2,
        ),
        (Line(x1=0, y1=0, x2=9, y2=9), Line(x1=9, y1=9, x2=0, y2=3), 3),
        (box(0, 0, 10, 10), box(0, 0, 10, 14), 4),
    ],
)
def test_pixel_distances_by_hand(one, other, distance):
    assert pixel_distances([one, other])[0, 1] == pytest.approx(distance)


PERIOD = 180.0
angles = st.lists(st.floats(-720, 720), min_size=1, max_size=8)


@given(angles)
def test_no_angle_is_a_better_mean(values):
    mean = circular_mean(values, PERIOD)
    least = (arc(mean, values, PERIOD) ** 2).sum()
    tried = np.linspace(0, PERIOD, 721)
    assert least <= min((arc(each, values, PERIOD) ** 2).sum() for each in tried) + 1e-6
    assert 0 <= mean < PERIOD


@given(angles, st.floats(-360, 360))
def test_averages_turn_with_the_angles(values, turn):
    turned = [value + turn for value in values]
    spread = (arc(circular_mean(values, PERIOD), values, PERIOD) ** 2).sum()
    same = (arc(circular_mean(turned, PERIOD), turned, PERIOD) ** 2).sum()
    assert same == pytest.approx(spread, abs=1e-4)


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=8), st.integers(-3, 3))
def test_close_angles_have_their_usual_averages(values, turns):
    turned = [value + turns * PERIOD for value in values]
    assert arc(circular_mean(turned, PERIOD), np.mean(values), PERIOD) < 1e-6
    assert arc(circular_median(turned, PERIOD), np.median(values), PERIOD) < 1e-6


def test_averages_of_parameters():
    ellipses = [
        Ellipse(x_center=10, y_center=20, rx=9, ry=5, angle=178),
        Ellipse(x_center=12, y_center=20, rx=5, ry=9, angle=94),  # the same turned: 4 degrees
        Ellipse(x_center=17, y_center=26, rx=9, ry=5, angle=1),
    ]
    mean = average_parameters(ellipses, "mean")
    assert mean.model_dump(exclude={"tool_type"}) == pytest.approx(
        {"x_center": 13, "y_center": 22, "rx": 9, "ry": 5, "angle": 1}
    )
    median = average_parameters(ellipses, "median")
    assert (median.x_center, median.y_center, median.angle) == pytest.approx((12, 20, 1))


def points(*places):
    return [Point(x=x, y=0) for x in places]


def test_a_cluster_is_marks_of_different_volunteers():
    distances = pixel_distances(points(0, 1, 2, 50, 51, 99))
    labels = cluster(distances, [1, 2, 3, 1, 2, 3], Clustering(eps=5, min_samples=2))
    assert labels.tolist() == [0, 0, 0, 1, 1, -1]


def test_own_marks_never_share_a_cluster_even_when_others_chain_them():
    """Volunteer 1 marked two stars 6 px apart, volunteers 2 and 3 one between or near them."""
    distances = pixel_distances(points(0, 6, 2.9, 3.2))
    labels = cluster(distances, [1, 1, 2, 3], Clustering(eps=5, min_samples=2))
    assert labels.tolist() == [0, 1, 0, 1]
    alone = cluster(pixel_distances(points(0, 1, 2)), [1, 1, 1], Clustering(eps=5, min_samples=2))
    assert alone.tolist() == [-1, -1, -1]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 60)), max_size=12),
    st.sampled_from(["dbscan", "hdbscan", "optics"]),
)
def test_no_clustering_puts_own_marks_together(drawn, method):
    who = [volunteer for volunteer, _ in drawn]
    distances = pixel_distances(points(*(x for _, x in drawn)))
    how = Clustering(method=method, eps=5, min_samples=2, min_cluster_size=2)
    labels = cluster(distances, who, how)
    for label in set(labels.tolist()) - {-1}:
        members = [who[place] for place in np.flatnonzero(labels == label)]
        assert len(members) == len(set(members)) >= 2
    assert set(labels.tolist()) - {-1} == set(range(labels.max(initial=-1) + 1))


@pytest.mark.parametrize("method", ["dbscan", "hdbscan", "optics"])
def test_every_method_finds_two_plain_stars(method):
    generator = np.random.default_rng(3)
    shapes = [
        Point(x=float(x), y=float(y))
        for centre in (20, 200)
        for x, y in generator.normal(centre, 0.8, (8, 2))
    ]
    rules = ConsensusRules(method, min_cluster_size=5)
    found = consensus(shapes, [*range(8), *range(8)], rules)
    assert [len(each.members) for each in found.clusters] == [8, 8]
    assert [round(each.shape.x, -1) for each in found.clusters] == [20, 200]


def test_the_defaults_are_the_incumbents():
    rules = ConsensusRules()
    points = rules.clustering("point")
    assert (points.method, points.eps, points.min_samples) == ("dbscan", 5.0, 3)
    outlines = rules.clustering("polygon")
    assert (outlines.eps, outlines.min_samples) == (0.5, 2)
    assert rules.metric_of("freehandLine") == "iou"
    assert rules.metric_of("rectangle") == "pixels"
    assert ConsensusRules(metric="iou").metric_of("line") == "pixels"  # a line has no area
    assert ConsensusRules("hdbscan").clustering("point").min_cluster_size == 5
    assert ConsensusRules("optics").clustering("point").min_cluster_size == 2


@pytest.mark.parametrize(
    "option",
    [
        {"method": "kmeans"},
        {"metric": "miles"},
        {"eps": 0},
        {"min_samples": 0},
        {"average": "mode"},
        {"repair": "tape"},
        {"xi": 1.5},
    ],
)
def test_rules_that_mean_nothing_are_refused(option):
    with pytest.raises(BadInput, match="expected"):
        ConsensusRules(**option)


BOXES = [box(0, 0, 10, 10), box(2, 0, 12, 10), box(4, 0, 14, 10)]


@pytest.mark.parametrize(
    ("average", "bounds"),
    [
        ("median", (2, 0, 12, 10)),
        ("union", (0, 0, 14, 10)),
        ("intersection", (4, 0, 10, 10)),
        ("contour", (2, 0, 12, 10)),  # what two of three cover
    ],
)
def test_averages_of_outlines_by_hand(average, bounds):
    found = consensus(BOXES, [1, 2, 3], ConsensusRules(average=average))
    [only] = found.clusters
    assert bounds_of(only.shape) == pytest.approx(bounds)
    assert isinstance(only.shape, Polygon)
    # IoU of neighbours 80 / 120, of the ends 60 / 140.
    assert only.likeness == pytest.approx((2 / 3 + 2 / 3 + 3 / 7) / 3)


def test_an_empty_intersection_has_no_shape():
    chain = [box(0, 0, 10, 10), box(6, 0, 16, 10), box(12, 0, 22, 10)]
    rules = ConsensusRules(average="intersection", eps=0.8)
    [only] = consensus(chain, [1, 2, 3], rules).clusters
    assert only.shape is None


def test_outlines_without_area_are_in_no_cluster():
    shapes = [*BOXES, Polygon(points=((0, 0), (9, 9)))]
    assert consensus(shapes, [1, 2, 3, 4], ConsensusRules()).labels.tolist() == [0, 0, 0, -1]


def test_contours_by_hand():
    areas = [area_of(each) for each in BOXES]
    assert [each.area for each in contours(areas)] == pytest.approx([140, 100, 60])
    apart = [area_of(box(0, 0, 5, 5)), area_of(box(50, 50, 56, 56))]
    assert [each.area for each in contours(apart)] == pytest.approx([36])
    ring = [area_of(box(0, 0, 9, 3)), area_of(box(0, 6, 9, 9)), area_of(box(0, 0, 3, 9))]
    frame = contours([*ring, area_of(box(6, 0, 9, 9))])[0]
    assert frame.area == pytest.approx(81)  # its hole is filled


boxes = st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 9)] * 2).map(
    lambda at: (at[0], at[1], at[0] + at[2], at[1] + at[3])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(boxes, min_size=1, max_size=6))
def test_levels_hold_as_much_as_counting_pixels(drawn):
    counts = np.zeros((20, 20), dtype=int)
    for left, top, right, bottom in drawn:
        counts[top:bottom, left:right] += 1
    levels = overlap_levels([shapely.box(*each) for each in drawn])
    assert [each.area for each in levels] == pytest.approx(
        [(counts >= level).sum() for level in range(1, len(drawn) + 1)]
    )


def test_a_ring_is_not_closed_twice():
    assert ring_of(shapely.box(0, 0, 1, 1)) == ((1, 0), (1, 1), (0, 1), (0, 0))
    assert ring_of(shapely.LineString([(0, 0), (1, 1)])) == ()
