"""What does an export of marks read, and how are marks counted?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zooassist_exporters.digests import Source
from zooassist_exporters.images import ImageSource
from zooassist_exporters.matching.assignment import Nearness
from zooassist_exporters.matching.labelling import TOO_SHORT
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules
from zooassist_plugin.progress import Start, silent
from zooassist_plugin.proposal_history import ProposalHistory


@dataclass(frozen=True)
class MarksInput:
    """What `export_marks` reads.

    Attributes
    ----------
    classifications : str or Path
        A classification export, or ``-``.
    workflows : str or Path, optional
        The workflow export: tool types, labels and subtask answers by version.
    tools : mapping
        ``T0.6`` -> tool type, for marks that neither name their tool nor look like one.
    history : ProposalHistory, optional
        What volunteers saw; with it every mark is labelled kept, edited or added.
    images : ImageSource, optional
        Where subject images come from; without it the set has none.
    image_source : Source, optional
        The subject export behind `images`.
    progress : callable
        How reading and reducing show that they move; see `zooassist_plugin.progress`.
    """

    classifications: str | Path
    workflows: str | Path | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    history: ProposalHistory | None = None
    images: ImageSource | None = None
    image_source: Source | None = None
    progress: Start = silent


@dataclass(frozen=True)
class MarksRules:
    """How marks are counted.

    Attributes
    ----------
    consensus : ConsensusRules, optional
        None makes a set of every volunteer's own marks.
    near : Nearness
        How near a mark must be to a proposed one to be that one, edited.
    too_short : float
        Seconds below which an empty answer means that the proposal had not loaded.
    classes : frozenset of str
        Subtasks whose answer is a mark's class; by default the tool is.
    """

    consensus: ConsensusRules | None = field(default_factory=ConsensusRules)
    near: Nearness = field(default_factory=Nearness)
    too_short: float = TOO_SHORT
    classes: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Return the rules as they are written into ``training-set.json``."""
        return {
            "consensus": None if self.consensus is None else self.consensus.to_json(),
            "edited_iou": self.near.iou,
            "edited_pixels": self.near.pixels,
            "not_loaded_below_seconds": self.too_short,
            "classes": sorted(self.classes),
        }
