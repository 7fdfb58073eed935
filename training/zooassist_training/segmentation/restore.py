"""How does training go on from an earlier model of masks? What fits is taken over, by name."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import onnx
import torch
from torch import Tensor

from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.encoders import open_encoder
from zooassist_training.onnx_export import METADATA_KEY
from zooassist_training.restore import NOT_STORED, stored_weights
from zooassist_training.segmentation.encoder_unet import EncoderUNet
from zooassist_training.segmentation.networks import SegmentationNetwork, SegmentationSpec

log = logging.getLogger(__name__)


def described(model: onnx.ModelProto, where: str) -> SegmentationSpec:
    """Read the description of its network from a graph.

    Raises
    ------
    BadInput
        When it has none.
    """
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            try:
                return SegmentationSpec.from_json(json.loads(entry.value))
            except json.JSONDecodeError as error:
                raise BadInput(f"{where}: its network description is damaged") from error
    raise BadInput(
        f"{where}: the graph does not say which network it was made from, so it can be served but "
        "not trained on; give a folder that `zooassist train mask` wrote"
    )


def restore_segmentation(folder: str | Path) -> SegmentationNetwork:
    """Rebuild the PyTorch network of a model folder, with its weights.

    Raises
    ------
    BadInput
        When the folder is not safe or whole, or of another kind.
    """
    spec, weights, where = _read(folder)
    network = SegmentationNetwork(spec)
    own = {name for name in network.state_dict() if not name.endswith(NOT_STORED)}
    missing = sorted(own - weights.keys())
    if missing:
        raise BadInput(
            f"{where}: weight {missing[0]!r} is not in the graph ({len(missing)} missing); train "
            "again with this version"
        )
    network.load_state_dict({name: weights[name] for name in own}, strict=False)
    return network.eval()


def spec_of(folder: str | Path) -> SegmentationSpec:
    """Read which network a model folder was made with, to go on with the same one.

    Raises
    ------
    BadInput
        When it is of another kind, or its graph does not say.
    """
    return _read(folder)[0]


def begin_from(network: SegmentationNetwork, folder: str | Path) -> tuple[int, int]:
    """Give a new network every weight of an earlier one that has its name and shape.

    Layers of other images or classes start new (usually the first and the last ones). Where images
    have as many channels, pixels are scaled as they were for the earlier one: its weights know no
    other.

    Returns
    -------
    int, int
        How many weights (tensors) were taken over, and how many there are.

    Raises
    ------
    BadInput
        When not a single one of the generator's fits: nothing would be gained.
    """
    spec, weights, where = _read(folder)
    own = network.state_dict()
    fitting = {
        name: weights[name]
        for name, value in own.items()
        if name in weights and weights[name].shape == value.shape
    }
    if not any(name.startswith("generator.") for name in fitting):
        raise BadInput(
            f"{where}: none of its weights fits this network (there a {spec.generator} with "
            f"options {dict(spec.options)}); give the same --network and --network-options"
        )
    with torch.no_grad():
        network.load_state_dict(own | fitting)
    if spec.channels == network.spec.channels:
        network.normalise_by(spec.mean, spec.deviation)
    log.info(
        "from %s: %d of %d weights go on, the others start new", folder, len(fitting), len(own)
    )
    return len(fitting), len(own)


def begin_with_encoder(network: SegmentationNetwork, name: str) -> int:
    """Give a UNet with one of timm's encoders the weights of a published one of the same kind.

    Where the published one says which pixels it expects, images are scaled that way.

    Parameters
    ----------
    name : str
        ``hf_hub:owner/name`` or ``local-dir:folder``, see `open_encoder`.

    Returns
    -------
    int
        How many weights (tensors) were taken over.

    Raises
    ------
    BadInput
        When the network has no such encoder, or none of the weights fits it.
    Refused
        When the weights can't be fetched.
    """
    if not isinstance(network.generator, EncoderUNet):
        raise BadInput(
            f"encoder weights: expected a network timm:NAME, got {network.spec.generator!r}; "
            "choose one with --network"
        )
    opened = open_encoder(name)
    taken = network.generator.take_encoder(opened.module.state_dict())
    if opened.statistics is not None and len(opened.statistics[0]) == network.spec.channels:
        network.normalise_by(*opened.statistics)
    log.info("from %s: %d weights of the encoder", name, taken)
    return taken


def _read(folder: str | Path) -> tuple[SegmentationSpec, dict[str, Tensor], str]:
    found = load_model_folder(folder)
    if found.card.kind not in ("mask", "volume"):
        raise BadInput(
            f"{found.path}: expected a model of kind 'mask' or 'volume' to go on from, got kind "
            f"{found.card.kind!r}"
        )
    model = onnx.load_model_from_string(found.onnx_path.read_bytes())
    return described(model, str(found.onnx_path)), stored_weights(model), str(found.onnx_path)
