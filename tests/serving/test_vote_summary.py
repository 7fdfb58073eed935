from __future__ import annotations

import numpy as np
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.trees import TREES
from zooassist_serving.vote_summary import proportion_asked, summarise


def random_fractions(schema, images=20, samples=1):
    rng = np.random.default_rng(2)
    return rng.uniform(1, 60, (images, samples, len(schema.columns))).astype(np.float32)


@pytest.mark.parametrize("tree", sorted(TREES))
def test_proportion_asked_is_that_of_the_schema(tree):
    schema = TREES[tree]
    fractions = summarise(random_fractions(schema), schema).fractions
    asked = proportion_asked(schema, fractions)
    for row, ours in zip(fractions, asked, strict=True):
        one = schema.asked({name: list(row[where]) for name, where in schema.slices.items()})
        np.testing.assert_allclose(ours, [one[q.name] for q in schema.questions])


def test_several_parents_add_up():
    def question(name, answers, after=()):
        made = tuple(Answer(a, i, f"{name}_{a}") for i, a in enumerate(answers))
        return Question(name, "", "single", tuple(after), made)

    schema = LabelSchema(
        (
            question("merging", ("yes", "no"), ("kind_smooth", "kind_featured")),
            question("kind", ("smooth", "featured", "artifact")),
            question("which", ("one", "two"), ("merging_yes",)),
        )
    )
    fractions = np.array([[0.5, 0.5, 0.3, 0.5, 0.2, 0.9, 0.1]])
    np.testing.assert_allclose(proportion_asked(schema, fractions), [[0.8, 1.0, 0.4]])


def test_fractions_of_a_question_add_to_one_and_lie_in_their_interval():
    schema = TREES["gz2"]
    summary = summarise(random_fractions(schema, samples=3), schema)
    for where in schema.slices.values():
        np.testing.assert_allclose(summary.fractions[:, where].sum(1), 1)
    assert (summary.lower90 < summary.fractions).all()
    assert (summary.fractions < summary.upper90).all()


@pytest.mark.parametrize("samples", [1, 20])
@pytest.mark.parametrize("strength", [1.0, 1e3, 1e28])
def test_an_answer_that_has_all_the_votes_to_itself_has_an_interval(samples, strength):
    """The only answer of its question, and one beside which the other vanishes in rounding."""
    only = Question("only", "", "single", (), (Answer("yes", 0, "only_yes"),))
    pair = tuple(Answer(each, i, f"pair_{each}") for i, each in enumerate(("all", "none", "no")))
    schema = LabelSchema((only, Question("pair", "", "single", (), pair)))
    alphas = np.full((2, samples, 4), 1e-30 * strength, dtype=np.float32)
    alphas[..., :2] = strength
    summary = summarise(alphas, schema)
    for ends in (summary.lower90, summary.upper90):
        np.testing.assert_allclose(ends, [[1, 1, 0, 0]] * 2, atol=1e-4)
    assert np.isfinite(summary.uncertainty).all()


def test_one_sample_uncertainty_is_a_share_of_the_possible_entropy():
    schema = LabelSchema((TREES["gz2"].questions[0],))
    alphas = np.array([[[50, 50, 50]], [[500, 1e-3, 1e-3]], [[8, 2, 1.5]]], dtype=np.float32)
    even, sure, between = summarise(alphas, schema).uncertainty
    assert even == pytest.approx(1)
    assert sure == pytest.approx(0, abs=1e-3)
    assert 0 < between < 1


def test_disagreeing_samples_are_more_uncertain_than_agreeing_ones():
    schema = LabelSchema((TREES["gz2"].questions[0],))
    alphas = np.array(
        [[[30, 30, 30], [30, 30, 30]], [[60, 10, 10], [10, 60, 10]]], dtype=np.float32
    )
    agreeing, disagreeing = summarise(alphas, schema).uncertainty
    assert agreeing == pytest.approx(0, abs=1e-9)
    assert 0.1 < disagreeing < np.log(2)


def test_columns_of_another_model():
    with pytest.raises(BadInput, match="not of the same model"):
        summarise(np.ones((2, 1, 3), dtype=np.float32), TREES["gz2"])


@pytest.mark.parametrize("samples", [1, 3])
def test_no_image_at_all_has_an_empty_summary(samples):
    schema = TREES["gz2"]
    summary = summarise(np.zeros((0, samples, len(schema.columns))), schema)
    assert summary.lower90.shape == summary.fractions.shape == (0, len(schema.columns))
    assert summary.uncertainty.shape == (0,)
