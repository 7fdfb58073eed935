from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training import train_votes as steps
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.onnx_export import ParityError
from zooassist_training.restore import known_questions, restore_network, with_schema
from zooassist_training.start import start_of
from zooassist_training.train_votes import VotesRecipe, train_votes

FIT = FitOptions(epochs=12, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1)
RECIPE = VotesRecipe(name="discs", encoder="tiny", size=32, dropout=0.0, fit=FIT, licence="CC0")


@pytest.fixture(scope="module")
def trained(training_set, tmp_path_factory) -> steps.Trained:
    return train_votes(training_set, tmp_path_factory.mktemp("models") / "discs", RECIPE)


def test_learns_and_writes_a_folder_that_loads(trained, training_set):
    folder = load_model_folder(trained.folder.path)
    card, data = folder.card, read_training_set(training_set)
    assert trained.test.questions["smooth-or-featured"].accuracy >= 0.8
    assert card.metrics["smooth-or-featured/accuracy"] >= 0.8
    assert card.label_schema == data.schema
    assert card.training_set is not None
    assert card.training_set.sha256 == data.sha256
    assert (card.name, card.licence, card.preprocessing.size) == ("discs", "CC0", 32)
    assert trained.problems == ()


def test_graph_answers_images_in_any_number(trained):
    runtime = OnnxRuntime(trained.folder.onnx_path, threads=1)
    images = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
    whole = runtime.run(images)
    assert whole["concentrations"].shape == (3, 1, 5)
    one = runtime.run(images[:1])
    assert one["embedding"] == pytest.approx(whole["embedding"][:1], abs=1e-5)


def test_recipe_is_kept_without_paths(trained, training_set):
    recipe = json.loads((trained.folder.path / "recipe.json").read_text())
    assert recipe["recipe"]["fit"]["seed"] == FIT.seed
    assert recipe["onnx_parity"] < 1e-3
    assert len(recipe["history"]) == trained.epochs
    assert str(training_set) not in json.dumps(recipe)


def test_same_seed_gives_the_same_model_and_another_seed_another(trained, training_set, tmp_path):
    again = train_votes(training_set, tmp_path / "again", RECIPE)
    assert again.folder.card.version == trained.folder.card.version
    short = replace(RECIPE, fit=replace(FIT, epochs=1))
    other = replace(short, fit=replace(short.fit, seed=2))
    versions = {
        train_votes(training_set, tmp_path / name, recipe).folder.card.version
        for name, recipe in (("one", short), ("two", other))
    }
    assert len(versions) == 2


def test_restored_network_computes_what_the_folder_does(trained, training_set):
    network, card = restore_network(trained.folder.path)
    images = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    with torch.no_grad():
        concentrations, embedding = network.eval()(torch.from_numpy(images))
    stored = OnnxRuntime(trained.folder.onnx_path, threads=1).run(images)
    assert concentrations.numpy() == pytest.approx(stored["concentrations"], rel=1e-4)
    assert embedding.numpy() == pytest.approx(stored["embedding"], abs=1e-4)
    assert with_schema(network, card.schema_of_votes, card.schema_of_votes) is network


def test_fine_tuning_keeps_preprocessing_and_encoder(trained, training_set, tmp_path):
    fit = replace(FIT, epochs=1, train="head")
    tuned = train_votes(
        training_set,
        tmp_path / "tuned",
        replace(RECIPE, start=trained.folder.path, size=64, fit=fit),
    )
    assert tuned.folder.card.preprocessing == trained.folder.card.preprocessing
    before, after = (restore_network(f.folder.path)[0].encoder for f in (trained, tuned))
    for name, weights in before.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(weights, after.state_dict()[name]), name
    assert tuned.folder.card.version != trained.folder.card.version
    recipe = json.loads((tuned.folder.path / "recipe.json").read_text())["recipe"]
    assert recipe["start"] == trained.folder.path.name
    assert "size" not in recipe, "said 64, which the model it started from overruled"


def reworded() -> LabelSchema:
    """The same question under other names and in another order, and a new one."""
    return LabelSchema(
        (
            Question(
                "shape",
                "T7",
                "single",
                (),
                (
                    Answer("Features or disk", 0, "shape_features"),
                    Answer("Star or artifact", 1, "shape_star"),
                    Answer("Smooth", 2, "shape_smooth"),
                ),
                text="Is the galaxy smooth?",
            ),
            Question(
                "ring",
                "T8",
                "single",
                (),
                (Answer("Yes", 0, "ring_yes"), Answer("No", 1, "ring_no")),
            ),
        )
    )


