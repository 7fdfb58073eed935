"""How does a run of training go, whatever is learnt? Lightning, checkpoints, early stopping."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader

from zooassist_plugin.errors import BadInput
from zooassist_training.averaged_module import AVERAGE, MONITOR, AveragedModule
from zooassist_training.fit_options import PRECISIONS, FitOptions
from zooassist_training.run_state import BEST, HISTORY, LAST, Done, check_same_run, read_state


def run(
    module: AveragedModule,
    training: DataLoader[Any],
    validation: DataLoader[Any] | None,
    options: FitOptions,
    folder: Path,
    resumable: bool,
) -> Done:
    """Fit, or go on fitting; return the averaged weights of the best epoch and the losses.

    Parameters
    ----------
    validation : DataLoader, optional
        Without it the last epoch's weights are returned.
    folder : Path
        Checkpoints are kept there, and a run that is found there goes on.
    resumable : bool
        Whether `folder` outlives the call.
    """
    last = folder / LAST
    state = read_state(last) if last.is_file() else {}
    if state:
        check_same_run(last, state, module.identity)
    if not _stopped_early(state):
        with _quiet():
            _trainer(options, folder, resumable, has_validation=validation is not None).fit(
                module,
                training,
                validation,
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


def check_numbers(weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that are no longer numbers.

    Raises
    ------
    BadInput
        When training diverged.
    """
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise BadInput(
            "training diverged: the weights are no longer numbers; choose a lower --learning-rate"
        )


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
