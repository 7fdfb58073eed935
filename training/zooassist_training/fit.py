"""How is a network fitted to labels? Lightning, early stopping, checkpoints, averaged weights."""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader

from zooassist_plugin.errors import BadInput
from zooassist_training.datasets import LabelledDataset, LabelledImages
from zooassist_training.epoch_order import EpochOrder
from zooassist_training.fit_module import AVERAGE, MONITOR, FitModule
from zooassist_training.fit_options import PRECISIONS, FitOptions
from zooassist_training.freezing import HEAD
from zooassist_training.frozen_features import EmbeddedImages
from zooassist_training.networks import HeadedNetwork
from zooassist_training.objectives import Taught, objective_of
from zooassist_training.run_state import (
    BEST,
    HISTORY,
    LAST,
    Done,
    check_same_run,
    identity_of,
    read_state,
)

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
    if not all(bool(torch.isfinite(value).all()) for value in done.weights.values()):
        raise BadInput(
            "training diverged: the weights are no longer numbers; choose a lower --learning-rate"
        )
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
    last = folder / LAST
    state = read_state(last) if last.is_file() else {}
    if state:
        check_same_run(last, state, module.identity)
    if not _stopped_early(state):
        with _quiet():
            _trainer(options, folder, resumable, has_validation=len(validation) > 0).fit(
                module,
                training_loader,
                validation_loader if len(validation) else None,
                ckpt_path=str(last) if state else None,
                weights_only=True,
            )
    # Read back from the files: with several processes, training was not in this one.
    state = read_state(last)
    best = read_state(folder / BEST) if (folder / BEST).is_file() else state
    weights = {
        name.removeprefix(AVERAGE): value
        for name, value in best["state_dict"].items()
        if name.startswith(AVERAGE)
    }
    return Done(weights, tuple(state[HISTORY]))


def _stopped_early(state: Mapping[str, Any]) -> bool:
    """Say whether a run was broken off only after early stopping had ended it."""
    callbacks: Mapping[str, Any] = state.get("callbacks", {})
    return any(
        name.startswith(EarlyStopping.__name__) and each["stopped_epoch"] > 0
        for name, each in callbacks.items()
    )


def _keepers(folder: Path, has_validation: bool, resumable: bool) -> list[Callback]:
    """Keep the best weights (nothing is best without validation) and the state after each epoch."""
    options: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False}
    weights_only = not resumable
    last = ModelCheckpoint(filename=Path(LAST).stem, save_weights_only=weights_only, **options)
    if not has_validation:
        return [last]
    best = ModelCheckpoint(
        filename=Path(BEST).stem, monitor=MONITOR, save_weights_only=True, **options
    )
    return [best, last]


def _trainer(
    options: FitOptions, folder: Path, resumable: bool, has_validation: bool
) -> pl.Trainer:
    callbacks = _keepers(folder, has_validation, resumable)
    if has_validation and options.patience:
        callbacks.append(EarlyStopping(MONITOR, patience=options.patience, check_finite=True))
    on_terminal = sys.stderr.isatty()
    if on_terminal:
        callbacks.append(TQDMProgressBar())
    return pl.Trainer(
        max_epochs=options.epochs,
        accelerator="auto",
        devices=options.devices,
        strategy=_strategy(options),
        use_distributed_sampler=False,  # EpochOrder divides the images itself
        accumulate_grad_batches=options.accumulate,
        precision=PRECISIONS[options.precision],
        callbacks=callbacks,
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=on_terminal,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        deterministic="warn",
        gradient_clip_val=5.0,
    )


def _strategy(options: FitOptions) -> str:
    if options.devices > 1 and options.strategy == "auto":
        return "ddp_spawn"
    return options.strategy


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what Lightning says about itself: hardware it did not find, hints, adverts."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        for module in ("lightning", "torch"):
            warnings.filterwarnings("ignore", module=rf"{module}\b")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
