"""What happens in a training step? Network, averaged copy, loss and optimiser for Lightning."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from zooassist_training.augment import augment
from zooassist_training.fit_options import FitOptions
from zooassist_training.freezing import freeze, hold_still, parameter_groups
from zooassist_training.memory_reuse import keep_freed_memory
from zooassist_training.networks import HeadedNetwork
from zooassist_training.objectives import Objective
from zooassist_training.run_state import HISTORY, IDENTITY

log = logging.getLogger(__name__)
MONITOR = "validation_loss"
# Of the averaged network among the module's weights.
AVERAGE = "average."


class FitModule(pl.LightningModule):
    """Network, its averaged copy, loss and optimiser, as Lightning wants them.

    Parameters
    ----------
    objective : Objective
        What it is taught: all that tells a training of votes from one of values.
    identity : mapping
        What a checkpoint must agree on to be gone on from, see `run_state`.
    """

    def __init__(
        self,
        network: HeadedNetwork,
        objective: Objective,
        options: FitOptions,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.average.eval()
        self._objective = objective
        self._options = options
        self.identity = dict(identity or {})
        self._averaged_at = 0
        self._history: list[dict[str, float]] = []
        freeze(network, options.train)

    def train(self, mode: bool = True) -> FitModule:
        """Switch to training; what is frozen and the averaged copy stay as they are."""
        super().train(mode)
        self.average.eval()
        hold_still(self.network)
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of."""
        checkpoint[HISTORY] = list(self._history)
        checkpoint[IDENTITY] = dict(self.identity)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the losses of the epochs before the break."""
        self._history = list(checkpoint.get(HISTORY, []))

    def on_fit_start(self) -> None:
        """Keep freed memory, in each process that trains on a processor."""
        if self.device.type == "cpu":
            keep_freed_memory()

    def on_train_start(self) -> None:
        """Remember the step that the average has seen."""
        self._averaged_at = self.global_step

    def _seed(self, batch_idx: int) -> int:
        """Make every random number a function of seed, step and process: a resumed run repeats."""
        step = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx
        return self._options.seed * 1_000_003 + step + 7_368_787 * self.global_rank

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        """Set the seed of dropout."""
        torch.manual_seed(self._seed(batch_idx))

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss on changed views of a batch."""
        images, labels, weights = batch
        if images.ndim == 2:  # embeddings, of an encoder that learns nothing
            answers = self.network.from_embedding(images)
        else:
            generator = torch.Generator().manual_seed(self._seed(batch_idx))
            views = augment(images, self.network.spec.size, self._options.augmentation, generator)
            views = views.contiguous(memory_format=torch.channels_last)
            answers, _ = self.network.from_pixels(views)
        loss = self._objective.loss(answers, labels, weights)
        self.log("training_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    @torch.no_grad()
    def on_train_batch_end(self, outputs: object, batch: object, batch_idx: int) -> None:
        """Move the average; at first quickly, so that it forgets where the weights began."""
        step = self.global_step
        if step == self._averaged_at:  # gradients are still being added up
            return
        self._averaged_at = step
        decay = min(self._options.averaging, (1 + step) / (10 + step))
        pairs = zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        )
        for mean, value in pairs:
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        """Log the averaged network's predictive loss on unchanged images.

        All samples cost one pass of the encoder, as when served.
        """
        images, labels, weights = batch
        if images.ndim == 2:
            answers = self.average.from_embedding(images)
        else:
            answers, _ = self.average(images)
        loss = (self._objective.predictive(answers, labels) * weights).mean()
        self.log(MONITOR, loss, batch_size=len(labels), prog_bar=True, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Keep and report the losses of the epoch."""
        metrics = {
            name: float(value)
            for name, value in self.trainer.callback_metrics.items()
            if name in ("training_loss", MONITOR)
        }
        self._history.append({"epoch": self.current_epoch + 1, **metrics})
        if not sys.stderr.isatty():
            losses = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            log.info("epoch %d of %d: %s", self.current_epoch + 1, self._options.epochs, losses)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with one rise and fall of the learning rate."""
        groups = parameter_groups(
            self.network,
            self._options.learning_rate,
            self._options.weight_decay,
            self._options.layer_decay,
        )
        optimizer = torch.optim.AdamW(groups, lr=self._options.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in groups],
            total_steps=int(self.trainer.estimated_stepping_batches),
            pct_start=0.15,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
