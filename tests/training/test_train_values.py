"""`train votes --regress`: what of the engine must hold for values as it does for votes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training import train_votes as steps
from zooassist_training.augment import Augmentation
from zooassist_training.ensemble import Ensemble, members_of
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.heads import LEAST_SPREAD
from zooassist_training.restore import restore_network
from zooassist_training.target_values import Wish
from zooassist_training.train_votes import VotesRecipe, train_votes

# A radius is not what it was in a view that is larger.
ROUND = Augmentation(zoom=0)
FIT = FitOptions(
    epochs=12, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1, augmentation=ROUND
)
RECIPE = VotesRecipe(
    name="blobs",
    encoder="tiny",
    size=32,
    samples=4,
    fit=FIT,
    regress=(Wish("radius", "px"), Wish("tilt")),
)
SHORT = replace(RECIPE, fit=replace(FIT, epochs=1))


@pytest.fixture(scope="module")
def trained(blob_set, tmp_path_factory) -> steps.Trained:
    out = tmp_path_factory.mktemp("models") / "blobs"
    return train_votes(blob_set, out, RECIPE)


@pytest.fixture(scope="module")
def pictures(blob_set) -> np.ndarray:
    random = np.random.default_rng(2)
    return random.integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)


def test_a_signal_is_learnt_and_noise_is_not(trained):
    radius, tilt = trained.values_test.targets
    assert radius.r2 > 0.5
    assert radius.rmse < radius.target.scale / 2
    # Of what no image shows the model knows as much as its mean and spread.
    assert tilt.r2 < 0.3
    assert 0.5 < tilt.rmse / tilt.target.scale < 2
    assert radius.log_likelihood > tilt.log_likelihood


def test_the_folder_says_what_it_predicts(trained, blob_set):
    card = load_model_folder(trained.folder.path).card
    assert card.kind == "values"
    assert card.label_schema is None
    assert [(each.name, each.unit) for each in card.targets] == [("radius", "px"), ("tilt", None)]
    shapes = {output.name: output.shape for output in card.outputs}
    assert shapes["values"] == ("batch", 4, 2, 2)
    data = read_training_set(blob_set)
    known = [data.metadata(row)["radius"] for row in data.rows_of("train")]
    numbers = [float(each) for each in known if each != ""]
    assert len(numbers) < len(known), "no value was missing"
    assert card.targets[0].mean == pytest.approx(np.mean(numbers))
    assert card.targets[0].high == max(numbers)
    assert card.metrics["radius/r2"] == pytest.approx(trained.values_test.targets[0].r2, rel=1e-5)
    recipe = json.loads((trained.folder.path / "recipe.json").read_text())
    assert recipe["recipe"]["regress"][0] == {"name": "radius", "unit": "px"}
    assert recipe["network"]["kind"] == "values"


def test_the_graph_computes_what_the_network_does(trained, pictures):
    network, _ = restore_network(trained.folder.path)
    with torch.no_grad():
        values, embedding = network.eval()(torch.from_numpy(pictures))
    served = OnnxRuntime(trained.folder.onnx_path, threads=1).run(pictures)
    assert served["values"] == pytest.approx(values.numpy(), rel=1e-4)
    assert served["embedding"] == pytest.approx(embedding.numpy(), abs=1e-4)
    assert trained.parity < 1e-3


def test_samples_differ_and_are_the_same_each_time(trained, pictures):
    runtime = OnnxRuntime(trained.folder.onnx_path, threads=1)
    means = runtime.run(pictures)["values"][..., 0]
    assert (means.std(1) > 0).all()
    assert np.array_equal(means, runtime.run(pictures)["values"][..., 0])


def test_parity_is_in_units_of_each_targets_spread(trained, pictures):
    (network,) = members_of(restore_network(trained.folder.path)[0])
    with torch.no_grad():
        said = network.eval()(torch.from_numpy(pictures))[0].numpy()
    moved = said.copy()
    moved[..., 1, 0] += 0.5 * trained.folder.card.targets[1].scale
    assert network.difference(moved, said) == pytest.approx(0.5, rel=1e-3)


def test_subjects_without_a_value_are_left_out_and_said(trained, blob_set, tmp_path, caplog):
    data = read_training_set(blob_set)
    bare = [
        row for row in range(len(data))
        if data.metadata(row)["radius"] == "" and "tilt" not in data.metadata(row)
    ]  # fmt: skip
    assert trained.without_labels == len(bare) > 0
    caplog.set_level("INFO")
    train_votes(blob_set, tmp_path / "m", SHORT)
    assert any("subjects without values: " in line for line in caplog.messages)
    assert any(line.startswith("target 'tilt': known of ") for line in caplog.messages)


def copied(blob_set, out, change) -> None:
    """The same pictures, with metadata that `change` makes of a subject's own."""
    data = read_training_set(blob_set)
    rows = [
        SubjectRow(int(subject), data.image_path(row), metadata=change(row, data.metadata(row)))
        for row, subject in enumerate(data.subject_ids)
    ]
    write_training_set(out, rows, data.counts, data.schema)


