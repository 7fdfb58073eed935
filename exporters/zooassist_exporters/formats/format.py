"""What is a format: how it is written, read back, and what it cannot carry?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from zooassist_exporters.digests import Source
from zooassist_exporters.splits import SPLITS, Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_plugin.label_schema import LabelSchema

Images = Literal["copy", "link", "none"]
Objects = Literal["marks", "masks"]
Behind = Literal["consensus", "volunteers", "all"]

# What a training set consists of, for the purpose of saying what survives a conversion.
Part = Literal[
    "subjects",
    "splits",
    "images",
    "frames",
    "votes",
    "questions",
    "sampling",
    "metadata",
    "boxes",
    "shapes",
    "mark details",
    "masks",
    "instances",
    "agreement",
]
PARTS: Final[tuple[Part, ...]] = get_args(Part)


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes
    ----------
    question : str, optional
        The question whose majority decides a picture's class, for formats with one class each.
    splits : tuple of str
        Only subjects in these.
    images : str
        Copy image files, make hard links to them, or leave them where they are.
    objects : str, optional
        Take objects from marks or from masks, for formats that hold one kind; by default marks
        when the set has any.
    behind : str, optional
        Marks that are a consensus, single volunteers' own, or all; by default the consensus when
        the set has one, else all.
    prefix : str, optional
        What stands before a file's name in a catalogue: a folder elsewhere, or an address.
    bucket : str, optional
        Google Cloud Storage bucket and folder of Hamlet's label file.
    out : Path, optional
        Where the output will lie when it is whole, for formats that hold full paths.
    """

    question: str | None = None
    splits: tuple[Split, ...] = SPLITS
    images: Images = "copy"
    objects: Objects | None = None
    behind: Behind | None = None
    prefix: str | None = None
    bucket: str | None = None
    out: Path | None = None


class Notes:
    """What a conversion left out or changed, counted by reason."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, reason: str, count: int = 1) -> None:
        """Count something that was lost; nothing is noted for a count of 0."""
        if count:
            self._counts[reason] += count

    def lines(self) -> list[str]:
        """Return one line per reason, in the order of their first appearance."""
        return [f"{count:,} {reason}" for reason, count in self._counts.items()]


@dataclass
class Draft:
    """A training set on its way back from another format.

    Attributes
    ----------
    subjects : dict
        By subject id; images may lie anywhere that lasts until the set is written.
    votes, totals : dict
        Counts per label column and per question, by subject id; a subject may have none. A
        subject without totals gets the sum of its counts.
    marks : list of dict
        Rows of ``marks.parquet``.
    """

    schema: LabelSchema = field(default_factory=lambda: LabelSchema(()))
    subjects: dict[int, SubjectRow] = field(default_factory=dict)
    votes: dict[int, list[int]] = field(default_factory=dict)
    totals: dict[int, list[int]] = field(default_factory=dict)
    marks: list[dict[str, Any]] = field(default_factory=list)
    masks: dict[tuple[int, int], Path] = field(default_factory=dict)
    mask_classes: dict[int, str] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)


# The set, an empty folder to fill, how, and where to say what was lost.
Writer = Callable[[TrainingSet, Path, Options, Notes], None]
# The file or folder to read, a folder for files in passing, and where to say what was lost.
Reader = Callable[[Path, Path, Notes], Draft]


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    read : callable or None
        None for a format that holds too little to make a training set of.
    carries : mapping
        Part of a training set -> ``"yes"``, or how far it is carried. A part that is absent is
        lost.
    """

    write: Writer
    read: Reader | None
    help: str
    carries: Mapping[Part, str]
