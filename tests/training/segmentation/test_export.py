"""Graphs compute what PyTorch does, at any number of slices and any size, whole or in chunks."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import timm
import torch
from mask_networks import folder_of, network_of, random_stack
from safetensors.torch import save_file

from zooassist_plugin.errors import BadInput, Refused
from zooassist_serving.mask_tiles import mask_answer
from zooassist_serving.masks.label_maps import label_map
from zooassist_serving.masks.volume_runner import VolumeRunner
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.half_storage import round_to_halves
from zooassist_training.onnx_export import ParityError
from zooassist_training.segmentation.export import check_parity, export_segmentation
from zooassist_training.segmentation.networks import SegmentationNetwork, committee_of
from zooassist_training.segmentation.restore import (
    begin_from,
    begin_with_encoder,
    restore_segmentation,
)
from zooassist_training.segmentation.volume_graph import reference


@pytest.fixture(scope="module", params=[1, 2])
def volume_network(request) -> SegmentationNetwork:
    return network_of("volume", request.param)


@pytest.mark.parametrize("slices", [1, 5, 17, 60])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(16, 24), (40, 32)])
def test_volume_graphs_compute_the_same(volume_network, slices, batch, height, width):
    graph = export_segmentation(volume_network)
    volume = random_stack(batch, slices, height, width, 2)
    assert check_parity(volume_network, graph, [volume]) <= 1e-5


def test_the_number_of_nodes_does_not_depend_on_the_slices(volume_network):
    """A loop that was unrolled has some 90 nodes per slice."""
    graph = onnx.load_model_from_string(export_segmentation(volume_network)).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Scan") == 3
    assert kinds.count("If") == 1


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"generator": "monai:BasicUNet", "options": {"features": [4, 4, 8, 8, 8, 4]}},
        {"generator": "monai:UNet", "options": {"channels": [4, 8, 8], "strides": [2, 2]}},
        {"generator": "timm:resnet10t", "options": {"levels": 3, "width": 4}},
        {"seam": 3.0},
    ],
)
@pytest.mark.parametrize("classes", [1, 2])
def test_mask_graphs_compute_the_same_at_every_size(spec, classes):
    network = network_of("mask", classes, **spec)
    side = network.spec.divisor
    sizes = [(1, side, 3 * side), (2, 2 * side, side), (3, 4 * side, 4 * side)]
    stacks = [random_stack(batch, 1, height, width, 3) for batch, height, width in sizes]
    assert check_parity(network, export_segmentation(network), stacks) <= 1e-5


def test_a_committee_is_one_graph_and_comes_back(tmp_path):
    members = [
        network_of("mask", 1, seam=1.0),
        network_of(
            "mask",
            1,
            generator="monai:UNet",
            options={"channels": [4, 8, 8], "strides": [2, 2]},
            seam=1.0,
        ),
    ]
    network = committee_of(members, seam=2.0).eval()
    sizes = [(1, 32, 96), (2, 64, 32)]
    stacks = [random_stack(batch, 1, height, width, 3) for batch, height, width in sizes]
    assert check_parity(network, export_segmentation(network), stacks) <= 1e-5
    restored = restore_segmentation(folder_of(network, tmp_path / "model", 32).path)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["mask", "volume"])
def test_halves_keep_parity_and_halve_the_file(kind):
    network = network_of(kind)
    whole = export_segmentation(network)
    round_to_halves(network)
    halved = export_segmentation(network, "float16")
    channels = network.spec.channels
    assert check_parity(network, halved, [random_stack(1, 1, 16, 16, channels)]) <= 1e-5
    assert len(halved) < 0.85 * len(whole)


def test_a_graph_of_other_weights_is_refused(volume_network):
    other = network_of("volume", volume_network.spec.classes, mean=(0.1, 0.2))
    with pytest.raises(ParityError, match="differ by"):
        check_parity(other, export_segmentation(volume_network), [random_stack(1, 3, 16, 16, 2)])


@pytest.mark.parametrize("chunk", [1, 2, 5, 7, 16])
def test_chunks_give_what_the_whole_gives(volume_network, chunk, tmp_path):
    """Also at the edges: 13 x 21 px are padded to 16 x 24."""
    folder = folder_of(volume_network, tmp_path / "model")
    volume = random_stack(11, 13, 21, 2)
    runner = VolumeRunner(folder.card, OnnxRuntime(folder.onnx_path, 1), chunk)
    parts = list(runner.run(volume))
    assert [part.start for part in parts] == list(range(0, 11, chunk))
    rows = np.r_[0:13, 12:9:-1]
    columns = np.r_[0:21, 20:17:-1]
    mask, real = reference(volume_network, volume[:, rows][:, :, columns][None])
    found = np.concatenate([part.probabilities for part in parts])
    np.testing.assert_allclose(found, mask[0, ..., :13, :21], atol=1e-5)
    np.testing.assert_allclose(np.concatenate([p.realness for p in parts]), real[0], atol=1e-5)


def test_a_volume_of_other_modalities_is_refused(volume_network, tmp_path):
    folder = folder_of(volume_network, tmp_path / "model")
    runner = VolumeRunner(folder.card, OnnxRuntime(folder.onnx_path, 1))
    with pytest.raises(Exception, match="with 2 modalities, got"):
        next(runner.run(random_stack(3, 16, 16, 1)))


def test_images_of_any_size_get_masks_of_their_size(tmp_path):
    network = network_of("mask")
    folder = folder_of(network, tmp_path / "model", size=32)
    runtime = OnnxRuntime(folder.onnx_path, 1)
    for height, width in ((5, 9), (32, 32), (40, 100), (33, 8)):
        answer = mask_answer(runtime, folder.card, random_stack(height, width, 3))
        assert answer.probabilities.shape == (2, height, width)
        labels = label_map(answer.probabilities, folder.card)
        assert labels.shape == (height, width)
        assert set(np.unique(labels)) <= {0, 1, 5}
        assert ((answer.realness > 0) & (answer.realness < 1)).all()
    image = random_stack(32, 32, 3)
    expected, real = reference(network, image[None, None])
    answer = mask_answer(runtime, folder.card, image)
    np.testing.assert_allclose(answer.probabilities, expected[0, 0], atol=1e-5)
    np.testing.assert_allclose(answer.realness, real[0], atol=1e-5)


def test_a_scaled_model_answers_in_the_images_own_pixels(tmp_path):
    folder = folder_of(network_of("mask"), tmp_path / "model", size=32, scale=0.5)
    runtime = OnnxRuntime(folder.onnx_path, 1)
    answer = mask_answer(runtime, folder.card, random_stack(50, 31, 3))
    assert answer.probabilities.shape == (2, 50, 31)


@pytest.mark.parametrize("kind", ["mask", "volume"])
def test_the_network_comes_back_from_its_folder(kind, tmp_path):
    network = network_of(kind)
    restored = restore_segmentation(folder_of(network, tmp_path / "model").path)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0, atol=0)


def test_an_encoder_begins_with_published_weights_and_their_pixels(tmp_path):
    published = timm.create_model("resnet10t", num_classes=0)
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    statistics = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "num_classes": 0}
    config = {"architecture": "resnet10t", "num_classes": 0, "pretrained_cfg": statistics}
    (tmp_path / "config.json").write_text(json.dumps(config))
    network = network_of("mask", 1, generator="timm:resnet10t", options={"levels": 2, "width": 4})
    assert begin_with_encoder(network, f"local-dir:{tmp_path}") > 10
    weight = network.generator.encoder.state_dict()["layer1.0.conv1.weight"]
    torch.testing.assert_close(weight, published.state_dict()["layer1.0.conv1.weight"])
    assert network.spec.mean == (0.1, 0.2, 0.3)
    with pytest.raises(BadInput, match="expected a network timm:NAME, got 'unet'"):
        begin_with_encoder(network_of("mask"), f"local-dir:{tmp_path}")
    with pytest.raises(Refused, match=r"config\.json"):
        begin_with_encoder(network, f"local-dir:{tmp_path / 'nowhere'}")


def test_a_network_with_batch_statistics_comes_back(tmp_path):
    options = {"generator": "timm:resnet10t", "options": {"levels": 2, "width": 4}}
    network = network_of("mask", 1, **options)
    with torch.no_grad():
        network.generator.encoder.bn1.running_mean += 0.3
    restored = restore_segmentation(folder_of(network, tmp_path / "model").path)
    image = torch.from_numpy(random_stack(1, 32, 32, 3))
    with torch.no_grad():
        torch.testing.assert_close(restored(image)[0], network(image)[0])


def test_what_fits_goes_on_and_what_does_not_starts_new(tmp_path):
    """Another number of classes changes the last layer and the discriminator's first."""
    earlier = network_of("mask", 1, mean=(0.1, 0.2, 0.3), deviation=(0.4, 0.5, 0.6))
    folder = folder_of(earlier, tmp_path / "model").path
    network = network_of("mask", 2)
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    taken, total = begin_from(network, folder)
    same = [n for n, v in network.state_dict().items() if torch.equal(v, fresh[n])]
    assert set(same) == {
        "generator.head.weight",
        "generator.head.bias",
        "discriminator.layers.0.weight",
    }
    assert taken == total - len(same)
    assert network.spec.mean == earlier.spec.mean
    assert network.spec.deviation == earlier.spec.deviation
    other = network_of("mask", 2, options={"width": 6, "levels": 3})
    with pytest.raises(Exception, match="none of its weights fits"):
        begin_from(other, folder)
