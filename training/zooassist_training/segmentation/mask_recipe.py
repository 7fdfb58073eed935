"""What is trained, how, and what is said of it? The recipe of a model of masks or volumes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zooassist_exporters.splits import Split
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import (
    NAME_PATTERN,
    MaskClass,
    Preprocessing,
    Stretch,
    VolumeScaling,
)
from zooassist_training.fit_options import FitOptions
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec, Kind
from zooassist_training.weight_storage import STORAGES, Storage


@dataclass(frozen=True)
class MaskRecipe:
    """What to train, and what to say of it.

    Attributes
    ----------
    kind : str
        ``mask`` for images, ``volume`` for volumes.
    network, network_options
        See `networks.SegmentationSpec`; by default ``unet`` or ``tcup``.
    discriminator : DiscriminatorSpec
        Of the patch discriminator.
    start : str or Path, optional
        An earlier model folder or bundled name: whatever fits of its weights is taken over.
    members : tuple of str or Path
        Draw the mean of these models, see `committee_of`, in place of training a network; only a
        discriminator is trained.
    encoder_weights : str, optional
        What the encoder of a network ``timm:NAME`` starts from, see `begin_with_encoder`.
    windows : WindowOptions
        What is learnt from.
    tile : int
        Side of the squares in which large images are seen when served; 0: that of the windows.
    scale, stretch, scaling
        Of the preprocessing of images, FITS images, and volumes.
    gap : int
        Objects that lie within so many pixels have a seam between them, which is learnt as a class
        of its own and left out of what is exported, so that objects which touch come apart; of
        images whose training set knows objects.
    seam : float
        How many times as probable as it was learnt to be a seam is taken for: higher parts more
        objects that touch, and draws them thinner.
    classes : tuple of MaskClass
        Names for the labels of a folder of volumes.
    train_on : tuple of str
        Splits to learn from.
    licence, credits
        Of the data, for `model.json`.
    """

    name: str
    kind: Kind = "mask"
    network: str = ""
    network_options: Mapping[str, Any] = field(default_factory=dict)
    discriminator: DiscriminatorSpec = field(default_factory=DiscriminatorSpec)
    start: str | Path | None = None
    members: tuple[str | Path, ...] = ()
    encoder_weights: str | None = None
    windows: WindowOptions = field(default_factory=lambda: WindowOptions(256))
    tile: int = 0
    scale: float = 1.0
    stretch: Stretch = field(default_factory=Stretch)
    scaling: VolumeScaling = field(default_factory=VolumeScaling)
    gap: int = 0
    seam: float = 2.0
    classes: tuple[MaskClass, ...] = ()
    store: Storage = "float32"
    train_on: tuple[Split, ...] = ("train",)
    licence: str = "not stated"
    credits: tuple[str, ...] = ()
    fit: FitOptions = field(default_factory=FitOptions)
    adversary: AdversaryOptions = field(default_factory=AdversaryOptions)

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise BadInput(
                "name: expected lower-case letters, digits, - and _ (at most 64), got "
                f"{self.name!r}; give one with --name"
            )
        if self.store not in STORAGES:
            raise BadInput(f"store: expected one of {', '.join(STORAGES)}, got {self.store!r}")
        if not self.licence:
            raise BadInput("licence: expected a word on the data's licence, got none")
        if "test" in self.train_on or "train" not in self.train_on:
            raise BadInput(
                f"train_on: expected the train split and never the test split, got {self.train_on}"
            )
        if self.gap < 0:
            raise BadInput(f"gap: expected 0 or more pixels, got {self.gap}")
        if not self.seam > 0:
            raise BadInput(f"seam: expected a weight above 0, got {self.seam}")
        if self.members and (self.network or self.start or self.encoder_weights):
            raise BadInput(
                "members: expected no --network, --from or --encoder-weights beside them; they are "
                "networks already"
            )
        if self.tile < 0:
            raise BadInput(f"tile: expected 0 or more pixels, got {self.tile}")
        if self.start is not None and self.encoder_weights is not None:
            raise BadInput(
                "start: expected an earlier model or weights for the encoder, got both; leave out "
                "one of --from and --encoder-weights"
            )
        if self.kind == "volume" and self.gap:
            raise BadInput(f"gap: expected 0 for volumes, got {self.gap}; their objects stay whole")
        if self.kind == "mask" and self.windows.depth != 1:
            raise BadInput(f"depth: expected 1 for images, got {self.windows.depth}")

    @property
    def preprocessing(self) -> Preprocessing:
        """How images, or volumes, are prepared."""
        if self.kind == "volume":
            return Preprocessing(size=self.windows.size, volume=self.scaling)
        side = self.tile or self.windows.size
        return Preprocessing(size=side, scale=self.scale, stretch=self.stretch)
