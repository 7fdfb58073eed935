"""What is simulated? Which volumes play which part, how people draw, and what is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from zooassist_loop.simulation.drawing import PERFECT, Hand
from zooassist_loop.slice_learning import LEARNED
from zooassist_loop.slice_scorers import RANDOM
from zooassist_plugin.errors import BadInput
from zooassist_training.segmentation.mask_recipe import MaskRecipe

People = Literal["perfect", "noisy"]


@dataclass(frozen=True)
class Arm:
    """One way to go on after the first training.

    Attributes
    ----------
    scorer : str
        Chooses the slices that people correct; empty: nobody corrects anything, and only the
        labelled volumes are learnt again.
    people : str
        Who corrects.
    """

    scorer: str = ""
    people: People = "perfect"

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.scorer}, {self.people}" if self.scorer else "labelled only"


ARMS: Final = (Arm(), Arm(LEARNED), Arm(RANDOM), Arm(LEARNED, "noisy"))


@dataclass(frozen=True)
class Roles:
    """Places of the volumes that teach, calibrate, are proposed on, and are never touched."""

    training: tuple[int, ...]
    calibration: tuple[int, ...]
    pool: tuple[int, ...]
    held_out: tuple[int, ...]


@dataclass(frozen=True)
class SimulationPlan:
    """One simulation.

    Attributes
    ----------
    recipe : MaskRecipe
        How networks are taught; its seed is that of all randomness.
    training, calibration, held_out : int
        Labelled volumes to learn from, labelled volumes to fit scorers on, and volumes that only
        measure; the others are the pool.
    members : int
        Networks that are taught; their mean proposes, the first learns again.
    target : float
        Mean Dice that the pool's volumes shall reach.
    share : float
        Of the pool's slices, sent before the network is taught again.
    windows_again : int
        Windows that are shown when it is taught again, the same for all arms; 0: it is not.
    hand : Hand
        Of the noisy volunteers.
    draws : int
        Orders over which chance is averaged.
    """

    recipe: MaskRecipe
    training: int = 8
    calibration: int = 6
    held_out: int = 8
    members: int = 2
    target: float = 0.95
    share: float = 0.4
    windows_again: int = 0
    arms: tuple[Arm, ...] = ARMS
    hand: Hand = field(default_factory=Hand)
    draws: int = 20

    def __post_init__(self) -> None:
        for name in ("training", "calibration", "members", "draws"):
            if getattr(self, name) < 1:
                raise BadInput(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.held_out < 0 or self.windows_again < 0:
            raise BadInput(
                f"expected 0 or more, got {self.held_out} volumes held out and "
                f"{self.windows_again} windows"
            )
        for name in ("target", "share"):
            if not 0 < getattr(self, name) <= 1:
                raise BadInput(f"{name}: expected more than 0, at most 1, got {self.target}")

    @property
    def seed(self) -> int:
        """Of all randomness."""
        return self.recipe.fit.seed

    def hand_of(self, people: People) -> Hand:
        """Return who draws."""
        return PERFECT if people == "perfect" else self.hand

    def deal(self, volumes: int) -> Roles:
        """Give each volume its part, at random.

        Raises
        ------
        BadInput
            When no volume is left for the pool.
        """
        fixed = self.training + self.calibration + self.held_out
        if volumes <= fixed:
            raise BadInput(
                f"expected more than {fixed} volumes ({self.training} to learn from, "
                f"{self.calibration} to calibrate, {self.held_out} held out), got {volumes}; give "
                "fewer to each part"
            )
        order = np.random.default_rng(self.seed).permutation(volumes).tolist()
        ends = np.cumsum([self.training, self.calibration, self.held_out]).tolist()
        parts = [order[: ends[0]], order[ends[0] : ends[1]], order[ends[1] : ends[2]]]
        sorted_parts = [tuple(sorted(each)) for each in (*parts, order[ends[2] :])]
        training, calibration, held_out, pool = sorted_parts
        return Roles(training, calibration, pool, held_out)
