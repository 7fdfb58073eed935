"""How is a network to be fitted? The options, checked before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from zooassist_plugin.errors import BadInput
from zooassist_training.augment import Augmentation

Precision = Literal["32", "bf16", "16"]
# Our word -> Lightning's.
PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


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
