"""Weights that are kept in fewer bits: half as many, or a quarter."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from optimised_graph import optimised_nodes

from zooassist_plugin.errors import BadInput
from zooassist_training.encoders import PRESETS
from zooassist_training.half_storage import round_to_halves
from zooassist_training.int8_storage import round_to_int8
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.onnx_export import check_parity, export_onnx
from zooassist_training.restore import stored_weights
from zooassist_training.weight_storage import round_weights


def network(preset: str = "tiny") -> VotesNetwork:
    torch.manual_seed(3)
    return VotesNetwork(NetworkSpec(PRESETS[preset], size=32, answers=5, samples=4)).eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(("store", "share"), [("float16", 0.52), ("int8", 0.28)])
def test_the_file_is_smaller_and_computes_the_same(store, share, pictures, tmp_path):
    rounded, whole = network("small"), export_onnx(network("small"))
    round_weights(rounded, store)
    small = export_onnx(rounded, store)
    assert len(small) < share * len(whole)
    assert check_parity(rounded, small, pictures) < 1e-4
    # Casts and products are gone when onnxruntime has loaded the graph: it runs what it always ran.
    assert optimised_nodes(small, tmp_path) == optimised_nodes(whole, tmp_path)


@pytest.mark.parametrize(
    ("store", "kept_as"), [("float16", TensorProto.FLOAT16), ("int8", TensorProto.INT8)]
)
def test_weights_keep_their_names_and_are_read_back(store, kept_as):
    rounded = network()
    round_weights(rounded, store)
    model = onnx.load_model_from_string(export_onnx(rounded, store))
    small = {t.name for t in model.graph.initializer if t.data_type == kept_as}
    assert "encoder.layer1.0.conv1.weight" in small
    assert "head.linear.weight" in small
    weights = stored_weights(model)
    for name, weight in rounded.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(weights[name], weight), name


def test_weights_that_16_bits_cannot_hold():
    wild = network()
    with torch.no_grad():
        wild.head.linear.weight[0, 0] = 1e6
    with pytest.raises(BadInput, match=r"head\.linear\.weight holds 1e\+06"):
        round_to_halves(wild)
    with pytest.raises(BadInput, match="not rounded"):
        export_onnx(network(), "float16")


@pytest.mark.parametrize("seed", range(5))
def test_no_weight_moves_by_more_than_half_a_step_of_its_filter(seed):
    generator = torch.Generator().manual_seed(seed)
    layer = torch.nn.Conv2d(7, 300, 3)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
        layer.weight *= 10 ** torch.empty(300, 1, 1, 1).uniform_(-4, 2, generator=generator)
        layer.weight[3] = 0
    before, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    round_to_int8(layer)
    step = before.abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((layer.weight - before).abs() <= 0.5001 * step + 1e-12).all()
    assert (layer.weight[3] == 0).all()
    assert torch.equal(layer.bias, bias)
    once = layer.weight.detach().clone()
    round_to_int8(layer)
    assert torch.equal(layer.weight, once)


def test_a_network_that_was_not_rounded_is_refused():
    with pytest.raises(BadInput, match="not rounded to 8 bits"):
        export_onnx(network(), "int8")
