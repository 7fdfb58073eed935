"""What is to be measured of masks, and which labels make a region?"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.lesions import CHALLENGES, REGIONS, Challenge

FOREGROUND: Final = "foreground"
LESIONWISE: Final = "lesionwise"
# Metric -> the columns that it fills; those that go by slices need no whole volume in memory.
BY_SLICE: Final = frozenset({"dice", "iou", "mcc"})
METRICS: Final[dict[str, tuple[str, ...]]] = {
    "dice": ("dice",),
    "iou": ("iou",),
    "mcc": ("mcc",),
    "hd95": ("hd95",),
    LESIONWISE: (
        "lesionwise_dice",
        "lesionwise_hd95",
        "lesions",
        "missed_lesions",
        "false_lesions",
    ),
    "f1": ("f1", "found_objects", "false_objects", "missed_objects"),
}
# About 40 bytes per voxel are needed for distances: 64 million voxels are 2.7 GB.
MOST_VOXELS: Final = 64_000_000
_CLASS: Final = re.compile(r"(?:(?P<name>[^=,+]+)=)?(?P<labels>\d+(?:\+\d+)*)")


@dataclass(frozen=True)
class MaskRequest:
    """How masks are compared.

    Attributes
    ----------
    metrics : tuple of str
        Keys of `METRICS`.
    regions : mapping or None
        Name -> labels that belong to it. None: everything that is not 0, or the challenge's regions
        for `lesionwise`.
    challenge : str
        A key of `lesions.CHALLENGES`.
    at : float
        IoU from which two objects are the same.
    instances : bool
        The masks hold one number per object; otherwise objects are parts that hang together.
    relabel : mapping
        Label -> the label that is meant, before anything else.
    spacing : floats or None
        Slices, rows, columns; None: as the files say, and 1 where they say nothing.
    most_voxels : int
        Larger boxes around a region are refused where a whole volume has to be in memory.
    """

    metrics: tuple[str, ...] = ("dice",)
    regions: Mapping[str, tuple[int, ...]] | None = None
    challenge: str = "GLI"
    at: float = 0.5
    instances: bool = False
    relabel: Mapping[int, int] = field(default_factory=dict)
    spacing: tuple[float, float, float] | None = None
    most_voxels: int = MOST_VOXELS

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise BadInput(f"--metric: expected some of {', '.join(METRICS)}, got {unknown}")
        if self.challenge not in CHALLENGES:
            raise BadInput(
                f"--challenge: expected one of {', '.join(CHALLENGES)}, got {self.challenge!r}"
            )
        if not 0 < self.at <= 1:
            raise BadInput(f"--iou: expected above 0 and at most 1, got {self.at}")
        if self.instances and set(self.metrics) != {"f1"}:
            raise BadInput("--instances: object numbers are for --metric f1 only")
        if self.instances and self.regions:
            raise BadInput("--instances: expected no --class beside it, every number is an object")
        if self.spacing and not all(math.isfinite(each) and each > 0 for each in self.spacing):
            raise BadInput(f"--spacing: expected three positive lengths, got {self.spacing}")

    @property
    def parameters(self) -> Challenge:
        """Those of the challenge."""
        return CHALLENGES[self.challenge]

    @property
    def needs_volume(self) -> bool:
        """Whether any metric looks at more than one slice at a time."""
        return any(name not in BY_SLICE for name in self.metrics)

    @property
    def named_regions(self) -> dict[str, tuple[int, ...]] | None:
        """The regions to measure; None when everything that is not 0 is one."""
        if self.regions is not None:
            return dict(self.regions)
        return dict(REGIONS) if LESIONWISE in self.metrics else None

    @property
    def columns(self) -> tuple[str, ...]:
        """What a row says."""
        return tuple(column for name in self.metrics for column in METRICS[name])


def read_regions(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]] | None:
    """Read classes as given on the command line: ``1``, ``core=1+3`` or ``1,2``.

    Raises
    ------
    BadInput
        When one is none, is 0, or two have one name.
    """
    regions: dict[str, tuple[int, ...]] = {}
    for text in (part for each in texts for part in each.split(",")):
        found = _CLASS.fullmatch(text.strip())
        labels = tuple(map(int, found["labels"].split("+"))) if found else ()
        if found is None or 0 in labels:
            raise BadInput(
                f"--class: expected 1, core=1+3 or the like (0 is no class), got {text!r}"
            )
        name = (found["name"] or found["labels"]).strip()
        if name in regions:
            raise BadInput(f"--class: {name!r} is named twice")
        regions[name] = labels
    return regions or None


def read_relabel(texts: tuple[str, ...]) -> dict[int, int]:
    """Read label changes as given on the command line: ``4=3``."""
    changes = {}
    for text in (part for each in texts for part in each.split(",")):
        before, _, after = text.partition("=")
        if not (before.strip().isdecimal() and after.strip().isdecimal()):
            raise BadInput(f"--relabel: expected numbers such as 4=3, got {text!r}")
        changes[int(before)] = int(after)
    return changes
