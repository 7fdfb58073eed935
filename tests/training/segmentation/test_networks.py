from __future__ import annotations

import pytest
import timm
import torch
from mask_networks import network_of
from torch.nn import functional

from zooassist_plugin.errors import BadInput
from zooassist_training.segmentation.encoder_unet import EncoderUNet
from zooassist_training.segmentation.networks import (
    DiscriminatorSpec,
    SegmentationNetwork,
    SegmentationSpec,
    committee_of,
)
from zooassist_training.segmentation.tcup import ConvLstm, TcupGenerator
from zooassist_training.segmentation.unet import UNet


def test_the_published_unet_has_its_size():
    """10,456,064 parameters with 4 channels, less what our head adds to the last layer's."""
    network = UNet(4, 1, width=32, levels=7)
    body = sum(w.numel() for name, w in network.named_parameters() if not name.startswith("head"))
    published = 10_456_064
    last = 64 * 1 * 16  # the published last layer: from 64 channels to the mask
    ours = 64 * 32 * 16  # ours goes to 32 channels, which the head reads
    deepest_biases = 2 * 256  # the level without a normalisation has biases instead
    assert body == published - last + ours + deepest_biases


@pytest.mark.parametrize("levels", [1, 3])
def test_unet_gives_the_size_back_from_its_smallest_image_on(levels):
    network = UNet(3, 2, width=4, levels=levels).train()
    side = network.divisor
    for height, width in ((side, side), (3 * side, 2 * side)):
        assert network(torch.rand(2, 3, height, width)).shape == (2, 2, height, width)


def test_a_convolutional_lstm_is_what_the_formulas_say():
    torch.manual_seed(0)
    layer = ConvLstm(2, 3)
    slices = torch.randn(2, 4, 2, 5, 6)
    hidden, cell = torch.randn(2, 3, 5, 6), torch.randn(2, 3, 5, 6)
    outputs, (last_hidden, last_cell) = layer(slices, (hidden, cell))
    weight = torch.cat([layer.of_slice.weight, layer.of_hidden.weight], 1)
    for number in range(4):
        together = torch.cat([slices[:, number], hidden], 1)
        gates = functional.conv2d(together, weight, layer.of_slice.bias, padding=1)
        i, f, o, g = gates.chunk(4, 1)
        cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * cell.tanh()
        torch.testing.assert_close(outputs[:, number], hidden)
    torch.testing.assert_close(last_hidden, hidden)
    torch.testing.assert_close(last_cell, cell)


@pytest.mark.parametrize(("levels", "divisor"), [(1, 2), (3, 8)])
def test_an_encoder_draws_masks_of_the_size_of_the_image(levels, divisor):
    network = EncoderUNet(3, 2, "tf_efficientnet_lite0", levels=levels, width=4)
    assert network.divisor == divisor
    for height, width in ((divisor, divisor), (3 * divisor, 2 * divisor)):
        assert network.eval()(torch.rand(1, 3, height, width)).shape == (1, 2, height, width)


def test_an_encoder_takes_over_what_another_learnt():
    torch.manual_seed(0)
    network = EncoderUNet(3, 1, "resnet10t", levels=2, width=4)
    other = timm.create_model("resnet10t", num_classes=0).state_dict()
    name = "layer1.0.conv1.weight"
    assert not torch.equal(network.encoder.state_dict()[name], other[name])
    assert network.take_encoder(other) == len(network.encoder.state_dict())
    torch.testing.assert_close(network.encoder.state_dict()[name], other[name])
    with pytest.raises(BadInput, match="none of the weights"):
        network.take_encoder({"head.weight": torch.zeros(3)})


@pytest.mark.parametrize("slices", [1, 2, 7])
def test_volumes_of_any_number_of_slices_give_their_size_back(slices):
    network = TcupGenerator(2, 3, hidden=(4, 6))
    assert network(torch.rand(1, slices, 2, 8, 12)).shape == (1, slices, 3, 8, 12)


def test_what_lies_behind_the_last_slice_reaches_the_first_through_the_cells():
    """The decoder begins with what the encoder knew at the end."""
    torch.manual_seed(1)
    network = TcupGenerator(1, 1, hidden=(4, 6)).eval()
    volume = torch.rand(1, 5, 1, 8, 8)
    other = volume.clone()
    other[:, 4] = 0
    with torch.no_grad():
        difference = (network(volume) - network(other)).abs()
    assert difference[:, 0].max() > 1e-6


def volume_network(**options) -> SegmentationNetwork:
    torch.manual_seed(2)
    spec = SegmentationSpec(
        "volume",
        "tcup",
        classes=2,
        channels=1,
        options={"hidden": [4, 6]},
        discriminator=DiscriminatorSpec(4, 2, normal=True),
        **options,
    )
    return SegmentationNetwork(spec).eval()


