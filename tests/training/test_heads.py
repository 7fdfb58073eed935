"""Posterior samples: they differ, cost one pass of the encoder, and mean what dropout means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from optimised_graph import optimised_nodes

from zooassist_plugin.errors import BadInput
from zooassist_serving.onnx_proto import read_onnx
from zooassist_training.encoders import PRESETS
from zooassist_training.heads import DirichletHead, GaussianHead, draw_masks
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.onnx_export import check_parity, export_onnx


def network(samples: int) -> VotesNetwork:
    torch.manual_seed(3)
    return VotesNetwork(NetworkSpec(PRESETS["tiny"], size=32, answers=5, samples=samples)).eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)


def test_samples_differ_and_repeat_and_the_graph_gives_the_same(pictures):
    sampled = network(20)
    first, embedding = sampled(torch.from_numpy(pictures))
    again, _ = sampled(torch.from_numpy(pictures))
    assert first.shape == (40, 20, 5)
    assert torch.equal(first, again)
    assert len({tuple(row) for row in first[0].tolist()}) == 20
    assert embedding.shape == (40, 64)
    graph = export_onnx(sampled)
    assert check_parity(sampled, graph, pictures) < 1e-4
    assert read_onnx(graph).outputs[0].shape == ("batch", 20, 5)


def test_twenty_samples_run_the_encoder_once_and_one_product(tmp_path):
    """The cost model: what is run for twenty samples is what is run for one, but for a reshape."""
    one, twenty = (optimised_nodes(export_onnx(network(s)), tmp_path) for s in (1, 20))
    for heavy in ("Conv", "FusedConv", "GlobalAveragePool", "MaxPool"):
        assert one[heavy] == twenty[heavy]
    assert one["Gemm"] + one["MatMul"] == twenty["Gemm"] + twenty["MatMul"] == 1
    # The masks are multiplied into the weights when the graph is loaded.
    assert twenty["Mul"] == one["Mul"]
    assert sum(twenty.values()) <= sum(one.values()) + 2


def test_samples_are_those_of_dropout_with_the_mask():
    torch.manual_seed(0)
    head = DirichletHead(8, 3, dropout=0.25, concentrations="softplus", samples=4).eval()
    head.centre.uniform_(-1, 1)
    features = torch.randn(5, 8)
    sampled = head(features)
    for sample in range(4):
        seen = (features - head.centre) * head.masks[sample] / 0.75
        expected = torch.nn.functional.softplus(head.linear(seen)) + 0.01
        assert torch.allclose(sampled[:, sample], expected, atol=1e-6)


def test_training_draws_dropout_anew_and_has_one_sample():
    torch.manual_seed(0)
    head = DirichletHead(50, 3, dropout=0.5, concentrations="exponential", samples=7).train()
    features = torch.ones(2, 50)
    first, second = head(features), head(features)
    assert first.shape == (2, 1, 3)
    assert not torch.equal(first, second)


def test_every_feature_is_dropped_equally_often():
    torch.manual_seed(1)
    masks = draw_masks(20, 300, 0.2)
    assert masks.shape == (20, 300)
    assert (masks.sum(0) == 16).all()
    assert 0.15 < 1 - float(masks[0].mean()) < 0.25
    seldom = draw_masks(4, 4000, 0.1)
    assert 1 - float(seldom.mean()) == pytest.approx(0.1, abs=0.01)
    assert set(draw_masks(2, 500, 0.9).sum(0).tolist()) == {1.0}, "a feature nobody sees is lost"


def test_samples_without_dropout_are_refused():
    with pytest.raises(BadInput, match="all 5 would be the same"):
        NetworkSpec(PRESETS["tiny"], size=32, answers=5, dropout=0.0, samples=5)
    with pytest.raises(BadInput, match="samples"):
        NetworkSpec(PRESETS["tiny"], size=32, answers=5, samples=0)


def test_a_network_description_of_before_there_were_samples():
    content = NetworkSpec(PRESETS["tiny"], size=32, answers=5).to_json()
    del content["samples"], content["greyscale"]
    assert NetworkSpec.from_json(content).samples == 1


def gaussian(targets: int = 2, samples: int = 1) -> GaussianHead:
    torch.manual_seed(5)
    return GaussianHead(8, targets, dropout=0.25, samples=samples).eval()


def test_values_come_in_their_own_unit():
    """A new head says of every image what the training set says of all, and no more surely."""
    head = gaussian()
    head.standardise_by(torch.tensor([100.0, -3.0]), torch.tensor([20.0, 0.5]))
    features = torch.rand(4, 8)
    found = head(features)
    assert found.shape == (4, 1, 2, 2)
    inner = head.linear(features)[:, :2]
    expected = inner * torch.tensor([20.0, 0.5]) + torch.tensor([100.0, -3.0])
    assert torch.allclose(found[:, 0, :, 0], expected)
    assert torch.allclose(found[:, 0, :, 1], torch.tensor([20.0, 0.5]).expand(4, 2))


def test_each_sample_of_values_sees_its_own_features():
    head = gaussian(samples=4)
    features = torch.rand(3, 8)
    found = head(features)
    assert found.shape == (3, 4, 2, 2)
    for sample, mask in enumerate(head.masks):
        seen = features * mask / 0.75
        expected = head.answers(head.linear(seen))
        assert torch.allclose(found[:, sample], expected, atol=1e-6)


def test_a_target_is_taken_over_into_another_unit():
    """Arcseconds in one training set, arcminutes' spread in the next: the answer stays."""
    old, new = gaussian(), gaussian(targets=3)
    with torch.no_grad():
        old.linear.weight.normal_(std=0.1)
        old.linear.bias.normal_(std=0.1)
    old.standardise_by(torch.tensor([1.0, 50.0]), torch.tensor([2.0, 5.0]))
    new.standardise_by(torch.tensor([7.0, 40.0, 0.0]), torch.tensor([1.0, 9.0, 1.0]))
    new.take_over(1, old, 1)
    features = torch.rand(4, 8)
    assert torch.allclose(new(features)[:, :, 1], old(features)[:, :, 1], rtol=1e-5)
    assert not torch.allclose(new(features)[:, :, 0], old(features)[:, :, 0])
