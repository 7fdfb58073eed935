"""How is a network to be fitted? The options, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from zooassist_plugin.errors import BadInput
from zooassist_training.augment import Augmentation
from zooassist_training.freezing import last_blocks

Precision = Literal["32", "bf16", "16"]
# Seeds of an ensemble's members lie so far apart that ensembles of the seeds 1, 2, 3… share none.
MEMBER_STEP = 1000
# Our word -> Lightning's.
PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


# How processes divide a training: Lightning's names.
STRATEGIES = ("auto", "ddp_spawn", "ddp_fork")


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes
    ----------
    epochs : int
        At most; the learning rate rises and falls once over all of them.
    batch_size : int
        Images per step and device.
    accumulate : int
        Add up the gradients of so many batches before a step: large batches on small cards.
    patience : int
        Stop after so many epochs without a better validation loss; 0 never stops early.
    learning_rate : float
        The highest. About 2e-3 from scratch, a few times less for an encoder that knows galaxies.
    layer_decay : float
        See `freezing.parameter_groups`; usual in fine-tuning is 0.75; 1 is one rate for all.
    averaging : float
        Decay per step of the moving average of the weights that is validated and exported.
    train : str
        ``all``, ``head`` (linear probe) or ``last:N``, see `freezing.freeze`.
    class_weights : str or mapping, optional
        See `class_weights.answer_weights`.
    precision : str
        ``bf16`` is twice as fast on processors and cards that have it.
    devices, strategy : int, str
        How many processes (cards, or on a machine without cards shares of the processor) train
        together, and how Lightning starts them; ``auto`` is ``ddp_spawn`` for more than one.
    """

    epochs: int = 30
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float = 2e-3
    layer_decay: float = 1.0
    weight_decay: float = 0.05
    patience: int = 10
    averaging: float = 0.998
    train: str = "all"
    class_weights: str | Mapping[str, float] | None = None
    precision: Precision = "32"
    devices: int = 1
    strategy: str = "auto"
    seed: int = 1
    threads: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "learning_rate", "devices"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{name}: expected more than 0, got {getattr(self, name)}")
        if not 0 <= self.averaging < 1:
            raise BadInput(f"averaging: expected 0 up to but not including 1, got {self.averaging}")
        if not 0 < self.layer_decay <= 1:
            raise BadInput(f"layer_decay: expected more than 0, at most 1, got {self.layer_decay}")
        last_blocks(self.train)
        if self.precision not in PRECISIONS:
            raise BadInput(
                f"precision: expected one of {', '.join(PRECISIONS)}, got {self.precision}"
            )
        if self.strategy not in STRATEGIES:
            raise BadInput(
                f"strategy: expected one of {', '.join(STRATEGIES)}, got {self.strategy}"
            )

    def member(self, number: int) -> FitOptions:
        """Return the options of one network of an ensemble: another seed, and so other shuffles.

        Member 0 has the seed itself: it is the network that a training without members makes.
        """
        return replace(self, seed=self.seed + MEMBER_STEP * number)
