from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.model_folder import load_model_folder
from zooassist_training import few_labels
from zooassist_training.augment import Augmentation, with_margin
from zooassist_training.datasets import read_labelled_images
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.frozen_features import embed_views
from zooassist_training.restore import restore_network
from zooassist_training.train_votes import VotesRecipe, train_votes

FIT = FitOptions(epochs=10, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1)
RECIPE = VotesRecipe(name="discs", encoder="tiny", size=32, fit=FIT)
LONG = LabelSchema(
    (
        Question(
            "long",
            "T3",
            "single",
            (),
            (Answer("Long", 0, "long_yes"), Answer("Not at all", 1, "long_no")),
        ),
    )
)


@pytest.fixture(scope="module")
def start(training_set, tmp_path_factory):
    return train_votes(training_set, tmp_path_factory.mktemp("start") / "discs", RECIPE)


@pytest.fixture(scope="module")
def other_question(training_set, tmp_path_factory):
    """Few votes of one volunteer each on a question that the model does not know."""
    data = read_training_set(training_set)
    rows = [SubjectRow(i, data.image_path(i)) for i in range(len(data))]
    votes = [[i % 2, 1 - i % 2] for i in range(len(data))]
    return write_training_set(tmp_path_factory.mktemp("few") / "long", rows, votes, LONG)


def test_a_new_question_from_a_few_labels(start, other_question, tmp_path):
    recipe = replace(RECIPE, start=start.folder.path, few_labels=True)
    trained = train_votes(other_question, tmp_path / "few", recipe)
    assert trained.test.questions["long"].accuracy >= 0.8
    card = load_model_folder(tmp_path / "few").card
    assert {o.name: o.shape for o in card.outputs}["concentrations"] == ("batch", 20, 2)
    before, after = (restore_network(f.folder.path)[0] for f in (start, trained))
    assert torch.equal(before.encoder.conv1[0].weight, after.encoder.conv1[0].weight)
    assert after.head.centre.abs().sum() > 0
    (losses,) = json.loads((tmp_path / "few" / "recipe.json").read_text())["history"]
    assert losses["penalty"] in few_labels.PENALTIES
    assert losses["cross_validation_loss"] < np.log(2), "no better than a guess"
    again = train_votes(other_question, tmp_path / "again", recipe)
    assert again.folder.card.version == card.version


def test_labels_that_say_nothing_are_held_back_to_the_base_rate(start, training_set, tmp_path):
    """Votes by the throw of a coin: the chosen penalty leaves hardly more than the share."""
    data = read_training_set(training_set)
    random = np.random.default_rng(5)
    votes = [[int(x), 1 - int(x)] for x in random.random(len(data)) < 0.5]
    rows = [SubjectRow(i, data.image_path(i)) for i in range(len(data))]
    folder = write_training_set(tmp_path / "coins", rows, votes, LONG)
    recipe = replace(RECIPE, start=start.folder.path, few_labels=True)
    trained = train_votes(folder, tmp_path / "few", recipe)
    (losses,) = json.loads((tmp_path / "few" / "recipe.json").read_text())["history"]
    assert losses["penalty"] >= 1
    assert trained.images < few_labels.FEW


def test_what_the_head_knew_is_kept_where_labels_are_few(start, training_set, tmp_path):
    """Six labels cannot make a head; the old one is what the penalty pulls towards."""
    data = read_training_set(training_set)
    train, test = data.rows_of("train")[:6], data.rows_of("test")
    rows = [
        SubjectRow(int(i), data.image_path(int(i)), split=split)
        for split, chosen in (("train", train), ("test", test))
        for i in chosen
    ]
    votes = data.counts[np.concatenate([train, test])]
    folder = write_training_set(tmp_path / "six", rows, votes, data.schema)
    recipe = replace(RECIPE, start=start.folder.path, few_labels=True)
    trained = train_votes(folder, tmp_path / "few", recipe)
    assert trained.test.questions["smooth-or-featured"].accuracy >= 0.8


def test_an_encoder_that_knows_nothing_is_refused(training_set, tmp_path):
    with pytest.raises(BadInput, match="the encoder is left as it is, so it has to know something"):
        train_votes(training_set, tmp_path / "m", replace(RECIPE, few_labels=True))


def test_the_number_of_images_decides_and_it_is_said(start, training_set, tmp_path, caplog):
    caplog.set_level("INFO")
    recipe = replace(RECIPE, start=start.folder.path, few_labels=None)
    train_votes(training_set, tmp_path / "few", recipe)
    assert any(line.startswith("fewer than 200 images") for line in caplog.messages)
    caplog.clear()
    scratch = replace(RECIPE, few_labels=None, fit=replace(FIT, epochs=1))
    assert train_votes(training_set, tmp_path / "m", scratch).epochs == 1
    assert not any("few labels" in line for line in caplog.messages)


def test_a_probe_of_unchanged_images_asks_the_encoder_once(
    start, training_set, tmp_path, monkeypatch
):
    """And learns what it learns when the encoder is asked in every epoch."""
    still = Augmentation(rotate=False, flip=False, zoom=0, shift=0, brightness=0)
    fit = replace(FIT, epochs=3, train="head", augmentation=still)
    recipe = replace(RECIPE, start=start.folder.path, fit=fit)
    seen: list[int] = []
    original = FitModule.training_step

    def looks(self, batch, batch_idx):
        seen.append(batch[0].ndim)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(FitModule, "training_step", looks)
    cached = train_votes(training_set, tmp_path / "cached", recipe)
    assert set(seen) == {2}
    seen.clear()
    hardly = replace(fit, augmentation=replace(still, brightness=1e-9))
    slowly = train_votes(training_set, tmp_path / "slowly", replace(recipe, fit=hardly))
    assert set(seen) == {4}
    first, second = (restore_network(each.folder.path)[0].head.linear for each in (cached, slowly))
    assert torch.allclose(first.weight, second.weight, atol=2e-3)


def test_first_view_is_the_image_as_it_is_served(start, training_set):
    network, _ = restore_network(start.folder.path)
    data, spec = read_training_set(training_set), Preprocessing(size=32, crop=0.7)
    wide = read_labelled_images(data, ["test"], with_margin(spec))
    served = read_labelled_images(data, ["test"], spec)
    views = embed_views(network, wide, Augmentation(), 3, seed=1)
    assert views.shape == (len(wide), 3, 64)
    expected = network.eval()(torch.from_numpy(np.array(served.images)))[1]
    assert torch.allclose(views[:, 0], expected, atol=0.05)
    assert not torch.allclose(views[:, 1], views[:, 2], atol=0.05)
