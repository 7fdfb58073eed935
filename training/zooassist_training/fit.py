"""How is a network fitted to votes? Lightning, early stopping, checkpoints, averaged weights."""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch.utils.data import DataLoader

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.datasets import LabelledImages, VotesDataset
from zooassist_training.epoch_order import EpochOrder
from zooassist_training.fit_options import PRECISIONS, FitOptions
from zooassist_training.networks import VotesNetwork
from zooassist_training.votes_module import MONITOR, VotesModule

__all__ = ["FitOptions", "Fitted", "fit"]


@dataclass(frozen=True)
class Fitted:
    """A fitted network and how it went: one dict of losses per epoch."""

    network: VotesNetwork
    history: tuple[dict[str, float], ...]


def fit(
    network: VotesNetwork,
    schema: LabelSchema,
    training: LabelledImages,
    validation: LabelledImages,
    options: FitOptions,
    checkpoints: Path | None = None,
) -> Fitted:
    """Fit a network; return the averaged weights of the epoch with the lowest validation loss.

    Parameters
    ----------
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
            f"expected at least 2 images with votes to train on, got {len(training)}; export more "
            "classifications, or check the problems listed above"
        )
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    pl.seed_everything(options.seed, verbose=False)
    module = VotesModule(network, schema, options).train()
    batch = min(options.batch_size, len(training))
    training_loader: DataLoader[Any] = DataLoader(
        VotesDataset(training),
        batch_size=batch,
        sampler=EpochOrder(len(training), options.seed),
        drop_last=True,
    )
    validation_loader: DataLoader[Any] = DataLoader(
        VotesDataset(validation), batch_size=max(batch, 64)
    )
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        folder = checkpoints or Path(scratch)
        keeper = _keeper(folder, len(validation) > 0, resumable=checkpoints is not None)
        trainer = _trainer(options, folder, keeper, has_validation=len(validation) > 0)
        last = folder / "last.ckpt"
        trainer.fit(
            module,
            training_loader,
            validation_loader if len(validation) else None,
            ckpt_path=str(last) if last.is_file() else None,
            weights_only=True,
        )
        if keeper.best_model_path:
            best = torch.load(keeper.best_model_path, map_location="cpu", weights_only=True)
            module.load_state_dict(best["state_dict"])
    fitted = module.average.cpu().eval()
    if not all(bool(torch.isfinite(value).all()) for value in fitted.state_dict().values()):
        raise BadInput(
            "training diverged: the weights are no longer numbers; choose a lower --learning-rate"
        )
    return Fitted(fitted.requires_grad_(True), tuple(module.history))


def _keeper(folder: Path, has_validation: bool, resumable: bool) -> ModelCheckpoint:
    """Keep the best weights (or, without validation, the last); all state only when resumable."""
    options: dict[str, Any] = {"monitor": MONITOR} if has_validation else {}
    return ModelCheckpoint(
        dirpath=folder,
        filename="best",
        save_top_k=1,
        save_last=resumable,
        save_weights_only=not resumable,
        **options,
    )


def _trainer(
    options: FitOptions, folder: Path, keeper: ModelCheckpoint, has_validation: bool
) -> pl.Trainer:
    callbacks: list[Callback] = [keeper]
    if has_validation and options.patience:
        callbacks.append(EarlyStopping(MONITOR, patience=options.patience, check_finite=True))
    on_terminal = sys.stderr.isatty()
    if on_terminal:
        callbacks.append(TQDMProgressBar())
    return pl.Trainer(
        max_epochs=options.epochs,
        accelerator="auto",
        devices=1,
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
