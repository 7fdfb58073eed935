"""What happens in a training step? Network, averaged copy, loss and optimiser for Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zooassist_training.augment import augment
from zooassist_training.averaged_module import MONITOR, TRAINING_LOSS, AveragedModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.freezing import freeze, hold_still, parameter_groups
from zooassist_training.networks import HeadedNetwork
from zooassist_training.objectives import Objective


class FitModule(AveragedModule):
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
        super().__init__(network, options, identity)
        self._objective = objective
        freeze(network, options.train)

    network: HeadedNetwork
    average: HeadedNetwork

    def train(self, mode: bool = True) -> FitModule:
        """Switch to training; what is frozen and the averaged copy stay as they are."""
        super().train(mode)
        hold_still(self.network)
        return self

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
        self.log(TRAINING_LOSS, loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

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

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Let the layers learn at their own rates."""
        return parameter_groups(
            self.network,
            self._options.learning_rate,
            self._options.weight_decay,
            self._options.layer_decay,
        )