class PowerCut(Exception):
    pass


def test_interrupted_training_ends_as_the_unbroken_one(trained, blob_set, tmp_path, monkeypatch):
    original = FitModule.training_step

    def dies(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (4, 1):
            raise PowerCut
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FitModule, "training_step", dies)
        with pytest.raises(PowerCut):
            train_votes(blob_set, tmp_path / "broken", RECIPE, checkpoints=tmp_path / "c")
    assert not (tmp_path / "broken").exists()
    resumed = train_votes(blob_set, tmp_path / "resumed", RECIPE, checkpoints=tmp_path / "c")
    assert resumed.folder.card.version == trained.folder.card.version


def test_checkpoints_of_other_values_are_refused(blob_set, tmp_path):
    train_votes(blob_set, tmp_path / "a", SHORT, checkpoints=tmp_path / "c")
    other = replace(SHORT, regress=(Wish("radius"),))
    with pytest.raises(BadInput, match="another training; label columns: expected radius"):
        train_votes(blob_set, tmp_path / "b", other, checkpoints=tmp_path / "c")

    def doubled(row, metadata):
        radius = metadata["radius"]
        return metadata | {"radius": 2 * float(radius) if radius != "" else None}

    copied(blob_set, tmp_path / "doubled", doubled)
    with pytest.raises(BadInput, match="another training; weights to begin with"):
        train_votes(tmp_path / "doubled", tmp_path / "b", SHORT, checkpoints=tmp_path / "c")


def test_an_ensemble_in_halves(blob_set, tmp_path, pictures):
    recipe = replace(SHORT, members=2, store="float16")
    made = train_votes(blob_set, tmp_path / "m", recipe)
    network, card = restore_network(made.folder.path)
    assert isinstance(network, Ensemble)
    assert {output.name: output.shape for output in card.outputs}["values"] == ("batch", 8, 2, 2)
    served = OnnxRuntime(made.folder.onnx_path, threads=1).run(pictures)["values"]
    with torch.no_grad():
        each = [member.eval()(torch.from_numpy(pictures))[0] for member in members_of(network)]
    assert served == pytest.approx(torch.cat(each, 1).numpy(), rel=1e-3)
    assert not np.allclose(served[:, :4], served[:, 4:])


