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
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.onnx_export import check_parity, export_onnx
from zooassist_training.restore import stored_weights


def network(preset: str = "tiny") -> VotesNetwork:
    torch.manual_seed(3)
    return VotesNetwork(NetworkSpec(PRESETS[preset], size=32, answers=5, samples=4)).eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (20, 32, 32, 3), dtype=np.uint8)


def test_halves_the_file_and_computes_the_same(pictures, tmp_path):
    rounded, whole = network("small"), export_onnx(network("small"))
    round_to_halves(rounded)
    halves = export_onnx(rounded, "float16")
    assert len(halves) < 0.52 * len(whole)
    assert check_parity(rounded, halves, pictures) < 1e-4
    # The casts are gone when onnxruntime has loaded the graph: it runs what it always ran.
    assert optimised_nodes(halves, tmp_path) == optimised_nodes(whole, tmp_path)


def test_weights_keep_their_names_and_are_read_back():
    rounded = network()
    round_to_halves(rounded)
    model = onnx.load_model_from_string(export_onnx(rounded, "float16"))
    halves = {t.name for t in model.graph.initializer if t.data_type == TensorProto.FLOAT16}
    assert "encoder.layer1.0.conv1.weight" in halves
    assert "head.linear.weight" in halves
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
