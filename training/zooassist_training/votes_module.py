"""What happens in a training step? Network, averaged copy, loss and optimiser for Lightning."""

from __future__ import annotations

import copy
import logging
import sys
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.augment import augment
from zooassist_training.fit_options import FitOptions
from zooassist_training.losses import votes_loss
from zooassist_training.networks import VotesNetwork

log = logging.getLogger(__name__)
MONITOR = "validation_loss"


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
