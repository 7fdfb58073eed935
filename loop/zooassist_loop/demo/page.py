"""The demo's page: what happened, in the order it happened, for a person who reads one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from zooassist_loop.demo.summary import Step, Summary


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


def write_page(
    out: Path,
    summary: Summary,
    steps: Sequence[Step],
    rows: Sequence[SubjectRow],
    answer: str,
    contact_sheet: str,
) -> None:
    """Write `index.html`, complete or not at all.

    Parameters
    ----------
    answer : str
        The answer that the table's fractions are about, as a person would say it.
    contact_sheet : str
        Path of the picture relative to the page.
    """
    environment = Environment(
        loader=PackageLoader("zooassist_loop.demo", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.0f} %"
    text = environment.get_template("index.html").render(
        summary=summary, steps=steps, rows=rows, answer=answer, contact_sheet=contact_sheet
    )
    partial = out.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(out)
