"""What do all trainings have in common? An averaged copy, random numbers that repeat, a history."""

from __future__ import annotations

import copy
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn

from zooassist_training.fit_options import FitOptions
from zooassist_training.memory_reuse import keep_freed_memory
from zooassist_training.run_state import HISTORY, IDENTITY

log = logging.getLogger(__name__)
TRAINING_LOSS, MONITOR = "training_loss", "validation_loss"
# Of the averaged network among the module's weights.
AVERAGE = "average."


class AveragedModule(pl.LightningModule, ABC):
    """A network and its averaged copy, as Lightning wants them; the steps are a subclass's.

    Parameters
    ----------
    identity : mapping
        What a checkpoint must agree on to be gone on from, see `run_state`.
    """

    # What of an epoch's metrics is kept and reported.
    reported: tuple[str, ...] = (TRAINING_LOSS, MONITOR)

    def __init__(
        self,
        network: nn.Module,
        options: FitOptions,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.average.eval()
        self._options = options
        self.identity = dict(identity or {})
        self._averaged_at = 0
        self._history: list[dict[str, float]] = []

    def train(self, mode: bool = True) -> AveragedModule:
        """Switch to training; the averaged copy stays as it is."""
        super().train(mode)
        self.average.eval()
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

    def on_train_epoch_end(self) -> None:
        """Keep and report the losses of the epoch."""
        metrics = {
            name: float(value)
            for name, value in self.trainer.callback_metrics.items()
            if name in self.reported
        }
        self._history.append({"epoch": self.current_epoch + 1, **metrics})
        if not sys.stderr.isatty():
            losses = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            log.info("epoch %d of %d: %s", self.current_epoch + 1, self._options.epochs, losses)

    @abstractmethod
    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the weights that are trained in groups for AdamW, each with its highest rate."""

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with one rise and fall of the learning rate."""
        groups = self.parameter_groups()
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