def test_other_schema_keeps_the_answers_that_mean_the_same(trained):
    network, card = restore_network(trained.folder.path)
    images = torch.randint(0, 255, (4, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        before = network.eval()(images)[0]
        after = with_schema(network, card.schema_of_votes, reworded()).eval()(images)[0]
    assert after.shape == (4, 1, 5)
    assert torch.allclose(after[..., :3], before[..., [1, 2, 0]])


def test_what_goes_on_and_what_starts_new_is_said(schema, trained, training_set, tmp_path, caplog):
    known = trained.folder.card.schema_of_votes
    assert known_questions(known, reworded()) == ("shape",)
    rows = [SubjectRow(i, read_training_set(training_set).image_path(i)) for i in range(20)]
    folder = write_training_set(tmp_path / "set", rows, [[1, 2, 0, 3, 1]] * 20, reworded())
    recipe = replace(RECIPE, start=trained.folder.path, fit=replace(FIT, epochs=1))
    tuned = train_votes(folder, tmp_path / "tuned", recipe)
    assert (tuned.carried_over, tuned.started_new) == (("shape",), ("ring",))
    assert any(line.endswith("goes on with shape; new: ring") for line in caplog.messages)
    foreign = LabelSchema(reworded().questions[1:])
    start_of(recipe, foreign)
    assert "none of its questions is in this training set" in caplog.messages[-1]
    assert start_of(recipe, schema).started_new == ()


class PowerCut(Exception):
    pass


def test_interrupted_training_ends_as_the_unbroken_one(
    trained, training_set, tmp_path, monkeypatch
):
    """The first run is cut off in the middle of its fifth epoch."""
    original = FitModule.training_step

    def dies(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (4, 1):
            raise PowerCut
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FitModule, "training_step", dies)
        with pytest.raises(PowerCut):
            train_votes(
                training_set, tmp_path / "broken", RECIPE, checkpoints=tmp_path / "checkpoints"
            )
    assert not (tmp_path / "broken").exists()
    resumed = train_votes(
        training_set, tmp_path / "resumed", RECIPE, checkpoints=tmp_path / "checkpoints"
    )
    assert resumed.folder.card.version == trained.folder.card.version


def test_failed_parity_writes_nothing(training_set, tmp_path, monkeypatch):
    monkeypatch.setattr("zooassist_training.onnx_export.largest_difference", lambda *_: 0.5)
    recipe = replace(RECIPE, fit=replace(FIT, epochs=1))
    with pytest.raises(ParityError):
        train_votes(training_set, tmp_path / "model", recipe)
    assert list(tmp_path.iterdir()) == []


def test_existing_folder_is_refused_before_training(trained, training_set):
    with pytest.raises(BadInput, match="a model is there already"):
        train_votes(training_set, trained.folder.path, RECIPE)


def test_too_little_to_train_on(schema, training_set, tmp_path):
    picture = read_training_set(training_set).image_path(0)
    rows = [SubjectRow(1, picture, split="train"), SubjectRow(2, picture, split="test")]
    folder = write_training_set(tmp_path / "set", rows, [[1, 0, 0, 0, 0]] * 2, schema)
    with pytest.raises(BadInput, match=r"at least 2 images .* got 1; export more"):
        train_votes(folder, tmp_path / "model", RECIPE)
    (folder / "images" / "1.png").unlink()
    with pytest.raises(BadInput, match=r"got 0; 1 could not be used, first subject 1: .*not there"):
        train_votes(folder, tmp_path / "model", RECIPE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "no-such-net"}, "no-such-net"),
        ({"concentrations": "relu"}, "head: expected one of"),
        ({"dropout": 1.5}, "dropout"),
        ({"encoder": "vit_tiny_patch16_224"}, "--size"),
        ({"few_labels": True}, "it has to know something"),
        ({"fit": replace(FIT, class_weights={"bar_maybe": 2.0})}, "is no label column"),
        ({"fit": replace(FIT, train="last:9")}, "at most the last 5 blocks"),
        ({"dropout": 0.0, "samples": 3}, "all 3 would be the same"),
        ({"store": "int4"}, "store: expected one of float32, float16"),
        ({"members": 0}, "members: expected 1 or more"),
    ],
)
def test_wrong_options_do_not_wait_for_the_images(
    training_set, tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr(steps, "read_images", lambda *_: 1 / 0)
    with pytest.raises(BadInput, match=message):
        train_votes(training_set, tmp_path / "model", replace(RECIPE, **changes))


def test_outputs_that_cannot_be_are_refused_before_anything_is_read(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    nowhere = tmp_path / "no-training-set"
    for out, message in (("file", "found a file"), ("photos", "no model folder, so it is left")):
        with pytest.raises(BadInput, match=message):
            train_votes(nowhere, tmp_path / out, RECIPE, overwrite=True)
    with pytest.raises(BadInput, match="/proc: cannot be written"):
        train_votes(nowhere, Path("/proc/model"), RECIPE)
    with pytest.raises(BadInput, match="found a file"):
        train_votes(nowhere, tmp_path / "m", RECIPE, checkpoints=tmp_path / "file")


def test_diverged_training_is_refused(training_set, tmp_path):
    wild = replace(RECIPE, fit=replace(FIT, epochs=2, learning_rate=1e30))
    with pytest.raises(BadInput, match="lower --learning-rate"):
        train_votes(training_set, tmp_path / "model", wild)
    assert not (tmp_path / "model").exists()


def test_threads_do_not_spin():
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_names_that_no_model_can_have_are_refused():
    with pytest.raises(BadInput, match="give one with --name"):
        VotesRecipe(name="Galaxies v1.0")
    with pytest.raises(BadInput, match="licence"):
        VotesRecipe(name="x", licence="")


@pytest.mark.parametrize("splits", [("train", "test"), ("validation",)])
def test_test_split_is_never_trained_on(splits):
    with pytest.raises(BadInput, match="train_on"):
        VotesRecipe(name="x", train_on=splits)


def test_nothing_is_left_behind(training_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_votes(training_set, tmp_path / "m", replace(RECIPE, fit=replace(FIT, epochs=1)))
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert sorted(path.name for path in Path("m").iterdir()) == [
        "model.json",
        "model.onnx",
        "recipe.json",
    ]
