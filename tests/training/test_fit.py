from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.model_card import Preprocessing
from zooassist_training.augment import with_margin
from zooassist_training.datasets import HEAVIEST, inclusion_weights, read_labelled_images
from zooassist_training.encoders import PRESETS
from zooassist_training.fit import fit
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.networks import NetworkSpec, VotesNetwork

FIT = FitOptions(epochs=2, batch_size=8, averaging=0.9, threads=1)


def network() -> VotesNetwork:
    torch.manual_seed(3)
    return VotesNetwork(NetworkSpec(PRESETS["tiny"], size=32, answers=5, samples=2))


@pytest.fixture(scope="module")
def parts(training_set):
    data, spec = read_training_set(training_set), Preprocessing(size=32)
    training = read_labelled_images(data, ["train"], with_margin(spec))
    return training, read_labelled_images(data, ["validation"], spec)


def fitted(parts, schema, options: FitOptions):
    return fit(network(), schema, *parts, options)


def same(first: VotesNetwork, second: VotesNetwork) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_two_processes_train_together(parts, schema):
    """On a machine without cards: two processes that exchange gradients through gloo."""
    options = replace(FIT, epochs=1, devices=2)
    found = fitted(parts, schema, options)
    assert len(found.history) == 1
    assert np.isfinite([epoch["validation_loss"] for epoch in found.history]).all()
    assert not same(found.network, fitted(parts, schema, replace(FIT, epochs=1)).network)


def test_gradients_are_added_up(parts, schema, monkeypatch):
    steps: list[int] = []
    original = FitModule.on_train_batch_end

    def counts(self, *arguments):
        original(self, *arguments)
        steps.append(self.global_step)

    monkeypatch.setattr(FitModule, "on_train_batch_end", counts)
    fitted(parts, schema, replace(FIT, epochs=1, accumulate=2))
    batches = len(parts[0]) // FIT.batch_size
    assert steps == [(batch + 1) // 2 for batch in range(batches - 1)] + [(batches + 1) // 2]


def test_weights_change_what_is_learnt(parts, schema):
    training, validation = parts
    plain = fitted(parts, schema, FIT)
    again = fitted(parts, schema, FIT)
    assert same(plain.network, again.network)
    balanced = fitted(parts, schema, replace(FIT, class_weights="balanced"))
    assert not same(plain.network, balanced.network)
    uneven = np.linspace(0.2, 1.8, len(training)).astype(np.float32)
    weighted = fit(network(), schema, replace(training, weights=uneven), validation, FIT)
    assert not same(plain.network, weighted.network)


def test_rare_picks_count_for_those_they_stand_for():
    weights = inclusion_weights(np.array([1.0, 1.0, 0.5, 0.25]))
    assert weights.mean() == pytest.approx(1)
    assert (weights / weights[0]).tolist() == pytest.approx([1, 1, 2, 4])
    capped = inclusion_weights(np.array([1.0] * 9 + [1e-6]))
    assert capped[-1] / capped[0] == pytest.approx(HEAVIEST)
    assert inclusion_weights(np.ones(5)).tolist() == [1.0] * 5
    assert len(inclusion_weights(np.zeros(0))) == 0
