"""How do the numbers become a page? One HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from zooassist_exporters.report.charts import bars, number
from zooassist_exporters.report.facts import BINS, Facts, QuestionFacts, VolunteerFacts
from zooassist_exporters.vote_records import Integers
from zooassist_plugin import __version__
from zooassist_plugin.output_paths import temporary_beside

MOST_ANSWERS: Final = 12
MOST_VOLUNTEERS: Final = 15
MOST_BARS: Final = 60
PERIODS: Final = (("day", 1), ("week", 7), ("four weeks", 28), ("year", 365))


def write_report(facts: Facts, out: Path) -> None:
    """Write the page; it appears whole or not at all."""
    environment = Environment(
        loader=PackageLoader("zooassist_exporters.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["percent"] = percent
    text = environment.get_template("report.html").render(
        facts=facts,
        version=__version__,
        period=None if facts.days is None else timeline(facts.days)[0],
        over_time=None if facts.days is None else timeline(facts.days)[1],
        per_subject=per_subject(facts.per_subject, facts.kind),
        questions=[(question, leading(question)) for question in facts.questions],
        most_answers=MOST_ANSWERS,
        agreement=None if facts.volunteers is None else agreement(facts.volunteers),
        activity=None if facts.volunteers is None else activity(facts.volunteers),
        busiest=[] if facts.volunteers is None else _busiest(facts.volunteers),
    )
    temporary = temporary_beside(out)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(out)


def percent(share: float) -> str:
    """Write a share: 7.3 %, 73 %, – for none."""
    if np.isnan(share):
        return "–"
    return (
        f"{100 * share:.0f}\u202f%" if share >= 0.1 or share == 0 else f"{100 * share:.1f}\u202f%"
    )


def timeline(days: Mapping[date, int]) -> tuple[str, Markup]:
    """Draw classifications over time, in the shortest periods that fit; returns the period too."""
    first, last = min(days), max(days)
    span = (last - first).days + 1
    name, length = next((each for each in PERIODS if span <= each[1] * MOST_BARS), ("year", 365))
    values = [0] * (-(-span // length))
    for day, count in days.items():
        values[(day - first).days // length] += count
    starts = [first + timedelta(days=length * place) for place in range(len(values))]
    every = max(1, -(-len(values) // 5))
    ticks = [
        (place + 0.5, starts[place].isoformat())
        for place in range(0, len(values), every)
        if place + every / 2 < len(values) or place == 0
    ]
    titles = [
        f"{name} from {start}: {number(value)}" if length > 1 else f"{start}: {number(value)}"
        for start, value in zip(starts, values, strict=True)
    ]
    return name, bars(values, titles, ticks, f"Classifications per {name}", "classifications")


def per_subject(counts: Integers, kind: str) -> Markup:
    """Draw how many classifications subjects have."""
    of = "answers" if kind == "training set" else "classifications"
    edges = _whole_edges(int(counts.max(initial=1)))
    values = np.histogram(counts, bins=edges)[0].tolist()
    labels = [_range(low, high - 1) for low, high in pairwise(edges)]
    titles = [
        f"{label} {of}: {number(value)} subjects"
        for label, value in zip(labels, values, strict=True)
    ]
    every = max(1, -(-len(labels) // 10))
    ticks = [(place + 0.5, labels[place]) for place in range(0, len(labels), every)]
    return bars(values, titles, ticks, f"Subjects by number of {of}", "subjects")


def leading(question: QuestionFacts) -> Markup:
    """Draw how clear the answers to a question are."""
    titles = [
        f"{place / BINS:.0%} to {(place + 1) / BINS:.0%}: {number(int(value))} of them"
        for place, value in enumerate(question.leading)
    ]
    ticks = [(BINS * share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    of = "answers" if question.multiple else "subjects"
    return bars(question.leading.tolist(), titles, ticks, "Share of the leading answer", of)


def agreement(volunteers: VolunteerFacts) -> Markup:
    """Draw how far volunteers agree with the others; only those with enough to compare."""
    known = volunteers.agreement[volunteers.answers >= 5]
    values = np.histogram(known, bins=BINS, range=(0.0, 1.0))[0].tolist()
    titles = [
        f"{place / BINS:.0%} to {(place + 1) / BINS:.0%}: {number(value)} volunteers"
        for place, value in enumerate(values)
    ]
    ticks = [(BINS * share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]
    return bars(values, titles, ticks, "Volunteers by agreement with the others", "volunteers")


def activity(volunteers: VolunteerFacts) -> Markup:
    """Draw how many classifications volunteers made, in classes that double."""
    most = int(volunteers.classifications.max(initial=1))
    edges = [1]
    while edges[-1] <= most:
        edges.append(edges[-1] * 2)
    values = np.histogram(volunteers.classifications, bins=edges)[0].tolist()
    labels = [_range(low, high - 1) for low, high in pairwise(edges)]
    titles = [
        f"{label} classifications: {number(value)} volunteers"
        for label, value in zip(labels, values, strict=True)
    ]
    ticks = [(place, str(edge)) for place, edge in enumerate(edges)]
    return bars(values, titles, ticks, "Volunteers by classifications", "volunteers")


def _busiest(volunteers: VolunteerFacts) -> list[tuple[int, int, int, float]]:
    columns = (volunteers.classifications, volunteers.answers, volunteers.agreement)
    rows = zip(*(column[:MOST_VOLUNTEERS].tolist() for column in columns), strict=True)
    return [(place, *row) for place, row in enumerate(rows, start=1)]


def _whole_edges(most: int) -> list[int]:
    width = max(1, -(-most // 40))
    return list(range(1, most + width + 1, width)) if most else [0, 1]


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"
