"""How are curves, densities and galaxies' answers drawn without a library? As SVG in the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from zooassist_serving.vote_likelihood import Floats

SIDE: Final = 260
LEFT, RIGHT, TOP, BOTTOM = 54, 8, 8, 40
CELLS: Final = 20
SMALLEST_DOT, DOT = 2.0, 5.0
# Where ticks are on the unit square, and what they say.
TICKS: Final = tuple((tick, f"{tick:g}") for tick in (0.0, 0.25, 0.5, 0.75, 1.0))


@dataclass(frozen=True)
class Curve:
    """Points of a curve between 0 and 1.

    Attributes
    ----------
    points : tuple of (x, y, share, words)
        How much lies behind each, 0 to 1, and what pointing at it says.
    style : str
        Class in the page's style sheet: ``now`` or ``then``.
    """

    points: tuple[tuple[float, float, float, str], ...]
    style: str = "now"


def curves(each: Sequence[Curve], name: str, x_axis: str, y_axis: str) -> Markup:
    """Draw curves over a diagonal, which is where they should be."""
    parts = [*frame(name, x_axis, y_axis), diagonal()]
    for curve in each:
        line = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y, _, _ in curve.points)
        parts.append(f'<polyline class="curve {curve.style}" points="{line}"/>')
        parts.extend(
            f'<circle class="dot {curve.style}" cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" '
            f'r="{SMALLEST_DOT + DOT * share**0.5:.1f}"><title>{escape(words)}</title></circle>'
            for x, y, share, words in curve.points
        )
    return Markup("".join(parts) + "</svg>")


def density(predicted: Floats, observed: Floats, name: str) -> Markup:
    """Draw how often which observed fraction goes with which predicted one, in squares.

    Parameters
    ----------
    predicted, observed : arrays of the same shape, 0 to 1
    """
    table = np.histogram2d(predicted.ravel(), observed.ravel(), bins=CELLS, range=((0, 1), (0, 1)))[
        0
    ].astype(np.int64)
    parts = frame(name, "predicted fraction", "volunteers' fraction")
    width, height = (SIDE - LEFT - RIGHT) / CELLS, (SIDE - TOP - BOTTOM) / CELLS
    most = max(int(table.max(initial=0)), 1)
    for i, j in np.argwhere(table > 0):
        # By the logarithm: corners hold hundreds, the middle a few.
        depth = 0.12 + 0.88 * np.log1p(table[i, j]) / np.log1p(most)
        x, y = at_x(i / CELLS), at_y((j + 1) / CELLS)
        words = (
            f"predicted {i / CELLS:.2f}-{(i + 1) / CELLS:.2f}, volunteers {j / CELLS:.2f}-"
            f"{(j + 1) / CELLS:.2f}: {table[i, j]} answers"
        )
        parts.append(
            f'<rect class="cell" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" '
            f'height="{height:.2f}" fill-opacity="{depth:.2f}"><title>{words}</title></rect>'
        )
    return Markup("".join([*parts, diagonal()]) + "</svg>")


def answer_bars(
    labels: Sequence[str], observed: Floats, predicted: Floats, low: Floats, high: Floats
) -> Markup:
    """Draw one galaxy: volunteers' fractions beside the model's with their intervals.

    Parameters
    ----------
    observed, predicted, low, high : arrays of shape (answers,)
    """
    row, width, start = 27, 190, 4
    inner = width - 2 * start
    said = "; ".join(
        f"{label}: volunteers {seen:.0%}, model {guess:.0%}"
        for label, seen, guess in zip(labels, observed, predicted, strict=True)
    )
    parts = [f'<svg viewBox="0 0 {width} {row * len(labels)}" role="img" '
             f'aria-label="{escape(said)}">']  # fmt: skip
    rows = zip(labels, observed, predicted, low, high, strict=True)
    for place, (label, seen, guess, left, right) in enumerate(rows):
        top = place * row
        words = (
            f"{label}: volunteers {seen:.0%}, model {guess:.0%} (90 %: {left:.0%} to {right:.0%})"
        )
        parts.append(
            f"<g><title>{escape(words)}</title>"
            f'<rect class="ghost" x="{start}" y="{top + 13}" width="{inner}" height="11"/>'
            f'<text class="tick" x="{start}" y="{top + 10}">{escape(_short(label))}</text>'
            f'<text class="tick" x="{width - start}" y="{top + 10}" text-anchor="end">'
            f"{seen:.0%} · {guess:.0%}</text>"
            f'<rect class="seen" x="{start}" y="{top + 13}" width="{seen * inner:.1f}" '
            'height="11"/>'
            f'<rect class="bar" x="{start}" y="{top + 16}" width="{guess * inner:.1f}" '
            'height="5"/>'
            f'<path class="range" d="M{start + left * inner:.1f} {top + 18.5}'
            f"H{start + right * inner:.1f}M{start + left * inner:.1f} {top + 15.5}v6"
            f'M{start + right * inner:.1f} {top + 15.5}v6"/></g>'
        )
    return Markup("".join(parts) + "</svg>")


def _short(label: str, most: int = 22) -> str:
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def at_x(value: float) -> float:
    """Return where a value between 0 and 1 lies, from left to right."""
    return LEFT + value * (SIDE - LEFT - RIGHT)


def at_y(value: float) -> float:
    """Return where a value between 0 and 1 lies, upwards."""
    return SIDE - BOTTOM - value * (SIDE - TOP - BOTTOM)


def diagonal() -> str:
    """Draw where both axes say the same."""
    return f'<path class="diagonal" d="M{at_x(0)} {at_y(0)}L{at_x(1)} {at_y(1)}"/>'


def frame(
    name: str, x_axis: str, y_axis: str, ticks: Sequence[tuple[float, str]] = TICKS
) -> list[str]:
    """Begin a square chart with its grid and axes; both have the same ticks."""
    parts = [f'<svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{escape(name)}">']
    for tick, said in ticks:
        x, y = at_x(tick), at_y(tick)
        parts.append(
            f'<path class="grid" d="M{x} {at_y(0)}V{at_y(1)}M{at_x(0)} {y}H{at_x(1)}"/>'
            f'<text class="tick" x="{x}" y="{at_y(0) + 15}" text-anchor="middle">{said}</text>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{said}</text>'
        )
    parts.append(
        f'<text class="tick" x="{at_x(0.5)}" y="{SIDE - 6}" text-anchor="middle">'
        f"{escape(x_axis)}</text>"
        f'<text class="tick" text-anchor="middle" transform="translate(11 {at_y(0.5)}) '
        f'rotate(-90)">{escape(y_axis)}</text>'
    )
    return parts
