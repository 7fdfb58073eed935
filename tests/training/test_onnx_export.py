from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from zooassist_serving.onnx_proto import read_onnx
from zooassist_training.encoders import PRESETS, EncoderSpec
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.onnx_export import (
    METADATA_KEY,
    Description,
    ParityError,
    check_parity,
    described_network,
    export_onnx,
    largest_difference,
)


def lively_network(encoder: EncoderSpec = PRESETS["tiny"]) -> VotesNetwork:
    """A network whose normalisation layers have statistics of their own, as after training."""
    torch.manual_seed(3)
    network = VotesNetwork(NetworkSpec(encoder, size=32, answers=5))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (70, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "encoder",
    [PRESETS["tiny"], EncoderSpec("convnext_atto"), EncoderSpec("mobilenetv4_conv_small_035")],
    ids=lambda encoder: encoder.name,
)
def test_graph_computes_what_the_network_does(encoder, pictures):
    network = lively_network(encoder)
    assert check_parity(network, export_onnx(network), pictures) < 1e-4


def test_graph_has_the_names_and_shapes_of_the_format():
    contents = read_onnx(export_onnx(lively_network()))
    assert [(t.name, t.dtype, t.shape) for t in contents.inputs] == [
        ("image", "uint8", ("batch", 32, 32, 3))
    ]
    assert [(t.name, t.dtype, t.shape) for t in contents.outputs] == [
        ("concentrations", "float32", ("batch", 1, 5)),
        ("embedding", "float32", ("batch", 64)),
    ]
    assert contents.external_tensors == []


def test_same_network_gives_the_same_bytes():
    assert export_onnx(lively_network()) == export_onnx(lively_network())


def test_graph_says_what_it_was_made_from():
    network = lively_network()
    model = onnx.load_model_from_string(export_onnx(network))
    assert described_network(model) == Description(network.spec, members=1)
    assert [json.loads(e.value)["size"] for e in model.metadata_props if e.key == METADATA_KEY]


def test_another_network_fails_parity(pictures):
    network = lively_network()
    graph = export_onnx(network)
    with torch.no_grad():
        network.head.linear.bias.add_(0.01)
    assert largest_difference(network, graph, pictures) > 1e-3
    with pytest.raises(ParityError, match="no model was written"):
        check_parity(network, graph, pictures)


def test_not_a_number_fails_parity(pictures):
    network = lively_network()
    graph = export_onnx(network)
    with torch.no_grad():
        network.head.linear.bias.fill_(float("nan"))
    with pytest.raises(ParityError):
        check_parity(network, graph, pictures)
