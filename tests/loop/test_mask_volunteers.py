"""Volunteers who correct outlines: what they keep, move, delete, add, and how they draw."""

from __future__ import annotations

import numpy as np
import pytest

from zooassist_exporters.mask_patch import Size, iou
from zooassist_exporters.rasterise import rasterise
from zooassist_loop.mask_volunteers import (
    Hand,
    OutlineTool,
    draw_hand,
    own_outline,
    respond_to_outlines,
    true_objects,
)
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.shapes import FreehandLine, Polygon

SIZE = Size(120, 100)
TOOL = OutlineTool("T0", 0)
STEADY = Hand(shake=0.2, swell=0, content=0.75, overlooking=0, trusting=0)


def discs(*places):
    rows, columns = np.indices((SIZE.height, SIZE.width))
    numbers = np.zeros((SIZE.height, SIZE.width), dtype=np.int32)
    for number, (x, y, radius) in enumerate(places, start=1):
        numbers[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = number
    return numbers


def ring(x, y, radius, points=24):
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    corners = np.column_stack([x + radius * np.cos(turns), y + radius * np.sin(turns)])
    return tuple((float(a), float(b)) for a, b in corners)


def outline(x, y, radius):
    return Mark(shape=Polygon(points=ring(x + 0.5, y + 0.5, radius)))


def respond(proposed, truth, hand=STEADY, seed=1):
    rng = np.random.default_rng(seed)
    return respond_to_outlines(proposed, truth, SIZE, TOOL, hand, rng)


def test_good_outlines_stay_bad_ones_move_false_ones_go_and_missed_ones_come():
    truth = true_objects(discs((25, 30, 12), (70, 30, 12), (30, 75, 10)))
    good, off, false = outline(25, 30, 12), outline(72, 33, 12), outline(95, 80, 8)
    response = respond([good, off, false], truth)
    assert response.actions == {"kept": 1, "edited": 1, "deleted": 1, "added": 1}
    kept, moved, added = response.marks
    assert kept == good
    assert response.prefilled == (True, True, False)
    for mark, thing in ((moved, truth[1]), (added, truth[2])):
        assert iou(rasterise(mark.shape, SIZE), thing.patch) > 0.85


def test_one_outline_around_two_nuclei_is_replaced_by_two():
    truth = true_objects(discs((40, 50, 12), (65, 50, 12)))
    blob = Mark(shape=Polygon(points=((26, 36), (80, 36), (80, 64), (26, 64))))
    response = respond([blob], truth)
    assert response.actions == {"deleted": 1, "added": 2}


def test_who_trusts_the_machine_leaves_the_blob_and_adds_nothing_under_it():
    truth = true_objects(discs((40, 50, 12), (65, 50, 12)))
    blob = Mark(shape=Polygon(points=((26, 36), (80, 36), (80, 64), (26, 64))))
    response = respond([blob], truth, Hand(trusting=1, overlooking=0))
    assert response.marks == (blob,)
    assert response.actions == {"kept": 1}


def test_two_outlines_around_one_nucleus_leave_the_better_one():
    truth = true_objects(discs((40, 50, 12)))
    better, worse = outline(40, 50, 12), outline(42, 50, 13)
    assert respond([worse, better], truth).marks == (better,)


def test_without_proposals_all_is_drawn_by_hand_but_what_is_overlooked():
    truth = true_objects(discs(*((x, y, 7) for x in range(15, 110, 20) for y in range(15, 90, 20))))
    assert respond([], truth).actions == {"added": len(truth)}
    half = respond([], truth, Hand(overlooking=0.5)).actions["added"]
    assert 0 < half < len(truth)
    assert respond([], truth, Hand(overlooking=1)).marks == ()


def test_holes_inside_nuclei_go_and_holes_around_nothing_stay():
    truth = true_objects(discs((40, 50, 20)))
    hole = FreehandLine(points=ring(40, 50, 5))
    away = FreehandLine(points=ring(100, 20, 5))
    marks = [Mark(shape=shape, tool_index=1) for shape in (hole, away)]
    response = respond([outline(40, 50, 20), *marks], truth)
    assert response.marks == (outline(40, 50, 20), marks[1])


def test_the_same_seed_draws_the_same_hand_and_another_another():
    truth = true_objects(discs((40, 50, 15)))
    assert respond([], truth, seed=3) == respond([], truth, seed=3)
    assert respond([], truth, seed=3) != respond([], truth, seed=4)
    assert draw_hand(np.random.default_rng(1)) != draw_hand(np.random.default_rng(2))


def test_who_draws_wide_covers_more():
    [disc] = true_objects(discs((60, 50, 15)))
    areas = [
        rasterise(own_outline(disc, SIZE, Hand(shake=0, swell=swell), rng), SIZE).area
        for swell in (-2, 0, 2)
        for rng in (np.random.default_rng(1),)
    ]
    assert areas[0] < 0.85 * disc.patch.area
    assert areas[1] == pytest.approx(disc.patch.area, rel=0.04)
    assert areas[2] > 1.15 * disc.patch.area


def test_outlines_stay_in_the_image_and_have_two_decimals():
    [disc] = true_objects(discs((2, 2, 15)))
    shape = own_outline(disc, SIZE, Hand(shake=2), np.random.default_rng(1))
    points = np.array(shape.points)
    assert (points >= 0).all()
    assert (points <= [SIZE.width, SIZE.height]).all()
    assert np.allclose(points, np.round(points, 2))


@pytest.mark.parametrize("wrong", [{"shake": -1}, {"content": 1.5}, {"trusting": -0.1}])
def test_impossible_hands_are_refused(wrong):
    with pytest.raises(BadInput):
        Hand(**wrong)
