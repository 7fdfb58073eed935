"""What happens in a training step of masks? Generator against discriminator, in one backward pass.

The generator's loss is that of its masks, plus what the discriminator says of them over
`seg_alpha` (the same as `seg_alpha` times the one plus the other, but for a factor that Adam does
not see). For the generator the discriminator's weights are constants, for the discriminator the
generator's masks are; their gradients never meet, and one optimiser serves both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from zooassist_plugin.errors import BadInput
from zooassist_training.augment import augment_stacks
from zooassist_training.averaged_module import MONITOR, TRAINING_LOSS, AveragedModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.segmentation.losses import LOSSES, one_hot, settled
from zooassist_training.segmentation.networks import SegmentationNetwork

AUC, DICE, JUDGE_LOSS = "realness_auc", "validation_dice", "discriminator_loss"
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class AdversaryOptions:
    """How generator and discriminator teach each other.

    Attributes
    ----------
    loss : str
        A key of `losses.LOSSES`.
    seg_alpha : float
        How much the masks themselves count beside what the discriminator says of them.
    learning_rate : float
        The discriminator's highest.
    after : int
        Epochs before the generator listens; the discriminator learns from the start.
    every : int
        The discriminator learns at every n-th step.
    epochs : int
        In which the discriminator goes on learning alone, when the generator is done: a score of
        the masks that will be proposed, not of those that were made on the way.
    """

    loss: str = "focal-tversky"
    seg_alpha: float = 200.0
    learning_rate: float = 1e-4
    after: int = 0
    every: int = 1
    epochs: int = 5

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise BadInput(f"loss: expected one of {', '.join(LOSSES)}, got {self.loss!r}")
        for name in ("seg_alpha", "learning_rate", "every"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name}: expected more than 0, got {getattr(self, name)}")
        if self.after < 0 or self.epochs < 0:
            raise BadInput(f"epochs: expected 0 or more, got {self.after} and {self.epochs}")


class SegmentationModule(AveragedModule):
    """Generator, discriminator and their losses, as Lightning wants them."""

    network: SegmentationNetwork
    average: SegmentationNetwork
    reported: tuple[str, ...] = (TRAINING_LOSS, MONITOR, DICE, JUDGE_LOSS, AUC)

    def __init__(
        self,
        network: SegmentationNetwork,
        options: FitOptions,
        adversary: AdversaryOptions,
        size: int,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(network, options, identity)
        self._adversary, self._size = adversary, size
        self._loss = LOSSES[adversary.loss]
        self._scores: list[tuple[Tensor, Tensor]] = []
        self._counts: list[Tensor] = []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Let generator and discriminator learn at their own rates; biases do not decay."""
        groups = []
        for part, rate in (
            (self.network.generator, self._options.learning_rate),
            (self.network.discriminator, self._adversary.learning_rate),
        ):
            trained = [weight for weight in part.parameters() if weight.requires_grad]
            for decays, decay in ((True, self._options.weight_decay), (False, 0.0)):
                chosen = [weight for weight in trained if (weight.ndim > 1) == decays]
                if chosen:
                    groups.append({"params": chosen, "weight_decay": decay, "lr": rate})
        return groups

    def views(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        """Return changed, normalised views of a batch and the classes of their pixels."""
        generator = torch.Generator().manual_seed(self._seed(batch_idx))
        views, classes = augment_stacks(*batch, self._size, self._options.augmentation, generator)
        return self.network.normalised(views), classes

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the losses of both on changed views of a batch."""
        stacks, classes = self.views(batch, batch_idx)
        logits, classes = settled(self.network.logits(stacks), classes)
        loss = self._loss(logits.flatten(0, 1), classes.flatten(0, 1))
        self._tell(TRAINING_LOSS, loss, len(classes))
        masks = self.network.probabilities(logits)
        if self.current_epoch >= self._adversary.after:
            loss = loss + self._fooled(stacks, masks) / self._adversary.seg_alpha
        if batch_idx % self._adversary.every == 0:
            truth = one_hot(classes, self.network.spec.classes)
            judged = judgement(self.network, stacks, truth, masks.detach())
            self._tell(JUDGE_LOSS, judged, len(classes))
            loss = loss + judged
        return loss

    def _fooled(self, stacks: Tensor, masks: Tensor) -> Tensor:
        """Say how far the discriminator is from taking the masks for a person's."""
        judge = self.network.discriminator
        constant = {name: weight.detach() for name, weight in judge.named_parameters()}
        inputs = (stacks.flatten(0, 1), masks.flatten(0, 1))
        said: Tensor = functional_call(judge, constant, inputs)
        return functional.binary_cross_entropy_with_logits(said, torch.ones_like(said))

    def _tell(self, name: str, value: Tensor, count: int) -> None:
        self.log(name, value.detach(), on_step=False, on_epoch=True, batch_size=count)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the averaged network's loss on unchanged windows, and what is judged of its masks."""
        stacks, classes, logits, masks = self._seen(batch)
        loss = self._loss(logits.flatten(0, 1), classes.flatten(0, 1))
        self.log(MONITOR, loss, batch_size=len(classes), prog_bar=True, sync_dist=True)
        self._keep(stacks, classes, masks)

    @torch.no_grad()
    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        images, labels = batch
        stacks = self.average.normalised(images.permute(0, 1, 4, 2, 3).float())
        logits, classes = settled(self.average.logits(stacks), labels.long())
        return stacks, classes, logits, self.average.probabilities(logits)

    def _keep(self, stacks: Tensor, classes: Tensor, masks: Tensor) -> None:
        """Remember what the epoch's metrics are made of."""
        truth = one_hot(classes, self.average.spec.classes)
        pair = tuple(
            self.average.judged(stacks, each).float().mean((2, 3)).flatten().cpu()
            for each in (truth, masks)
        )
        self._scores.append((pair[0], pair[1]))
        background = 1 - masks.sum(2, keepdim=True)
        chosen = one_hot(torch.cat([background, masks], 2).argmax(2), self.average.spec.classes)
        axes = (0, 1, 3, 4)
        counts = [(chosen * truth).sum(axes), chosen.sum(axes), truth.sum(axes)]
        self._counts.append(torch.stack(counts).cpu())

    def on_validation_epoch_end(self) -> None:
        """Log how well the discriminator tells people's masks from the network's, and the Dice."""
        real = torch.cat([one for one, _ in self._scores]).numpy()
        fake = torch.cat([other for _, other in self._scores]).numpy()
        both, chosen, true = torch.stack(self._counts).sum(0)
        dice = (2 * both + LITTLE) / (chosen + true + LITTLE)
        self.log(AUC, float(area_under_curve(real, fake)), sync_dist=True)
        self.log(DICE, float(dice.mean()), sync_dist=True)
        self._scores.clear()
        self._counts.clear()


LITTLE = 1e-6


class DiscriminatorModule(SegmentationModule):
    """The discriminator alone, against a generator that learns no more."""

    reported = (MONITOR, JUDGE_LOSS, AUC)

    def __init__(
        self,
        network: SegmentationNetwork,
        options: FitOptions,
        adversary: AdversaryOptions,
        size: int,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        network.generator.requires_grad_(False)
        super().__init__(network, options, adversary, size, identity)

    def train(self, mode: bool = True) -> DiscriminatorModule:
        """Switch the discriminator to training; the generator draws as when served."""
        super().train(mode)
        self.network.generator.eval()
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the discriminator's loss on changed views of a batch."""
        stacks, classes = self.views(batch, batch_idx)
        with torch.no_grad():
            logits, classes = settled(self.network.logits(stacks), classes)
            masks = self.network.probabilities(logits)
        truth = one_hot(classes, self.network.spec.classes)
        loss = judgement(self.network, stacks, truth, masks)
        self._tell(JUDGE_LOSS, loss, len(classes))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the averaged discriminator's loss on unchanged windows."""
        stacks, classes, _, masks = self._seen(batch)
        truth = one_hot(classes, self.average.spec.classes)
        loss = judgement(self.average, stacks, truth, masks)
        self.log(MONITOR, loss, batch_size=len(classes), sync_dist=True)
        self._keep(stacks, classes, masks)


def judgement(
    network: SegmentationNetwork, stacks: Tensor, people: Tensor, networks: Tensor
) -> Tensor:
    """Return how badly a discriminator tells people's masks from the network's."""
    said = network.judged(torch.cat([stacks, stacks]), torch.cat([people, networks]))
    truth = torch.cat([torch.ones_like(said[: len(stacks)]), torch.zeros_like(said[len(stacks) :])])
    return functional.binary_cross_entropy_with_logits(said, truth)


def area_under_curve(high: np.ndarray[Any, Any], low: np.ndarray[Any, Any]) -> float:
    """Return the chance that one of the first is above one of the second; ties count half."""
    both = np.concatenate([high, low])
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    wins = rank[: len(high)].sum() - len(high) * (len(high) + 1) / 2
    return float(wins / (len(high) * len(low)))