def test_a_slices_score_is_its_own():
    """Whatever the other slices hold; with a norm over slices it moved by up to 0.16."""
    network = volume_network()
    stacks, masks = torch.randn(1, 6, 1, 16, 16), torch.rand(1, 6, 2, 16, 16)
    with torch.no_grad():
        scores = network.judged(stacks, masks)
        alone = network.judged(stacks[:, 2:3], masks[:, 2:3])
        stacks[:, 3:] += 5
        others = network.judged(stacks, masks)
    torch.testing.assert_close(alone[:, 0], scores[:, 2])
    torch.testing.assert_close(others[:, :3], scores[:, :3], rtol=0, atol=0)


@pytest.mark.parametrize("classes", [1, 2])
def test_a_seam_is_learnt_and_left_out(classes):
    network = network_of("mask", classes, seam=1.0)
    logits = network.generator(torch.zeros(1, 3, network.spec.divisor, network.spec.divisor))
    assert logits.shape[1] == classes + 2
    sure = torch.full((1, 1, classes + 2, 1, 1), -20.0)
    sure[:, :, -1] = 20.0
    probabilities = network.probabilities(sure)
    assert probabilities.shape[2] == classes
    assert probabilities.max() < 1e-6


@pytest.mark.parametrize("seam", [0.5, 1.0, 3.0])
def test_a_seam_is_taken_for_so_many_times_as_probable(seam):
    network = network_of("mask", 1, seam=seam)
    logits = torch.tensor([0.2, 0.5, 0.3]).log()[None, None, :, None, None]
    expected = 0.5 / (0.2 + 0.5 + 0.3 * seam)
    assert network.probabilities(logits).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("classes", [1, 2])
def test_a_committee_draws_the_mean_of_what_its_members_take_for_probable(classes):
    members = [
        network_of("mask", classes, mean=(0.1, 0.2, 0.3), deviation=(0.4, 0.5, 0.6)),
        network_of("mask", classes, generator="timm:resnet10t", options={"levels": 2, "width": 4}),
    ]
    together = committee_of(members).eval()
    assert together.spec.divisor == 8
    image = torch.randint(0, 256, (2, 32, 48, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = torch.stack([member(image)[0] for member in members]).mean(0)
        torch.testing.assert_close(together(image)[0], expected, rtol=1e-4, atol=1e-5)
    again = SegmentationNetwork(SegmentationSpec.from_json(together.spec.to_json())).eval()
    again.load_state_dict(together.state_dict())
    with torch.no_grad():
        assert torch.equal(again(image)[0], together(image)[0])


def test_a_committee_of_members_that_draw_something_else_is_refused():
    with pytest.raises(BadInput, match="got none"):
        committee_of([])
    with pytest.raises(BadInput, match="with 1 outputs of 3 channels, got kind 'mask' with 3"):
        committee_of([network_of("mask", 1), network_of("mask", 2)])
    with pytest.raises(BadInput, match="got kind 'volume'"):
        committee_of([network_of("mask", 1), network_of("volume", 1)])


def test_probabilities_leave_the_background_the_rest_of_one():
    network = volume_network()
    logits = torch.randn(1, 2, 3, 8, 8)
    found = network.probabilities(logits)
    assert found.shape == (1, 2, 2, 8, 8)
    expected = torch.softmax(logits, 2)
    torch.testing.assert_close(1 - found.sum(2), expected[:, :, 0])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"generator": "resnet"}, "expected unet, monai:NAME"),
        ({"generator": "tcup"}, "expected unet"),
        ({"generator": "timm:no-such"}, "network timm:no-such: expected one of timm"),
        ({"generator": "timm:resnet18", "options": {"levels": 9}}, "1 to 6 levels"),
        ({"generator": "monai:Nothing"}, "MONAI has no network 'Nothing'"),
        ({"generator": "monai:AutoEncoder", "options": {}}, "does not take these options"),
        ({"generator": "monai:PatchInferer"}, "MONAI has no network"),
        ({"generator": "unet", "options": {"depth": 3}}, "does not take these options"),
        ({"generator": "unet", "options": {"levels": 0}}, "1 to 10 levels"),
        ({"generator": "unet", "options": {"activation": "x"}}, "relu, leakyrelu, tanh"),
        ({"generator": "unet", "options": {"levels": 2}}, "discriminator: 3 layers halve"),
        ({"generator": "unet", "classes": 0}, "1 class"),
        ({"generator": "unet", "mean": (0.5,)}, "of 3 channels"),
    ],
)
def test_networks_that_cannot_be_are_refused_in_words(spec, expected):
    with pytest.raises(BadInput, match=expected):
        SegmentationNetwork(SegmentationSpec(**{"kind": "mask", "classes": 1, **spec}))


def test_a_description_comes_back():
    spec = volume_network(mean=(0.25,), deviation=(0.5,)).spec
    assert SegmentationSpec.from_json(spec.to_json()) == spec
    with pytest.raises(BadInput, match="network description"):
        SegmentationSpec.from_json({"kind": "mask"})
