"""How is a distribution drawn without a library in the page? As SVG, in the page's colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

WIDTH, HEIGHT = 480, 180
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 30
GAP: Final = 0.12  # of a bar's place
WIDEST: Final = 48.0  # a lone bar is no wall


def bars(
    values: Sequence[float],
    titles: Sequence[str],
    ticks: Sequence[tuple[float, str]],
    name: str,
    axis: str,
) -> Markup:
    """Draw a bar for each value.

    Parameters
    ----------
    titles : sequence of str
        What pointing at each bar says.
    ticks : sequence of (position, label)
        Below the bars; position 0 is the left edge of the first bar, 1 that of the second.
    name : str
        What the picture shows, for those who cannot see it.
    axis : str
        What the bars count, beside the axis.
    """
    top = nice_ceiling(max(values, default=0))
    inner, floor = WIDTH - LEFT - RIGHT, HEIGHT - BOTTOM
    step = inner / max(len(values), 1)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">',
    ]
    for share in (0.0, 0.5, 1.0):
        y = floor - share * (floor - TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">'
            f"{number(share * top)}</text>"
        )
    for place, (value, title) in enumerate(zip(values, titles, strict=True)):
        height = value / top * (floor - TOP)
        width = min(step * (1 - GAP), WIDEST)
        x = LEFT + (place + 0.5) * step - width / 2
        parts.append(
            f'<rect class="bar" x="{x:.2f}" y="{floor - height:.2f}" '
            f'width="{width:.2f}" height="{height:.2f}"><title>{escape(title)}</title>'
            "</rect>"
        )
    for position, label in ticks:
        x = LEFT + position * step
        anchor = "end" if x > WIDTH - 4 * len(label) else "middle"
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{floor + 16}" text-anchor="{anchor}">'
            f"{escape(label)}</text>"
        )
    middle = (TOP + floor) / 2
    parts.append(
        f'<text class="tick" text-anchor="middle" transform="translate(10 {middle}) rotate(-90)">'
        f"{escape(axis)}</text></svg>"
    )
    return Markup("".join(parts))


def nice_ceiling(value: float) -> float:
    """Return the next of 2, 4, 6, 10, 20, 40, ... that is not below a value; its half is whole."""
    size = 1.0
    while True:
        for factor in (2, 4, 6, 10):
            if factor * size >= value:
                return factor * size
        size *= 10


def number(value: float) -> str:
    """Write a count with thin spaces: 12 345."""
    return f"{value:,.0f}".replace(",", "\u202f")
