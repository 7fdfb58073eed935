"""How is a network fitted to votes? One Lightning module, early stopping, and averaged weights."""

from __future__ import annotations

import copy
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.utils.data import DataLoader

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.augment import Augmentation, augment
from zooassist_training.datasets import LabelledImages, VotesDataset
from zooassist_training.epoch_order import EpochOrder
from zooassist_training.losses import votes_loss
from zooassist_training.networks import VotesNetwork

log = logging.getLogger(__name__)
Precision = Literal["32", "bf16", "16"]
PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
MONITOR = "validation_loss"


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes
    ----------
    epochs : int
        At most; the learning rate rises and falls once over all of them.
    patience : int
        Stop after so many epochs without a better validation loss; 0 never stops early.
    learning_rate : float
        The highest. About 2e-3 from scratch, a few times less for an encoder that knows galaxies.
    averaging : float
        Decay per step of the moving average of the weights that is validated and exported.
    head_only : bool
        Keep the encoder as it is (linear probe).
    precision : str
        ``bf16`` is twice as fast on processors and cards that have it.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    patience: int = 10
    averaging: float = 0.998
    head_only: bool = False
    precision: Precision = "32"
    seed: int = 1
    threads: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name}: expected more than 0, got {getattr(self, name)}")
        if not 0 <= self.averaging < 1:
            raise BadInput(f"averaging: expected 0 up to but not including 1, got {self.averaging}")
        if self.precision not in PRECISIONS:
            raise BadInput(
                f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision}"
            )


@dataclass(frozen=True)
class Fitted:
    """A fitted network and how it went: one dict of losses per epoch."""

    network: VotesNetwork
    history: tuple[dict[str, float], ...]


class VotesModule(pl.LightningModule):
    """Network, its averaged copy, loss and optimiser, as Lightning wants them."""

    def __init__(self, network: VotesNetwork, schema: LabelSchema, options: FitOptions) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.average.eval()
        self._questions = list(schema.slices.values())
        self._options = options
        self.history: list[dict[str, float]] = []
        if options.head_only:
            network.encoder.requires_grad_(False)

    def train(self, mode: bool = True) -> VotesModule:
        """Switch to training; a frozen encoder and the averaged copy stay as they are."""
        super().train(mode)
        self.average.eval()
        if self._options.head_only:
            self.network.encoder.eval()
        return self

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Make every random number a function of seed and step, so that a resumed run repeats."""
        torch.manual_seed(self._options.seed * 1_000_003 + self.global_step)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss on changed views of a batch."""
        images, counts = batch
        generator = torch.Generator().manual_seed(self._options.seed * 1_000_003 + self.global_step)
        views = augment(images, self.network.spec.size, self._options.augmentation, generator)
        views = views.contiguous(memory_format=torch.channels_last)
        concentrations, _ = self.network.from_pixels(views)
        loss = votes_loss(concentrations, counts, self._questions)
        self.log("training_loss", loss, on_step=False, on_epoch=True, batch_size=len(counts))
        return loss

    @torch.no_grad()
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Move the average; at first quickly, so that it forgets where the weights began."""
        step = self.global_step
        decay = min(self._options.averaging, (1 + step) / (10 + step))
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for mean, value in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the averaged network's loss on unchanged images."""
        images, counts = batch
        loss = votes_loss(self.average(images)[0], counts, self._questions)
        self.log(MONITOR, loss, batch_size=len(counts), prog_bar=True, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Keep and report the losses of the epoch."""
        metrics = {
            name: float(value)
            for name, value in self.trainer.callback_metrics.items()
            if name in ("training_loss", MONITOR)
        }
        self.history.append({"epoch": self.current_epoch + 1, **metrics})
        if not sys.stderr.isatty():
            losses = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            log.info("epoch %d of %d: %s", self.current_epoch + 1, self._options.epochs, losses)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with one rise and fall of the learning rate; no decay on norms and biases."""
        trained = [p for p in self.network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim > 1]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            groups, lr=self._options.learning_rate, weight_decay=self._options.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            self._options.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=0.15,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


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
