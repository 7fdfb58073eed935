from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.evaluation.run import Request, evaluate_model
from zooassist_training.fit_options import FitOptions
from zooassist_training.surveys import read_surveys, union
from zooassist_training.train_votes import VotesRecipe, train_votes


def question(name: str, *answers: str, after: tuple[str, ...] = (), **changes) -> Question:
    made = tuple(Answer(text, i, f"{name}_{text.lower()}") for i, text in enumerate(answers))
    return Question(name, f"T-{name}", "single", after, made, **changes)


def other_survey() -> LabelSchema:
    """The first question in other words for its columns and another order; and a ring."""
    shape = Question(
        "shape",
        "T5",
        "single",
        (),
        (
            Answer("Features or Disk", 0, "shape_disk"),
            Answer("Smooth", 1, "shape_smooth"),
            Answer("Star or artefact", 2, "shape_star"),
        ),
        text="Is the galaxy smooth?",
    )
    return LabelSchema((question("ring", "Yes", "No", after=("shape_disk",)), shape))


@pytest.fixture(scope="module")
def second_set(training_set, tmp_path_factory):
    """The same pictures under other ids, with votes on the other survey's questions."""
    data = read_training_set(training_set)
    rows = [SubjectRow(1000 + i, data.image_path(i)) for i in range(len(data))]
    votes = np.zeros((len(rows), 5), dtype=int)
    votes[:, 2:4] = data.counts[:, 1::-1]
    votes[:, 0] = data.counts[:, 1]
    return write_training_set(tmp_path_factory.mktemp("b") / "rings", rows, votes, other_survey())


def test_the_same_question_is_one_and_others_stand_beside(schema):
    together, columns = union(schema, other_survey(), "rings")
    assert [each.name for each in together.questions] == ["smooth-or-featured", "bar", "ring"]
    assert together.question("ring").asked_after == ("smooth-or-featured_featured-or-disk",)
    assert columns == (
        "ring_yes",
        "ring_no",
        "smooth-or-featured_featured-or-disk",
        "smooth-or-featured_smooth",
        "smooth-or-featured_artifact",
    )


def test_the_same_words_at_another_place_of_the_tree_are_another_question(schema):
    everyone = LabelSchema((question("bar", "Yes", "No"),))
    everyone = LabelSchema(
        (
            replace(
                everyone.questions[0],
                answers=(Answer("Yes", 0, "early-bar_yes"), Answer("No", 1, "early-bar_no")),
            ),
        )
    )
    together, columns = union(schema, everyone, "early")
    assert together.questions[-1].name == "bar-early"
    assert columns == ("early-bar_yes", "early-bar_no")


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (question("bar", "Yes", "No", "Unsure"), "its answers differ: bar_yes, bar_no, bar_unsure"),
        (question("bar", "Yes", "No"), "its asked after differ: nothing, there smooth-or-feat"),
        (
            replace(
                question("bar", "Yes", "No"),
                answers=(Answer("Strong", 0, "bar_yes"), Answer("Weak", 1, "bar_no")),
                asked_after=(),
            ),
            "differ",
        ),
    ],
)
def test_one_column_with_two_meanings_is_refused(schema, other, difference):
    with pytest.raises(BadInput, match=f"hubble: question 'bar' shares.*{difference}"):
        union(schema, LabelSchema((other,)), "hubble")


def test_each_image_has_the_votes_of_its_own_survey(training_set, second_set):
    data = read_surveys([training_set, second_set])
    images = data.read(["train"], Preprocessing(size=16))
    assert (len(images), len(images.images)) == (len(images.surveys), len(images.surveys))
    first, second = (images.counts[images.surveys == number] for number in (0, 1))
    assert (first[:, 5:] == 0).all()
    assert (second[:, 3:5] == 0).all()
    a, b = (read_training_set(path) for path in (training_set, second_set))
    assert np.array_equal(first[:, :5], a.counts[a.rows_of("train")])
    assert np.array_equal(second[:, [5, 6, 1, 0, 2]], b.counts[b.rows_of("train")])


def test_one_network_learns_both(training_set, second_set, tmp_path):
    fit = FitOptions(epochs=10, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1)
    recipe = VotesRecipe(name="both", encoder="tiny", size=32, fit=fit)
    trained = train_votes([training_set, second_set], tmp_path / "both", recipe)
    card = load_model_folder(tmp_path / "both").card
    assert [each.name for each in card.training_sets] == ["training-set", "rings"]
    assert card.training_set == card.training_sets[0]
    assert set(trained.tests) == {"training-set", "rings"}
    assert card.metrics["rings/shape/accuracy"] >= 0.8
    assert card.metrics["training-set/smooth-or-featured/accuracy"] >= 0.8
    for survey in (training_set, second_set):
        found = evaluate_model(Request(tmp_path / "both", survey, split="train", threads=1))
        assert found.learnt_from == "yes"
        assert found.comparison.left_out == ()


def test_a_card_of_one_set_is_as_it_was(training_set, tmp_path):
    fit = FitOptions(epochs=1, batch_size=16, threads=1)
    train_votes([training_set], tmp_path / "m", VotesRecipe("m", encoder="tiny", size=32, fit=fit))
    assert "training_sets" not in json.loads((tmp_path / "m" / "model.json").read_text())


def test_the_same_set_twice(training_set):
    with pytest.raises(BadInput, match="the same training set as"):
        read_surveys([training_set, training_set])
