"""What does an export of masks read, and how do marks become masks?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zooassist_exporters.digests import Source
from zooassist_exporters.images import ImageSource
from zooassist_exporters.mask_classes import ClassRule
from zooassist_exporters.mask_patch import Size
from zooassist_exporters.rasterise import FILLS, Fill
from zooassist_exporters.reductions.masks.methods import Quorum, method_named
from zooassist_plugin.errors import BadInput
from zooassist_plugin.progress import Start, silent


@dataclass(frozen=True)
class MasksInput:
    """What `export_masks` reads.

    Attributes
    ----------
    classifications : str or Path
        A classification export, or ``-``.
    workflows : Path, optional
        The workflow export; names tools and answers, and tells the tools of old marks.
    tools : mapping
        ``T0.6`` -> tool type, for old exports without the workflow.
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
    images: ImageSource | None = None
    image_source: Source | None = None
    progress: Start = silent


@dataclass(frozen=True)
class MaskOptions:
    """How marks become masks; written into the training set.

    Attributes
    ----------
    task : str, optional
        The drawing task; None when the file has only one.
    method : str
        One of `METHODS`.
    quorum : Quorum, optional
        How many volunteers must agree, for the methods that ask it.
    classes : ClassRule
        How marks become classes, and which tools cut holes.
    size : Size, optional
        Of every frame, whatever the volunteers' browsers reported.
    fill : str
        What counts as inside where an outline crosses itself.
    """

    task: str | None = None
    method: str = "majority"
    quorum: Quorum | None = None
    classes: ClassRule = field(default_factory=ClassRule)
    size: Size | None = None
    fill: Fill = "even-odd"

    def __post_init__(self) -> None:
        method_named(self.method, self.quorum)
        if self.fill not in FILLS:
            raise BadInput(f"fill: expected {' or '.join(FILLS)}, got {self.fill!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the options as they are written into ``training-set.json``."""
        return {
            "task": self.task,
            "method": self.method,
            "k": None if self.quorum is None else str(self.quorum),
            "class_from": self.classes.source,
            "hole_tools": sorted(self.classes.holes),
            "size": None if self.size is None else str(self.size),
            "fill": self.fill,
        }
