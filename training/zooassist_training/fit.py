"""How is a network fitted to labels? Lightning, early stopping, checkpoints, averaged weights."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader

from zooassist_plugin.errors import BadInput
from zooassist_training.datasets import LabelledDataset, LabelledImages
from zooassist_training.engine import check_numbers, run
from zooassist_training.epoch_order import EpochOrder
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.freezing import HEAD
from zooassist_training.frozen_features import EmbeddedImages
from zooassist_training.networks import HeadedNetwork
from zooassist_training.objectives import Taught, objective_of
from zooassist_training.run_state import Done, identity_of

__all__ = ["FitOptions", "Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """A fitted network and how it went: one dict of losses per epoch."""

    network: HeadedNetwork
    history: tuple[dict[str, float], ...]


def fit(
    network: HeadedNetwork,
    taught: Taught,
    training: LabelledImages,
    validation: LabelledImages,
    options: FitOptions,
    checkpoints: Path | None = None,
) -> Fitted:
    """Fit a network; return the averaged weights of the epoch with the lowest validation loss.

    Parameters
    ----------
    taught : LabelSchema or Targets
        What the labels of the images mean.
    training : LabelledImages
        With the margin of `augment.with_margin`.
    validation : LabelledImages
        Without margin. When it is empty, the last epoch's weights are returned.
    checkpoints : Path, optional
        Keep checkpoints there and go on from the last one found; by default none outlive the call.

    Raises
    ------
    BadInput
        When there is too little to train on, or the loss is not a number.
    """
    if len(training) < 2:
        raise BadInput(
            f"expected at least 2 images with labels to train on, got {len(training)}; export more "
            "classifications, or check the problems listed above"
        )
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    pl.seed_everything(options.seed, verbose=False)
    identity = identity_of(network, taught, training, options)
    with tempfile.TemporaryDirectory() as scratch:
        folder = checkpoints or Path(scratch)
        done = Done.read(folder, identity)
        if done is None:
            module = _module(network, taught, training, options, identity)
            done = _run(module, training, validation, options, folder, checkpoints is not None)
            if checkpoints is not None:
                done.write(folder, identity)
    network.load_state_dict(done.weights)
    check_numbers(done.weights)
    return Fitted(network.cpu().eval().requires_grad_(True), done.history)


def _module(
    network: HeadedNetwork,
    taught: Taught,
    training: LabelledImages,
    options: FitOptions,
    identity: Mapping[str, str],
) -> FitModule:
    objective = objective_of(taught, training.labels, options)
    return FitModule(network, objective, options, identity).train()


def _run(
    module: FitModule,
    training: LabelledImages,
    validation: LabelledImages,
    options: FitOptions,
    folder: Path,
    resumable: bool,
) -> Done:
    """Fit, or go on fitting; return the averaged weights of the best epoch and the losses."""
    batch = min(options.batch_size, max(1, len(training) // options.devices))
    once = options.train == HEAD and options.augmentation.changes_nothing
    show = partial(EmbeddedImages.of, module.network) if once else LabelledDataset
    training_loader: DataLoader[Any] = DataLoader(
        show(training),
        batch_size=batch,
        sampler=EpochOrder(len(training), options.seed),
        drop_last=True,
    )
    validation_loader: DataLoader[Any] = DataLoader(show(validation), batch_size=max(batch, 64))
    has_validation = len(validation) > 0
    return run(
        module,
        training_loader,
        validation_loader if has_validation else None,
        options,
        folder,
        resumable,
    )