def test_going_on_from_values_answers_as_before_in_the_new_sets_unit(
    trained, blob_set, tmp_path, pictures
):
    """Before its first step, with another mean and scale: only tilt is new."""

    def moved(row, metadata):
        radius = metadata["radius"]
        return {"radius": 3 * float(radius) + 5 if radius != "" else None, "lean": row % 7}

    copied(blob_set, tmp_path / "set", moved)
    recipe = replace(SHORT, start=trained.folder.path, samples=None)
    recipe = replace(recipe, regress=(Wish("lean"), Wish("radius")))
    taught = steps.read_value_surveys([tmp_path / "set"], recipe.regress).taught
    begun = steps.start_of(recipe, taught)
    assert (begun.carried_over, begun.started_new) == (("radius",), ("lean",))
    assert begun.network.spec.samples == 4
    before = restore_network(trained.folder.path)[0].eval()
    with torch.no_grad():
        old, new = (each(torch.from_numpy(pictures))[0] for each in (before, begun.network.eval()))
    assert torch.allclose(new[:, :, 1, 0], old[:, :, 0, 0], rtol=1e-4)
    # No deviation is below so much of the spread, which is larger now.
    least = torch.tensor(np.exp(LEAST_SPREAD) * taught.targets[1].scale, dtype=torch.float32)
    expected = torch.maximum(old[:, :, 0, 1], least)
    assert torch.allclose(new[:, :, 1, 1], expected, rtol=1e-4)
    tuned = train_votes(tmp_path / "set", tmp_path / "tuned", recipe)
    assert tuned.folder.card.targets[1].mean == pytest.approx(taught.targets[1].mean)


def test_votes_give_values_their_encoder_and_the_other_way_round(
    trained, training_set, blob_set, tmp_path, caplog
):
    caplog.set_level("INFO")
    fit = replace(FIT, epochs=1, train="head")
    votes = VotesRecipe(name="discs", encoder="tiny", size=32, samples=4, fit=fit)
    discs = train_votes(training_set, tmp_path / "discs", votes)
    tuned = train_votes(
        blob_set, tmp_path / "values", replace(RECIPE, start=discs.folder.path, fit=fit)
    )
    assert tuned.started_new == ("radius", "tilt")
    assert any("goes on with the encoder; new: radius, tilt" in line for line in caplog.messages)
    back = train_votes(training_set, tmp_path / "votes", replace(votes, start=tuned.folder.path))
    assert back.started_new == ("smooth-or-featured", "bar")
    first, second, third = (
        restore_network(each.folder.path)[0].encoder.state_dict() for each in (discs, tuned, back)
    )
    for name, weight in first.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(weight, second[name]), name
            assert torch.equal(weight, third[name]), name


def test_few_values_fit_the_head_alone(trained, blob_set, tmp_path):
    recipe = replace(RECIPE, start=trained.folder.path, few_labels=True, regress=(Wish("radius"),))
    few = train_votes(blob_set, tmp_path / "few", recipe)
    assert few.values_test.targets[0].r2 > 0.5
    before, after = (restore_network(each.folder.path)[0] for each in (trained, few))
    assert torch.equal(before.encoder.conv1[0].weight, after.encoder.conv1[0].weight)
    (losses,) = json.loads((tmp_path / "few" / "recipe.json").read_text())["history"]
    # In nats per training spread: a guess costs 1.42.
    assert losses["cross_validation_loss"] < 1
    assert losses["validation_loss"] < 1.42


@pytest.mark.slow
def test_two_processes_train_together(blob_set, tmp_path):
    fit = replace(FIT, epochs=1, devices=2)
    made = train_votes(blob_set, tmp_path / "m", replace(RECIPE, fit=fit))
    assert np.isfinite(made.values_test.targets[0].rmse)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit": replace(FIT, class_weights="balanced")}, "these are of answers, and values"),
        ({"regress": (Wish("name"),)}, "target 'name': expected numbers"),
        ({"regress": (Wish("flat"),)}, "target 'flat': .* nothing to learn"),
        ({"regress": (Wish("mass"),)}, "no subject has metadata 'mass'.*flat, radius, tilt"),
        ({"few_labels": True}, "it has to know something"),
        ({"dropout": 0.0}, "all 4 would be the same"),
    ],
)
def test_wrong_options_do_not_wait_for_the_images(
    blob_set, tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr(steps, "read_images", lambda *_: 1 / 0)
    with pytest.raises(BadInput, match=message):
        train_votes(blob_set, tmp_path / "model", replace(RECIPE, **changes))


def test_scores_of_one_kind_are_not_those_of_the_other(trained):
    with pytest.raises(TypeError, match="these are values"):
        _ = trained.test
