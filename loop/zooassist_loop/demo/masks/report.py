"""Draw what the demo on masks did: the contact sheet and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.splits import Split, split_of
from zooassist_loop.demo.contact_sheet import (
    AGREED,
    PROPOSED,
    Outline,
    Tile,
    write_contact_sheet,
)
from zooassist_loop.demo.masks.ending import MaskVerdict
from zooassist_loop.demo.masks.images import DemoMicrograph
from zooassist_loop.demo.masks.scores import ImageScore
from zooassist_loop.demo.masks.summary import MaskSummary
from zooassist_loop.demo.page import write_page
from zooassist_loop.demo.report import CONTACT_SHEET, PAGE
from zooassist_loop.demo.summary import Step
from zooassist_plugin.marks import Mark
from zooassist_plugin.outline_simplifier import simplify
from zooassist_plugin.pixel_outlines import Ring, pixels_to_rings
from zooassist_plugin.shapes import FreehandLine, Polygon

TEMPLATE = "masks.html"
MOST_IMAGES = 24  # on the sheet, each with two tiles
SMOOTH, MOST_VERTICES = 0.7, 80  # of consensus outlines, which follow the edges of pixels


@dataclass(frozen=True, eq=False)
class ToldMask:
    """What is known of one subject at the end of the round.

    Attributes
    ----------
    shown : tuple of Mark
        What volunteers saw.
    agreed : array of int or None
        The consensus, one number per object.
    first, volunteers, second : ImageScore or None
        Of the first version, the consensus and the second version.
    """

    subject_id: int
    micrograph: DemoMicrograph
    shown: tuple[Mark, ...]
    agreed: NDArray[np.int32] | None
    first: ImageScore | None
    volunteers: ImageScore | None
    second: ImageScore | None
    verdict: MaskVerdict | None
    retired: bool

    @property
    def split(self) -> Split:
        """Whether the second version learnt from it."""
        return split_of(self.subject_id)


@dataclass(frozen=True)
class MaskRow:
    """One line of the page's table; shares are None where nothing was measured."""

    name: str
    subject_id: int
    image: str
    kind: str
    proposed: int
    agreed: int
    nuclei: int
    agreement: float | None
    first: float | None
    volunteers: float | None
    second: float | None
    split: str
    verdict: str
    retired: bool


def write_mask_report(
    folder: Path, summary: MaskSummary, steps: Sequence[Step], subjects: Sequence[ToldMask]
) -> None:
    """Write `contact-sheet.png` and `index.html` into the demo's folder."""
    tiles = [tile for told in subjects[:MOST_IMAGES] for tile in _tiles(told)]
    title = "Left what volunteers were shown, right what they agree on"
    write_contact_sheet(tiles, title, folder / CONTACT_SHEET, (PROPOSED, AGREED))
    write_page(
        folder / PAGE,
        TEMPLATE,
        summary=summary,
        steps=steps,
        rows=[_row(told, folder) for told in subjects],
        contact_sheet=CONTACT_SHEET,
        matched=_shares(summary.matched),
    )


def _shares(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Return each action with its count and its width in a bar, of the longest."""
    longest = max(counts.values(), default=0) or 1
    return [(action, number, number / longest) for action, number in counts.items()]


def _tiles(told: ToldMask) -> tuple[Tile, Tile]:
    proposed = tuple(
        Outline(mark.shape.points, PROPOSED)
        for mark in told.shown
        if isinstance(mark.shape, Polygon | FreehandLine)
    )
    agreed = tuple(Outline(ring, AGREED) for ring in _rings(told.agreed))
    return (
        Tile(
            image=told.micrograph.image,
            outlines=proposed,
            caption=f"{told.subject_id}: proposed {len(proposed)}",
            note=_dice(told.first),
            retired=told.retired,
            stretched=True,
        ),
        Tile(
            image=told.micrograph.image,
            outlines=agreed,
            caption=f"agreed on {len(agreed)}; {_verdict(told)}",
            note=_dice(told.volunteers),
            retired=told.retired,
            stretched=True,
        ),
    )


def _dice(score: ImageScore | None) -> str:
    return "" if score is None else f"Dice {score.dice:.2f} against biologists"


def _rings(objects: NDArray[Any] | None) -> list[Ring]:
    """Outline each object of an instance map, smoothly."""
    if objects is None:
        return []
    return [
        simplify(pixels_to_rings(objects == number)[0], SMOOTH, MOST_VERTICES).ring
        for number in np.unique(objects[objects > 0])
    ]


def _row(told: ToldMask, folder: Path) -> MaskRow:
    first, volunteers, second = (
        None if score is None else score.dice
        for score in (told.first, told.volunteers, told.second)
    )
    return MaskRow(
        name=told.micrograph.image.stem,
        subject_id=told.subject_id,
        image=told.micrograph.image.relative_to(folder).as_posix(),
        kind=told.micrograph.metadata.get("kind", "").replace("_", ", "),
        proposed=len(told.shown),
        agreed=0 if told.agreed is None else int(np.count_nonzero(np.unique(told.agreed))),
        nuclei=told.micrograph.count,
        agreement=None if told.verdict is None else told.verdict.agreement,
        first=first,
        volunteers=volunteers,
        second=second,
        split=told.split,
        verdict=_verdict(told),
        retired=told.retired,
    )


def _verdict(told: ToldMask) -> str:
    if told.verdict is None or told.verdict.agreement is None:
        return "open: nobody to compare"
    agreed = f"IoU {told.verdict.agreement:.2f}"
    return f"retired: {agreed}" if told.retired else f"open: {agreed}"
