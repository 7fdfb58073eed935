import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zooassist_exporters.vote_counts import apportion, counts_of_tree
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.trees import TREES


@pytest.mark.parametrize(
    ("fractions", "total", "counts"),
    [
        ([0.5, 0.5], 3, [2, 1]),  # of equal remainders the first
        ([0.867, 0.111, 0.022], 40, [35, 4, 1]),  # exact shares 34.68, 4.44, 0.88
        ([1.0, 0.0], 7, [7, 0]),
        ([0.0, 0.0], 7, [0, 0]),
        ([2.0, 6.0], 4, [1, 3]),
        ([0.1, 0.2, 0.7], 10, [1, 2, 7]),
        ([0.3, 0.7], 0, [0, 0]),
    ],
)
def test_by_hand(fractions, total, counts):
    assert apportion(np.array([fractions]), np.array([total])).tolist() == [counts]


@settings(max_examples=200, deadline=None)
@given(
    fractions=arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 7)),
        elements=st.floats(0, 1, width=32),
    ),
    total=st.integers(0, 1000),
)
def test_sums_and_distance(fractions, total):
    totals = np.full(len(fractions), total)
    counts = apportion(fractions, totals)
    sums = fractions.sum(axis=1)
    assert (counts >= 0).all()
    assert np.array_equal(counts.sum(axis=1), np.where(sums > 0, total, 0))
    some = sums > 0
    exact = fractions[some] / sums[some, None] * total
    assert (np.abs(counts[some] - exact) < 1 + 1e-6).all()


def test_children_get_the_votes_of_their_parents():
    schema = LabelSchema(
        (
            # Listed before its parents, and asked after answers of two questions.
            Question(
                "odd",
                "",
                "single",
                ("ring_yes", "bar_yes"),
                (Answer("A", 0, "odd_a"), Answer("B", 1, "odd_b")),
            ),
            Question(
                "ring", "", "single", (), (Answer("Y", 0, "ring_yes"), Answer("N", 1, "ring_no"))
            ),
            Question(
                "bar",
                "",
                "single",
                ("ring_no",),
                (Answer("Y", 0, "bar_yes"), Answer("N", 1, "bar_no")),
            ),
        )
    )
    # odd: 1 to 3; ring: 0.6, 0.4; bar: half, half of those without a ring.
    fractions = np.array([[0.2, 0.6, 0.6, 0.4, 0.2, 0.2], [np.nan, 0.5, -1.0, 1.0, 0.0, np.nan]])
    assert counts_of_tree(fractions, schema, 10).tolist() == [
        [2, 6, 6, 4, 2, 2],
        [0, 0, 0, 10, 0, 0],
    ]


def test_counts_agree_down_the_galaxy_zoo_tree():
    schema = TREES["gz2"]
    fractions = np.random.default_rng(5).random((200, 37))
    counts = counts_of_tree(fractions, schema, 40)
    place = {column: index for index, column in enumerate(schema.columns)}
    for question in schema.questions:
        asked = counts[:, schema.slices[question.name]].sum(axis=1)
        if question.asked_after:
            parents = counts[:, [place[column] for column in question.asked_after]].sum(axis=1)
            assert np.array_equal(asked, parents)
        else:
            assert (asked == 40).all()
