"""How are generator and discriminator fitted? Together, then the discriminator by itself."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from zooassist_plugin.errors import BadInput
from zooassist_training.augment import margin_side
from zooassist_training.engine import check_numbers, run
from zooassist_training.fit_options import FitOptions
from zooassist_training.run_state import Done, network_identity
from zooassist_training.segmentation.crops import EveryWindow, RandomWindows, WindowOrder
from zooassist_training.segmentation.module import (
    AdversaryOptions,
    DiscriminatorModule,
    SegmentationModule,
)
from zooassist_training.segmentation.networks import SegmentationNetwork
from zooassist_training.segmentation.stacks import Stacks

History = tuple[dict[str, float], ...]
# Where the second part's checkpoints lie within the first's.
SECOND = "discriminator"


@dataclass(frozen=True)
class WindowOptions:
    """Which parts of images and volumes are learnt from.

    Attributes
    ----------
    size : int
        Side in pixels; a multiple of the network's divisor.
    depth : int
        Slices; 1 for images.
    each : int
        Windows of every image and epoch.
    """

    size: int
    depth: int = 1
    each: int = 1

    def __post_init__(self) -> None:
        if min(self.size, self.depth, self.each) < 1:
            raise BadInput(
                "expected a size, a depth and a number of windows of 1 or more, got "
                f"{self.size}, {self.depth}, {self.each}"
            )


@dataclass(frozen=True)
class FittedMasks:
    """A fitted network and how it went: one dict of losses per epoch, of each part."""

    network: SegmentationNetwork
    history: History
    discriminator_history: History


def fit_masks(
    network: SegmentationNetwork,
    training: Stacks,
    validation: Stacks,
    windows: WindowOptions,
    options: FitOptions,
    adversary: AdversaryOptions,
    checkpoints: Path | None = None,
    *,
    judge_only: bool = False,
) -> FittedMasks:
    """Fit a network; return the averaged weights of the epochs with the lowest validation loss.

    Parameters
    ----------
    validation : Stacks
        When it is empty, the last epoch's weights are returned.
    checkpoints : Path, optional
        Keep checkpoints there and go on from the last one found; by default none outlive the call.
    judge_only : bool
        Leave the generator as it is.

    Raises
    ------
    BadInput
        When there is nothing to learn from, or the loss is not a number.
    """
    if not len(training):
        raise BadInput("expected images with masks to train on, got none; see the problems above")
    if options.train != "all" or options.layer_decay != 1:
        raise BadInput("masks: all layers learn at one rate; leave out --train and --layer-decay")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    pl.seed_everything(options.seed, verbose=False)
    alone = replace(options, epochs=max(1, adversary.epochs), learning_rate=adversary.learning_rate)
    histories: list[History] = []
    with tempfile.TemporaryDirectory() as scratch:
        for module, part, name in (
            (SegmentationModule, options, "."),
            (DiscriminatorModule, alone, SECOND),
        ):
            if judge_only if name != SECOND else not adversary.epochs:
                histories.append(())
                continue
            folder = (checkpoints or Path(scratch)) / name
            folder.mkdir(parents=True, exist_ok=True)
            identity = _identity(network, training, windows, part, adversary)
            done = Done.read(folder, identity)
            if done is None:
                made = module(network, part, adversary, windows.size, identity).train()
                divisor = network.spec.divisor
                loaders = _loaders(training, validation, windows, part, divisor)
                done = run(made, *loaders, part, folder, checkpoints is not None)
                if checkpoints is not None:
                    done.write(folder, identity)
            check_numbers(done.weights)
            network.load_state_dict(done.weights)
            histories.append(done.history)
    network.cpu().eval().requires_grad_(True)
    return FittedMasks(network, histories[0], histories[1])


def _loaders(
    training: Stacks,
    validation: Stacks,
    windows: WindowOptions,
    options: FitOptions,
    divisor: int,
) -> tuple[DataLoader[Any], DataLoader[Any] | None]:
    side = margin_side(windows.size, options.augmentation)
    order = WindowOrder(len(training), windows.each, options.seed)
    loader: DataLoader[Any] = DataLoader(
        RandomWindows(training, windows.depth, windows.size, side, divisor),
        batch_size=min(options.batch_size, max(1, len(order) // options.devices)),
        sampler=order,
        drop_last=True,
    )
    if not len(validation):
        return loader, None
    every = EveryWindow(validation, windows.depth, windows.size, divisor)
    return loader, DataLoader(every, batch_size=options.batch_size)


def _identity(
    network: SegmentationNetwork,
    training: Stacks,
    windows: WindowOptions,
    options: FitOptions,
    adversary: AdversaryOptions,
) -> dict[str, str]:
    """Say what a run learns from and how, see `run_state.identity_of`."""
    said = network_identity(network, network.spec.to_json(), options)
    for values in (asdict(windows), asdict(adversary)):
        said |= {f"option {name}": str(value) for name, value in values.items()}
    digest = hashlib.sha256()
    for image, labels in zip(training.images, training.labels, strict=True):
        digest.update(image.data)
        digest.update(labels.data)
    said["images and masks"] = f"{len(training)} images, digest {digest.hexdigest()[:12]}"
    return said
