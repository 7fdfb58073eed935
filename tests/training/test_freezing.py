from __future__ import annotations

import pytest
import torch

from zooassist_plugin.errors import BadInput
from zooassist_training.encoders import PRESETS, EncoderSpec
from zooassist_training.fit_options import FitOptions
from zooassist_training.freezing import freeze, hold_still, parameter_groups
from zooassist_training.networks import NetworkSpec, VotesNetwork


def tiny(encoder: EncoderSpec = PRESETS["tiny"]) -> VotesNetwork:
    return VotesNetwork(NetworkSpec(encoder, size=32, answers=5))


def trained(network: VotesNetwork) -> set[str]:
    """The parts that learn: the first two steps of a weight's name."""
    return {
        ".".join(name.split(".")[:2]) if name.startswith("encoder") else "head"
        for name, weight in network.named_parameters()
        if weight.requires_grad
    }


@pytest.mark.parametrize(
    ("train", "parts"),
    [
        ("head", {"head"}),
        ("last:1", {"head", "encoder.layer4"}),
        ("last:2", {"head", "encoder.layer3", "encoder.layer4"}),
    ],
)
def test_a_part_of_the_network_learns(train, parts):
    network = tiny()
    freeze(network, train)
    assert trained(network) == parts
    freeze(network, "all")
    assert all(weight.requires_grad for weight in network.parameters())


def test_blocks_of_another_family():
    network = tiny(EncoderSpec("convnext_atto"))
    freeze(network, "last:1")
    assert "encoder.stem" not in trained(network)
    assert "encoder.stages" in trained(network)


def test_more_blocks_than_there_are():
    with pytest.raises(BadInput, match="at most the last 5 blocks of encoder 'resnet10t', got 9"):
        freeze(tiny(), "last:9")


@pytest.mark.parametrize("train", ["some", "last:0", "last:", "last:-1"])
def test_what_learns_is_said_in_one_of_three_ways(train):
    with pytest.raises(BadInput, match="expected all, head or last:N"):
        FitOptions(train=train)


def test_frozen_normalisations_keep_their_statistics():
    network = tiny()
    freeze(network, "last:1")
    network.train()
    hold_still(network)
    before = {name: value.clone() for name, value in network.encoder.named_buffers()}
    network(torch.randint(0, 255, (8, 32, 32, 3), dtype=torch.uint8))
    changed = {
        name.split(".")[0]
        for name, value in network.encoder.named_buffers()
        if not torch.equal(value, before[name])
    }
    assert changed == {"layer4"}
    assert network.head.training


def test_rates_fall_from_the_head_to_the_pixels():
    network = tiny()
    groups = parameter_groups(network, 1.0, 0.05, layer_decay=0.5)
    rates = {id(weight): group["lr"] for group in groups for weight in group["params"]}
    assert len(rates) == len(list(network.parameters()))
    named = dict(network.named_parameters())
    steps = ["encoder.conv1.0", "encoder.layer1", "encoder.layer2", "encoder.layer3"]
    steps += ["encoder.layer4", "head"]
    falling = [
        next(rates[id(w)] for name, w in named.items() if name.startswith(step)) for step in steps
    ]
    assert falling == sorted(falling)
    assert falling[-1] == 1.0
    assert falling[-2] == 0.5
    assert falling[0] == pytest.approx(0.5**5)
    assert all(g["weight_decay"] == 0 for g in groups for w in g["params"] if w.ndim <= 1)


def test_one_rate_without_decay():
    groups = parameter_groups(tiny(), 0.3, 0.05, layer_decay=1.0)
    assert {group["lr"] for group in groups} == {0.3}
