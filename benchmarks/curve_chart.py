"""How are curves over a number or its logarithm drawn, as a file of their own? As SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 270, 58, 12, 26, 44
LEGEND = 22
COLUMNS = 3
# Names in a row of the legend, at most; and about how wide a letter, and the line before it, are.
NAMES, LETTER, SAMPLE = 5, 6, 40
# Told apart by people who see few colours, too (Okabe & Ito 2008); dashes repeat the difference.
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#555555"),
    *("#56b4e9", "#e69f00", "#7f3c8d", "#8c6d31", "#b2182b"),
)
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")
STYLE = (
    "text{font:11px sans-serif;fill:#333}.title{font-size:12px;font-weight:bold}"
    ".grid{stroke:#ddd;fill:none}"
)


@dataclass(frozen=True)
class Series:
    """One thing that is drawn; any part may be empty.

    Attributes
    ----------
    points, line : tuple of (x, y)
    band : tuple of (x, lowest y, highest y)
    """

    name: str
    points: tuple[tuple[float, float], ...] = ()
    line: tuple[tuple[float, float], ...] = ()
    band: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True)
class Panel:
    """One set of axes; x is logarithmic unless told otherwise, y where `log_y`.

    Attributes
    ----------
    ticks : tuple of float
        Of x.
    """

    title: str
    series: tuple[Series, ...]
    ticks: tuple[float, ...]
    x_axis: str
    y_axis: str
    log_y: bool = False
    log_x: bool = True


def chart(panels: Sequence[Panel], name: str) -> str:
    """Draw panels beside and below each other, with one legend for all.

    Parameters
    ----------
    name : str
        What a screen reader says the picture is.
    """
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    names = list(dict.fromkeys(each.name for panel in panels for each in panel.series))
    width = columns * WIDTH
    height = rows * HEIGHT + LEGEND * math.ceil(len(names) / _names_in_a_row(names, width))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(name)}"><style>{STYLE}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    ]
    for place, panel in enumerate(panels):
        across, down = place % columns * WIDTH, place // columns * HEIGHT
        parts.append(f'<g transform="translate({across} {down})">')
        parts += _panel(panel, names)
        parts.append("</g>")
    parts += _legend(names, rows * HEIGHT, width)
    return "".join(parts) + "</svg>\n"


class _Axes:
    """From numbers to places in a panel."""

    def __init__(self, panel: Panel) -> None:
        points = [point for each in panel.series for point in (*each.points, *each.line)]
        bands = [place for each in panel.series for place in each.band]
        across = [*(x for x, _ in points), *(x for x, _, _ in bands), *panel.ticks]
        up = [*(y for _, y in points), *(y for _, *ys in bands for y in ys)]
        self._log, self._log_x = panel.log_y, panel.log_x
        if not up or (self._log_x and min(across) <= 0) or (self._log and min(up) <= 0):
            raise ValueError(f"{panel.title}: expected points, above 0 where axes are logarithmic")
        self._x = self._across(min(across)), self._across(max(across))
        low, high = self._scaled(min(up)), self._scaled(max(up))
        edge = 0.06 * (high - low) or 0.5
        self._y = low - edge, high + edge
        self.y_ticks = [
            tick
            for tick in nice_ticks(min(up), max(up))
            if self._y[0] <= (self._scaled(tick) if tick > 0 or not self._log else -math.inf)
            and self._scaled(tick) <= self._y[1]
        ]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self._log else value

    def _across(self, value: float) -> float:
        return math.log(value) if self._log_x else value

    def x(self, value: float) -> float:
        low, high = self._x
        share = (self._across(value) - low) / ((high - low) or 1)
        return LEFT + 8 + share * (WIDTH - LEFT - RIGHT - 16)

    def y(self, value: float) -> float:
        low, high = self._y
        share = (self._scaled(value) - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def nice_ticks(low: float, high: float) -> list[float]:
    """Return three to eight round numbers from `low` or below it to `high` or above it."""
    if high <= low:
        return [low]
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _panel(panel: Panel, names: Sequence[str]) -> list[str]:
    axes = _Axes(panel)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    middle = (TOP + bottom) / 2
    parts = [f'<text class="title" x="{LEFT}" y="16">{escape(panel.title)}</text>']
    for tick in panel.ticks:
        x = axes.x(tick)
        parts.append(
            f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
            f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>'
        )
    for tick in axes.y_ticks:
        y = axes.y(tick)
        parts.append(
            f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
        f'{escape(panel.x_axis)}</text><text text-anchor="middle" '
        f'transform="translate(13 {middle}) rotate(-90)">{escape(panel.y_axis)}</text>'
    )
    for series in panel.series:
        parts += _drawn(series, axes, names.index(series.name))
    return parts


def _drawn(series: Series, axes: _Axes, number: int) -> list[str]:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    parts = []
    if series.band:
        there = [f"{axes.x(x):.1f},{axes.y(low):.1f}" for x, low, _ in series.band]
        back = [f"{axes.x(x):.1f},{axes.y(high):.1f}" for x, _, high in reversed(series.band)]
        parts.append(
            f'<polygon points="{" ".join(there + back)}" fill="{colour}" fill-opacity="0.15"/>'
        )
    if series.line:
        line = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in series.line)
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
    parts += [
        f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3" fill="{colour}" '
        f'fill-opacity="0.7"><title>{escape(series.name)}: {x:g}, {y:.4g}</title></circle>'
        for x, y in series.points
    ]
    return parts


def _legend(names: Sequence[str], top: int, width: int) -> list[str]:
    a_row = _names_in_a_row(names, width)
    step = (width - LEFT) / a_row
    parts = []
    for number, name in enumerate(names):
        x, y = LEFT + number % a_row * step, top + 8 + number // a_row * LEGEND
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        parts.append(
            f'<path d="M{x:.0f} {y}h24" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/><text x="{x + 30:.0f}" y="{y + 4}">{escape(name)}</text>'
        )
    return parts


def _names_in_a_row(names: Sequence[str], width: int) -> int:
    longest = max(map(len, names), default=0)
    fitting = (width - LEFT) // (SAMPLE + LETTER * longest)
    return max(1, min(len(names), NAMES, fitting))
