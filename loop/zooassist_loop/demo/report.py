"""Draw what the demo did: the contact sheet and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zooassist_loop.demo.contact_sheet import (
    PROPOSED,
    Outline,
    Tile,
    ellipse_points,
    write_contact_sheet,
)
from zooassist_loop.demo.ending import Verdict
from zooassist_loop.demo.galaxies import DemoGalaxy
from zooassist_loop.demo.page import write_page
from zooassist_loop.demo.summary import GalaxySummary, Step
from zooassist_plugin.label_schema import Question
from zooassist_plugin.shapes import Ellipse

CONTACT_SHEET = "contact-sheet.png"
PAGE, TEMPLATE = "index.html", "galaxies.html"
MOST_TILES = 48


@dataclass(frozen=True)
class SubjectRow:
    """One line of the page's table.

    Attributes
    ----------
    votes, first, second : float or None
        Fraction answering the first question's first answer: by volunteers (None when nobody
        answered), by the first and by the second model version.
    """

    name: str
    subject_id: int
    image: str
    votes: float | None
    answered: int
    first: float
    second: float
    verdict: str
    retired: bool


@dataclass(frozen=True)
class Told:
    """What is known of one subject at the end of the round.

    Attributes
    ----------
    first, second : tuple of float
        Answer probabilities of both model versions.
    """

    subject_id: int
    galaxy: DemoGalaxy
    outline: Ellipse | None
    first: tuple[float, ...]
    second: tuple[float, ...]
    verdict: Verdict | None
    retired: bool


def told_subjects(
    galaxies: Mapping[int, DemoGalaxy],
    outlines: Mapping[int, Ellipse],
    first: Mapping[int, tuple[float, ...]],
    second: Mapping[int, tuple[float, ...]],
    verdicts: Mapping[int, Verdict],
    retired: frozenset[int],
) -> list[Told]:
    """Join what each step found, for the subjects that both versions proposed."""
    return [
        Told(
            subject_id=subject_id,
            galaxy=galaxy,
            outline=outlines.get(subject_id),
            first=first[subject_id],
            second=second[subject_id],
            verdict=verdicts.get(subject_id),
            retired=subject_id in retired,
        )
        for subject_id, galaxy in galaxies.items()
        if subject_id in first and subject_id in second
    ]


def write_report(
    folder: Path,
    summary: GalaxySummary,
    steps: Sequence[Step],
    question: Question,
    subjects: Sequence[Told],
) -> None:
    """Write `contact-sheet.png` and `index.html` into the demo's folder."""
    labels = [answer.label for answer in question.answers]
    write_contact_sheet(
        [_tile(told, labels) for told in subjects[:MOST_TILES]],
        "What volunteers were shown",
        folder / CONTACT_SHEET,
        (PROPOSED,),
    )
    write_page(
        folder / PAGE,
        TEMPLATE,
        summary=summary,
        steps=steps,
        rows=[_row(told, folder) for told in subjects],
        answer=labels[0],
        contact_sheet=CONTACT_SHEET,
    )


def _tile(told: Told, labels: Sequence[str]) -> Tile:
    best = max(range(len(labels)), key=lambda index: told.second[index])
    return Tile(
        image=told.galaxy.image,
        outlines=() if told.outline is None else (Outline(ellipse_points(told.outline), PROPOSED),),
        caption=f"{labels[best]} {100 * told.second[best]:.0f} %",
        note=_verdict(told),
        retired=told.retired,
    )


def _row(told: Told, folder: Path) -> SubjectRow:
    return SubjectRow(
        name=told.galaxy.name,
        subject_id=told.subject_id,
        image=told.galaxy.image.relative_to(folder).as_posix(),
        votes=None if told.verdict is None else told.verdict.share,
        answered=0 if told.verdict is None else sum(told.verdict.votes),
        first=told.first[0],
        second=told.second[0],
        verdict=_verdict(told),
        retired=told.retired,
    )


def _verdict(told: Told) -> str:
    if told.verdict is None:
        return "open: no votes"
    votes = told.verdict.votes
    agreed = f"{max(votes)} of {sum(votes)} agree"
    return f"retired: {agreed}" if told.retired else f"open: {agreed}"
