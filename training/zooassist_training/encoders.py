"""Which network turns an image into features? Any timm model, by name, or one from a hub."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import timm
import torch
from timm.models._hub import load_model_config_from_hf, load_model_config_from_path
from torch import nn

from zooassist_plugin.errors import BadInput, Refused

log = logging.getLogger(__name__)
Channels = tuple[float, float, float]
HUB, LOCAL = "hf_hub:", "local-dir:"


@dataclass(frozen=True)
class EncoderSpec:
    """A timm architecture with its arguments: enough to build the same module again, offline.

    Attributes
    ----------
    name : str
        As `timm.list_models` knows it.
    options : mapping
        Further arguments, such as ``{"channels": [24, 48, 96, 176]}``.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the graph carries."""
        return {"name": self.name, "options": dict(self.options)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> EncoderSpec:
        """Read what `to_json` wrote."""
        return cls(str(content["name"]), dict(content.get("options") or {}))


@dataclass(frozen=True)
class OpenedEncoder:
    """An encoder and, when its weights were published, the pixel statistics that they expect."""

    spec: EncoderSpec
    module: nn.Module
    statistics: tuple[Channels, Channels] | None = None


# Encoders of our own choosing, small enough for a CPU; any other name is timm's.
PRESETS: dict[str, EncoderSpec] = {
    # 1.4 M parameters, 5.7 MB: a ResNet-18 of about a third of the usual width.
    "small": EncoderSpec("resnet18", {"channels": [24, 48, 96, 176]}),
    # 0.13 M parameters, for tests and first tries.
    "tiny": EncoderSpec("resnet10t", {"channels": [8, 16, 32, 64]}),
}


def build_encoder(spec: EncoderSpec) -> nn.Module:
    """Build an untrained encoder without a classification layer.

    Raises
    ------
    BadInput
        When timm knows no such model, or not with these options.
    """
    try:
        encoder = timm.create_model(spec.name, pretrained=False, num_classes=0, **_kwargs(spec))
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadInput(
            f"encoder {spec.name!r} with options {dict(spec.options)}: {_one_line(error)}; "
            f"expected a timm model, {HUB}owner/name, or one of {', '.join(PRESETS)}"
        ) from error
    if not isinstance(encoder, nn.Module):  # timm ships no types
        raise TypeError(f"timm made a {type(encoder).__name__} of {spec.name!r}")
    return encoder


def open_encoder(
    name: str, options: Mapping[str, Any] | None = None, pretrained: bool = False
) -> OpenedEncoder:
    """Find an encoder by the name a user gives.

    Parameters
    ----------
    name : str
        A key of `PRESETS`, a timm name, ``hf_hub:owner/name`` or ``local-dir:folder``.
    pretrained : bool
        Load timm's published weights; the last two forms always do.

    Raises
    ------
    BadInput
        When there is no such model.
    Refused
        When its weights can't be fetched.
    """
    if name.startswith((HUB, LOCAL)):
        return _open_published(name, options or {})
    preset = PRESETS.get(name, EncoderSpec(name))
    spec = EncoderSpec(preset.name, {**preset.options, **(options or {})})
    if not pretrained:
        return OpenedEncoder(spec, build_encoder(spec))
    build_encoder(spec)  # a wrong name is the user's fault, not the network's
    return _fetch(spec.name, spec)


def embedding_size(encoder: nn.Module, size: int) -> int:
    """Return how many features an encoder gives for images of `size` pixels.

    Found by running it: timm's ``num_features`` leaves out what some models add after pooling.
    """
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            features = encoder(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise BadInput(
            f"the encoder takes no images of {size} pixels: {_one_line(error)}; "
            "choose another --size, or give img_size in --encoder-options"
        ) from error
    finally:
        encoder.train(was_training)
    if features.ndim != 2:
        raise BadInput(f"expected features (batch, features), got shape {tuple(features.shape)}")
    return int(features.shape[1])


def _open_published(name: str, options: Mapping[str, Any]) -> OpenedEncoder:
    """Resolve a published model to its architecture, so that the folder we write needs no hub."""
    place = name.partition(":")[2]
    read = load_model_config_from_hf if name.startswith(HUB) else load_model_config_from_path
    try:
        with _hub_quiet(name):
            _, architecture, arguments = read(place)
    except Exception as error:  # the hub client's errors have no common base
        raise Refused(
            f"{name}: its config.json cannot be read ({_one_line(error)}); check the name and "
            "the connection, or use a timm name or an earlier model folder (--from)"
        ) from error
    spec = EncoderSpec(str(architecture), {**(arguments or {}), **options})
    return _fetch(name, spec)


def _fetch(name: str, spec: EncoderSpec) -> OpenedEncoder:
    try:
        with _hub_quiet(name):
            encoder = timm.create_model(name, pretrained=True, num_classes=0, **_kwargs(spec))
    except Exception as error:  # hub client, file system and torch, no common base
        raise Refused(
            f"{name}: its weights cannot be loaded ({_one_line(error)}); check the connection, "
            "or train without --pretrained"
        ) from error
    config: Any = encoder.pretrained_cfg
    return OpenedEncoder(spec, encoder, (tuple(config["mean"]), tuple(config["std"])))


@contextmanager
def _hub_quiet(name: str) -> Iterator[None]:
    """Say once what is fetched; the hub client's two lines per try and handler are kept back."""
    if not name.startswith(LOCAL):
        log.info("%s: fetched from its hub, or found in the cache", name)
    hub = logging.getLogger("huggingface_hub")
    level = hub.level
    hub.setLevel(logging.ERROR)
    try:
        yield
    finally:
        hub.setLevel(level)


def _kwargs(spec: EncoderSpec) -> dict[str, Any]:
    """JSON has no tuples, and timm compares some of its arguments with tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in spec.options.items()
    }


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
