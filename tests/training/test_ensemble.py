from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.encoders import PRESETS
from zooassist_training.ensemble import Ensemble, members_of
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.restore import restore_network
from zooassist_training.train_votes import VotesRecipe, train_votes

FIT = FitOptions(epochs=2, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1)
RECIPE = VotesRecipe(
    name="discs", encoder="tiny", size=32, samples=3, members=2, store="float16", fit=FIT
)


@pytest.fixture(scope="module")
def trained(training_set, tmp_path_factory):
    return train_votes(training_set, tmp_path_factory.mktemp("models") / "discs", RECIPE)


def test_one_folder_one_graph_all_samples(trained):
    card = load_model_folder(trained.folder.path).card
    shapes = {output.name: output.shape for output in card.outputs}
    assert shapes == {"concentrations": ("batch", 6, 5), "embedding": ("batch", 128)}
    network, _ = restore_network(trained.folder.path)
    assert isinstance(network, Ensemble)
    images = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    served = OnnxRuntime(trained.folder.onnx_path, threads=1).run(images)
    with torch.no_grad():
        for number, member in enumerate(members_of(network.eval())):
            concentrations, embedding = member(torch.from_numpy(images))
            own = served["concentrations"][:, 3 * number : 3 * number + 3]
            assert own == pytest.approx(concentrations.numpy(), rel=1e-3)
            features = served["embedding"][:, 64 * number : 64 * number + 64]
            assert features == pytest.approx(embedding.numpy(), abs=1e-4)
    assert not np.allclose(served["concentrations"][:, :3], served["concentrations"][:, 3:])
    assert trained.epochs == 4


def test_first_member_is_the_network_of_a_training_without_members(trained, training_set, tmp_path):
    alone = train_votes(training_set, tmp_path / "alone", replace(RECIPE, members=None))
    first = members_of(restore_network(trained.folder.path)[0])[0].state_dict()
    for name, weight in restore_network(alone.folder.path)[0].state_dict().items():
        assert torch.equal(weight, first[name]), name


class PowerCut(Exception):
    pass


def test_a_broken_run_goes_on_with_the_member_it_was_in(
    trained, training_set, tmp_path, monkeypatch
):
    original = FitModule.training_step
    seen: list[int] = []

    def dies(self, batch, batch_idx):
        seen.append(self._options.seed)
        if (self._options.seed, self.current_epoch) == (FIT.member(1).seed, 1):
            raise PowerCut
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FitModule, "training_step", dies)
        with pytest.raises(PowerCut):
            train_votes(training_set, tmp_path / "a", RECIPE, checkpoints=tmp_path / "c")

    def looks(self, batch, batch_idx):
        seen.append(self._options.seed)
        return original(self, batch, batch_idx)

    seen.clear()
    monkeypatch.setattr(FitModule, "training_step", looks)
    resumed = train_votes(training_set, tmp_path / "b", RECIPE, checkpoints=tmp_path / "c")
    assert resumed.folder.card.version == trained.folder.card.version
    batches = len(read_training_set(training_set).rows_of("train")) // FIT.batch_size
    assert seen == [FIT.member(1).seed] * batches, "one epoch of the second member was left"


def test_going_on_from_an_ensemble_goes_on_with_each_member(trained, training_set, tmp_path):
    recipe = replace(
        RECIPE,
        members=None,
        samples=None,
        start=trained.folder.path,
        fit=replace(FIT, epochs=1, train="head"),
    )
    tuned = train_votes(training_set, tmp_path / "tuned", recipe)
    before, after = (members_of(restore_network(each.folder.path)[0]) for each in (trained, tuned))
    assert len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert new.spec.samples == 3
        assert torch.equal(old.encoder.conv1[0].weight, new.encoder.conv1[0].weight)
        assert not torch.equal(old.head.linear.weight, new.head.linear.weight)
    with pytest.raises(BadInput, match="an ensemble of 2 goes on with all of them"):
        train_votes(training_set, tmp_path / "three", replace(recipe, members=3))


def test_an_ensemble_can_begin_with_one_network(training_set, tmp_path):
    """Its members learn in their own order, and drop other features."""
    fit = replace(FIT, epochs=1)
    alone = train_votes(training_set, tmp_path / "one", replace(RECIPE, members=None, fit=fit))
    recipe = replace(RECIPE, start=alone.folder.path, samples=None, fit=fit)
    grown = train_votes(training_set, tmp_path / "two", recipe)
    first, second = members_of(restore_network(grown.folder.path)[0])
    assert first.spec.samples == second.spec.samples == 3
    assert not torch.equal(first.head.masks, second.head.masks)
    assert not torch.equal(first.encoder.conv1[0].weight, second.encoder.conv1[0].weight)


def test_members_are_of_one_kind():
    tiny = VotesNetwork(NetworkSpec(PRESETS["tiny"], size=32, answers=5))
    other = VotesNetwork(NetworkSpec(PRESETS["tiny"], size=32, answers=4))
    with pytest.raises(BadInput, match="member 1 is not of the first one's kind"):
        Ensemble([tiny, other])
    with pytest.raises(BadInput, match="2 members or more"):
        Ensemble([tiny])
