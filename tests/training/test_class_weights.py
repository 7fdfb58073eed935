from __future__ import annotations

import numpy as np
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_training.class_weights import MOST, answer_weights, parse_class_weights

COUNTS = np.array([[6, 1, 0, 1, 1], [3, 2, 0, 1, 1]])


def test_balanced_gives_every_answer_the_same_say(schema):
    weights = answer_weights("balanced", COUNTS, schema)
    say = COUNTS.sum(0) * weights
    assert say[0] == pytest.approx(say[1])
    assert say.sum() == pytest.approx(COUNTS.sum())
    assert weights[2] == 1, "nobody gave it"
    assert weights[3:].tolist() == [1, 1]


def test_a_single_vote_does_not_decide_everything(schema):
    counts = np.array([[10**6, 1, 0, 0, 0]])
    assert answer_weights("balanced", counts, schema)[1] == MOST


def test_weights_by_hand(schema):
    wanted = parse_class_weights("bar_yes=4, bar_no=0.5")
    assert answer_weights(wanted, COUNTS, schema).tolist() == [1, 1, 1, 4, 0.5]


@pytest.mark.parametrize("text", ["bar_yes", "bar_yes=much", "=2", "bar_yes=1,,"])
def test_weights_that_cannot_be_read(text):
    with pytest.raises(BadInput, match="expected balanced or COLUMN=WEIGHT"):
        parse_class_weights(text)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"bar_maybe": 1.0}, "'bar_maybe' is no label column; expected of smooth"),
        ({"bar_yes": 0.0}, "bar_yes: expected a positive number"),
        ({"bar_yes": float("nan")}, "bar_yes: expected a positive number"),
        ("equal", "expected balanced"),
    ],
)
def test_weights_that_make_no_sense(schema, wanted, message):
    with pytest.raises(BadInput, match=message):
        answer_weights(wanted, COUNTS, schema)
