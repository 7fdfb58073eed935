"""Untrained networks of masks and volumes, and model folders of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from zooassist_plugin.model_card import MaskClass, Preprocessing, VolumeScaling
from zooassist_serving.model_folder import ModelFolder, card_for, write_model_folder
from zooassist_training.segmentation.export import (
    export_segmentation,
    input_specs,
    output_specs,
)
from zooassist_training.segmentation.networks import (
    DiscriminatorSpec,
    SegmentationNetwork,
    SegmentationSpec,
)

CLASSES = (MaskClass(number=1, name="a"), MaskClass(number=5, name="b"))


def network_of(kind: str, classes: int = 2, **options) -> SegmentationNetwork:
    torch.manual_seed(3)
    defaults = {
        "mask": {"generator": "unet", "options": {"width": 4, "levels": 3}, "channels": 3},
        "volume": {"generator": "tcup", "options": {"hidden": [4, 5, 6]}, "channels": 2},
    }[kind]
    judge = DiscriminatorSpec(4, 2, normal=kind == "volume", dropout=0.25)
    spec = SegmentationSpec(kind, classes=classes, discriminator=judge, **defaults | options)
    network = SegmentationNetwork(spec)
    # Normalisations and biases that show if the graph forgets them.
    with torch.no_grad():
        for weight in network.parameters():
            weight += torch.randn_like(weight) * 0.05
    return network.eval()


def folder_of(network: SegmentationNetwork, path: Path, size: int = 16, **fields) -> ModelFolder:
    onnx_bytes = export_segmentation(network)
    volume = VolumeScaling() if network.spec.kind == "volume" else None
    card = card_for(
        onnx_bytes,
        preprocessing=Preprocessing(size=size, volume=volume, **fields),
        name=path.name,
        kind=network.spec.kind,
        inputs=input_specs(network),
        outputs=output_specs(network),
        classes=CLASSES[: network.spec.classes],
        thresholds={each.name: 0.5 for each in CLASSES[: network.spec.classes]},
        licence="none",
    )
    return write_model_folder(onnx_bytes, card, path)


def random_stack(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)
