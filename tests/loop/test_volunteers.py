"""Simulated volunteers: what each action submits, in the shares the temperament says."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from zooassist_loop.volunteers import SubtaskQuestion, Temperament, own_answers, respond
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.shapes import Ellipse

SMOOTH = SubtaskQuestion("T0.0.0", "single", (0.7, 0.3))
SPIRAL = SubtaskQuestion("T0.0.1", "single", (0.5, 0.5), asked_after=(("T0.0.0", 1),))
ODD = SubtaskQuestion("T0.0.2", "multiple", (0.9, 0.1))
MINE = Mark(shape=Ellipse(x_center=50, y_center=50, rx=20, ry=10, angle=0))


def proposed(*answers: SubtaskAnswer) -> Mark:
    return Mark(
        shape=Ellipse(x_center=48, y_center=52, rx=21, ry=9, angle=3), answers=answers, mark_id="m1"
    )


def single(task: str, value: int) -> SubtaskAnswer:
    return SubtaskAnswer(task=task, task_type="single", value=value)


def test_votes_replay_the_fractions():
    rng = np.random.default_rng(7)
    votes = Counter(own_answers([SMOOTH], rng)["T0.0.0"] for _ in range(4000))
    assert votes[0] / 4000 == pytest.approx(0.7, abs=0.03)


def test_multiple_ticks_each_answer_on_its_own():
    rng = np.random.default_rng(7)
    ticked = [own_answers([ODD], rng)["T0.0.2"] for _ in range(4000)]
    assert np.mean([0 in t for t in ticked]) == pytest.approx(0.9, abs=0.03)
    assert np.mean([1 in t for t in ticked]) == pytest.approx(0.1, abs=0.03)


def test_a_question_is_left_alone_when_ones_own_answers_do_not_lead_there():
    rng = np.random.default_rng(1)
    for _ in range(200):
        answers = own_answers([SMOOTH, SPIRAL], rng)
        assert ("T0.0.1" in answers) == (answers["T0.0.0"] == 1)


def test_same_seed_same_volunteer():
    def run() -> list[object]:
        rng = np.random.default_rng(11)
        return [
            respond([proposed(single("T0.0.0", 1))], MINE, [SMOOTH, SPIRAL], Temperament(), rng)
            for _ in range(50)
        ]

    assert run() == run()


def test_accepted_submits_every_proposed_mark_as_it_was():
    certain = SubtaskQuestion("T0.0.0", "single", (1.0, 0.0))
    other = Mark(shape=Ellipse(x_center=9, y_center=9, rx=8, ry=6, angle=0), mark_id="m2")
    first = proposed(single("T0.0.0", 0))
    rng = np.random.default_rng(0)
    response = respond([first, other], MINE, [certain], Temperament(ignoring=0), rng)
    assert response.action == "accepted"
    assert response.marks == (first, other)


def test_corrected_keeps_the_shape_and_changes_the_answer():
    certain = SubtaskQuestion("T0.0.0", "single", (1.0, 0.0))
    first = proposed(single("T0.0.0", 1))
    temperament = Temperament(ignoring=0, anchoring=0)
    response = respond([first], MINE, [certain], temperament, np.random.default_rng(0))
    assert response.action == "corrected"
    assert response.marks[0].shape == first.shape
    assert response.marks[0].answers == (single("T0.0.0", 0),)


def test_ignored_throws_the_proposal_away():
    certain = SubtaskQuestion("T0.0.0", "single", (1.0, 0.0))
    response = respond(
        [proposed(single("T0.0.0", 1))],
        MINE,
        [certain],
        Temperament(ignoring=1),
        np.random.default_rng(0),
    )
    assert response.action == "ignored"
    assert [mark.shape for mark in response.marks] == [MINE.shape]
    assert response.marks[0].answers == (single("T0.0.0", 0),)


def test_without_proposals_everybody_draws():
    response = respond([], MINE, [SMOOTH], Temperament(ignoring=0), np.random.default_rng(0))
    assert response.action == "drew"
    assert len(response.marks) == 1


def test_anchoring_pulls_the_crowd_towards_the_machine():
    def share_of_proposed(anchoring: float) -> float:
        rng = np.random.default_rng(5)
        temperament = Temperament(ignoring=0, anchoring=anchoring)
        first = proposed(single("T0.0.0", 1))
        answers = [
            respond([first], MINE, [SMOOTH], temperament, rng).answers["T0.0.0"]
            for _ in range(3000)
        ]
        return float(np.mean(np.array(answers) == 1))

    assert share_of_proposed(0.0) == pytest.approx(0.3, abs=0.03)
    assert share_of_proposed(0.5) == pytest.approx(0.3 + 0.7 * 0.5, abs=0.03)


@pytest.mark.parametrize("settings", [{"ignoring": -0.1}, {"anchoring": 1.5}])
def test_nonsense_temperaments_are_refused(settings):
    with pytest.raises(BadInput, match="expected 0 <="):
        Temperament(**settings)
