"""Which galaxies does the demo show? What they are, where they come from, what people would say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zooassist_plugin.errors import BadInput


@dataclass(frozen=True)
class DemoGalaxy:
    """One image and the opinion of the crowd that the simulated volunteers are drawn from.

    Attributes
    ----------
    name : str
        Unique within the demo; becomes the subject's ``filename``.
    image : Path
        A JPEG or PNG file.
    fractions : mapping of question name to vote fractions
        In the answer order of the model's label schema; each sums to 1. A question that nobody
        would be asked is left out.
    metadata : mapping
        Extra subject metadata (credits, position).
    """

    name: str
    image: Path
    fractions: Mapping[str, tuple[float, ...]]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for question, values in self.fractions.items():
            if min(values) < 0 or abs(sum(values) - 1) > 1e-6:
                raise BadInput(
                    f"{self.name}: vote fractions of {question!r} must be non-negative and sum "
                    f"to 1, got {values}; check the votes table"
                )


@dataclass(frozen=True)
class DemoData:
    """What a demo runs on.

    Attributes
    ----------
    source : str
        One sentence naming the images and where the opinions come from; shown on the page.
    votes_are_real : bool
        True when the fractions replay volunteers' answers, False when they are simulated.
    problems : tuple of str
        One line for each image or row that could not be used.
    """

    source: str
    galaxies: tuple[DemoGalaxy, ...]
    votes_are_real: bool
    problems: tuple[str, ...] = ()
