from __future__ import annotations

import numpy as np
import pytest

from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.evaluate import cumulative, fractions_of_votes, score


def test_fractions_among_those_asked(schema):
    fractions = fractions_of_votes(np.array([[6, 4, 0, 1, 3], [0, 0, 0, 0, 0]]), schema)
    assert fractions.tolist() == [[0.6, 0.4, 0.0, 0.25, 0.75], [0, 0, 0, 0, 0]]


def test_cumulative_fractions_of_a_leaf(schema):
    fractions = fractions_of_votes(np.array([[6, 4, 0, 1, 3]]), schema)
    assert cumulative(fractions, schema)[0] == pytest.approx([0.6, 0.4, 0, 0.1, 0.3])


def test_scores_by_hand(schema: LabelSchema):
    observed = fractions_of_votes(
        np.array([[9, 1, 0, 0, 1], [1, 9, 0, 9, 0], [4, 6, 0, 2, 4], [0, 10, 0, 2, 8]]), schema
    )
    predicted = fractions_of_votes(
        np.array([[8, 2, 0, 1, 1], [2, 8, 0, 1, 9], [6, 4, 0, 3, 1], [1, 9, 0, 1, 9]]), schema
    )
    scores = score(predicted, observed, schema)
    root, bar = scores.questions["smooth-or-featured"], scores.questions["bar"]
    assert (root.galaxies, root.accuracy) == (4, 0.75)
    assert (root.confident, root.confident_accuracy) == (3, 1.0)
    assert bar.galaxies == 3  # the smooth one sent too few volunteers there
    assert bar.accuracy == pytest.approx(1 / 3)
    assert (bar.confident, bar.confident_accuracy) == (1, 0.0)  # 0.8 itself is not confident
    smooth = [0.1, 0.1, 0.2, 0.1]
    assert scores.column_rmse["smooth-or-featured_smooth"] == pytest.approx(
        np.sqrt(np.mean(np.square(smooth)))
    )
    assert scores.flat()["bar/galaxies"] == 3


def test_perfect_prediction_has_no_error(schema):
    observed = fractions_of_votes(np.array([[9, 1, 0, 0, 1], [1, 9, 0, 9, 0]]), schema)
    scores = score(observed, observed, schema)
    assert scores.rmse == 0
    assert scores.questions["smooth-or-featured"].accuracy == 1


def test_nothing_to_score_gives_no_numbers(schema):
    empty = np.zeros((0, 5))
    assert score(empty, empty, schema).flat() == {
        "galaxies": 0,
        "smooth-or-featured/galaxies": 0,
        "smooth-or-featured/confident-galaxies": 0,
        "bar/galaxies": 0,
        "bar/confident-galaxies": 0,
    }
