"""How is the demo run? Its options, and what they are where nobody says, by kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.panoptes.accounts import VOLUNTEERS

Kind = Literal["galaxies", "masks"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
FEWEST_SUBJECTS: Final = 12


@dataclass(frozen=True)
class Usual:
    """What a kind of demo does when nothing else is asked for."""

    model: str
    subjects: int
    volunteers: int
    epochs: int


USUAL: Final[dict[Kind, Usual]] = {
    "galaxies": Usual(model="galaxy-zoo", subjects=72, volunteers=7, epochs=12),
    "masks": Usual(model="nuclei", subjects=24, volunteers=7, epochs=6),
}


@dataclass(frozen=True)
class DemoOptions:
    """How to run the demo.

    Attributes
    ----------
    data : Path or None
        Of galaxies a folder of images with ``votes.csv``, of masks one with ``images`` and
        ``nucleus_ids``; None takes those that come with zooassist.
    model : str
        A model folder or bundled name.
    subjects, volunteers : int
        How many images are shown, and how many simulated people look at each.
    epochs : int
        Of fine-tuning.
    """

    out: Path
    data: Path | None = None
    model: str = USUAL["galaxies"].model
    subjects: int = USUAL["galaxies"].subjects
    volunteers: int = USUAL["galaxies"].volunteers
    epochs: int = USUAL["galaxies"].epochs
    seed: int = 1

    def __post_init__(self) -> None:
        if self.subjects < FEWEST_SUBJECTS:
            raise BadInput(
                f"--subjects: expected {FEWEST_SUBJECTS} or more to learn from, got {self.subjects}"
            )
        if not 1 <= self.volunteers <= len(VOLUNTEERS):
            raise BadInput(
                f"--volunteers: the sandbox has accounts for 1 to {len(VOLUNTEERS)}, "
                f"got {self.volunteers}"
            )
        if self.epochs < 1:
            raise BadInput(f"--epochs: expected 1 or more, got {self.epochs}")
