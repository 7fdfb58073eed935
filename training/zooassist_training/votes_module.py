"""What happens in a training step? Network, averaged copy, loss and optimiser for Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.augment import augment
from zooassist_training.averaged_module import MONITOR, TRAINING_LOSS, AveragedModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.freezing import freeze, hold_still, parameter_groups
from zooassist_training.losses import predictive_nll, votes_loss
from zooassist_training.networks import VotesNetwork


class VotesModule(AveragedModule):
    """Network, its averaged copy, loss and optimiser, as Lightning wants them.

    Parameters
    ----------
    answer_weights : Tensor of shape (answers,), optional
        See `losses.galaxy_nll`.
    identity : mapping
        What a checkpoint must agree on to be gone on from, see `run_state`.
    """

    def __init__(
        self,
        network: VotesNetwork,
        schema: LabelSchema,
        options: FitOptions,
        answer_weights: Tensor | None = None,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(network, options, identity)
        self._questions = list(schema.slices.values())
        # A buffer follows the network to its device; it is no part of what was learnt.
        self.register_buffer("answer_weights", answer_weights, persistent=False)
        freeze(network, options.train)

    network: VotesNetwork
    average: VotesNetwork
    answer_weights: Tensor | None

    def train(self, mode: bool = True) -> VotesModule:
        """Switch to training; what is frozen and the averaged copy stay as they are."""
        super().train(mode)
        hold_still(self.network)
        return self

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss on changed views of a batch."""
        images, counts, weights = batch
        if images.ndim == 2:  # embeddings, of an encoder that learns nothing
            concentrations = self.network.from_embedding(images)
        else:
            generator = torch.Generator().manual_seed(self._seed(batch_idx))
            views = augment(images, self.network.spec.size, self._options.augmentation, generator)
            views = views.contiguous(memory_format=torch.channels_last)
            concentrations, _ = self.network.from_pixels(views)
        loss = votes_loss(concentrations, counts, self._questions, weights, self.answer_weights)
        self.log(TRAINING_LOSS, loss, on_step=False, on_epoch=True, batch_size=len(counts))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        """Log the averaged network's predictive loss on unchanged images.

        All samples cost one pass of the encoder, as when served.
        """
        images, counts, weights = batch
        if images.ndim == 2:
            concentrations = self.average.from_embedding(images)
        else:
            concentrations, _ = self.average(images)
        nll = predictive_nll(concentrations, counts, self._questions, self.answer_weights)
        loss = (nll * weights).mean()
        self.log(MONITOR, loss, batch_size=len(counts), prog_bar=True, sync_dist=True)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Let the layers learn at their own rates."""
        return parameter_groups(
            self.network,
            self._options.learning_rate,
            self._options.weight_decay,
            self._options.layer_decay,
        )
