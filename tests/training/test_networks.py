from __future__ import annotations

import json
import logging

import numpy as np
import onnx
import pytest
import timm
import torch
from safetensors.torch import save_file

from zooassist_plugin.errors import BadInput, Refused
from zooassist_training.encoders import (
    PRESETS,
    EncoderSpec,
    build_encoder,
    embedding_size,
    open_encoder,
)
from zooassist_training.heads import CONCENTRATIONS, DirichletHead
from zooassist_training.networks import GREY, NetworkSpec, VotesNetwork
from zooassist_training.onnx_export import check_parity, described_network, export_onnx


def tiny(**options) -> VotesNetwork:
    return VotesNetwork(NetworkSpec(PRESETS["tiny"], size=32, answers=5, **options)).eval()


def test_shapes_and_positive_concentrations():
    concentrations, embedding = tiny()(torch.randint(0, 255, (4, 32, 32, 3), dtype=torch.uint8))
    assert concentrations.shape == (4, 1, 5)
    assert embedding.shape == (4, 64)
    assert (concentrations > 0).all()


def test_pixels_are_normalised_inside():
    network = tiny(mean=(0.1, 0.2, 0.3), deviation=(0.5, 0.25, 0.125))
    seen = []
    network.encoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    network(torch.full((1, 32, 32, 3), 51, dtype=torch.uint8))
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([0.2, 0.0, -0.8], abs=1e-6)


@pytest.mark.parametrize("name", CONCENTRATIONS)
def test_every_head_is_positive_and_finite_for_any_features(name):
    head = DirichletHead(3, 4, dropout=0.0, concentrations=name).eval()
    values = head(torch.tensor([[1e3, -1e3, 0.0], [0.0, 0.0, 0.0], [-1e3, -1e3, 1e3]]))
    assert values.shape == (3, 1, 4)
    assert (values > 0).all()
    assert torch.isfinite(values).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concentrations": "relu"}, "head: expected one of"),
        ({"dropout": 1.0}, "dropout"),
        ({"deviation": (1.0, 0.0, 1.0)}, "deviation"),
        ({"answers": 0}, "no answers"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(BadInput, match=message):
        NetworkSpec(**{"encoder": PRESETS["tiny"], "size": 32, "answers": 5, **options})


def test_description_survives_json():
    spec = NetworkSpec(PRESETS["small"], size=96, answers=37, dropout=0.1)
    assert NetworkSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_damaged_description_names_what_is_missing():
    content = NetworkSpec(PRESETS["small"], size=96, answers=37).to_json()
    del content["encoder"]
    with pytest.raises(BadInput, match="encoder"):
        NetworkSpec.from_json(content)


def test_unknown_encoder():
    with pytest.raises(BadInput, match="no-such-net"):
        open_encoder("no-such-net")


def test_encoder_that_takes_no_such_size():
    encoder = build_encoder(EncoderSpec("vit_tiny_patch16_224"))
    with pytest.raises(BadInput, match="takes no images of 40 pixels"):
        embedding_size(encoder, 40)


def test_published_encoder_is_loaded_and_resolved_to_its_architecture(tmp_path):
    """A folder laid out as a hub repository, such as Zoobot's encoders, without network."""
    options = {"channels": [8, 16, 32, 64]}
    original = timm.create_model("resnet10t", num_classes=0, channels=(8, 16, 32, 64)).eval()
    save_file(original.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "resnet10t",
        "num_classes": 0,
        "model_args": options,
        "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "num_classes": 0},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    opened = open_encoder(f"local-dir:{tmp_path}")
    assert opened.spec == EncoderSpec("resnet10t", options)
    assert opened.statistics == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(opened.module.eval()(pixels), original(pixels))
    build_encoder(opened.spec).load_state_dict(opened.module.state_dict())


def test_published_encoder_that_is_not_there(tmp_path):
    with pytest.raises(Refused, match=r"config\.json"):
        open_encoder(f"local-dir:{tmp_path / 'nowhere'}")


def test_a_hub_that_does_not_answer_is_told_once(monkeypatch, caplog):
    def no_answer(_):
        for attempt in range(5):
            logging.getLogger("huggingface_hub.utils._http").warning("Retry %d", attempt)
        raise OSError("Name or service not known")

    monkeypatch.setattr("zooassist_training.encoders.load_model_config_from_hf", no_answer)
    caplog.set_level("INFO")
    with pytest.raises(Refused, match="Name or service not known"):
        open_encoder("hf_hub:owner/name")
    assert caplog.messages == ["hf_hub:owner/name: fetched from its hub, or found in the cache"]
    logging.getLogger("huggingface_hub.utils._http").warning("of somebody else")
    assert caplog.messages[-1] == "of somebody else"


def test_greyscale_sees_no_colour():
    """A picture and the same brightness in other colours give the same answers."""
    torch.manual_seed(0)
    grey, colour = tiny(greyscale=True), tiny()
    coloured = torch.zeros(1, 32, 32, 3)
    coloured[..., 0] = 200 * torch.rand(1, 32, 32)
    brightness = (coloured * torch.tensor(GREY)).sum(-1, keepdim=True)
    same = brightness.expand(-1, -1, -1, 3)
    seen = [grey.embed(each.permute(0, 3, 1, 2)) for each in (coloured, same)]
    assert torch.allclose(*seen, atol=1e-3)
    other = [colour.embed(each.permute(0, 3, 1, 2)) for each in (coloured, same)]
    assert not torch.allclose(*other, atol=1e-3)


def test_greyscale_is_in_the_graph():
    network = tiny(greyscale=True)
    pictures = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    graph = export_onnx(network)
    assert check_parity(network, graph, pictures) < 1e-4
    assert described_network(onnx.load_model_from_string(graph)).spec.greyscale
