"""How is quality against the share of slices drawn, for several scorers? As SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from zooassist_loop.slice_scorers import ORACLE, RANDOM, SCORERS
from zooassist_loop.slice_table import Floats

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 54, 150, 12, 40
# Told apart by those who see few colours, too.
COLOURS: Final = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"),
    *("#e69f00", "#7f3c8d", "#8c6d31", "#b2182b"),
)
GREY: Final = {RANDOM: "#999999", ORACLE: "#222222"}
STYLE: Final = (
    ".tick{font-size:11px;fill:#555}.grid{stroke:#ddd}.goal{stroke:#b00;stroke-dasharray:4 3}"
)


@dataclass(frozen=True, eq=False)
class Curve:
    """One scorer's line.

    Attributes
    ----------
    shares, qualities : arrays of shape (steps,)
    lower : array of shape (steps,), optional
        A bound, drawn dotted.
    """

    scorer: str
    shares: Floats
    qualities: Floats
    lower: Floats | None = None


def curves_picture(curves: Sequence[Curve], target: float, chosen: str = "") -> Markup:
    """Draw quality against the share that is sent, for every scorer.

    Parameters
    ----------
    target : float
        Drawn as a dashed line.
    chosen : str
        The scorer whose line is thick, and whose bound is drawn.
    """
    lowest = min(float(each.qualities.min()) for each in curves)
    floor = math.floor(20 * min(lowest, target)) / 20
    if floor == 1:
        floor = 0.95
    goal = _y(target, floor)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="quality of what is left against the share that is sent">'
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(
            f'<text class="tick" x="{_x(share):.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{share:.0%}</text>'
        )
        value = floor + share * (1 - floor)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(value, floor):.1f}" '
            f'y2="{_y(value, floor):.1f}"/><text class="tick" x="{LEFT - 6}" '
            f'y="{_y(value, floor) + 4:.1f}" text-anchor="end">{value:.3f}</text>'
        )
    parts.append(
        f'<line class="goal" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{goal:.1f}" y2="{goal:.1f}"/>'
    )
    for place, each in enumerate(curves):
        thick = each.scorer == chosen
        colour = GREY.get(each.scorer, COLOURS[place % len(COLOURS)])
        says = SCORERS[each.scorer].says if each.scorer in SCORERS else each.scorer
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="{3 if thick else 1.4}" '
            f'points="{_points(each.shares, each.qualities, floor)}">'
            f"<title>{escape(says)}</title></polyline>"
        )
        if thick and each.lower is not None:
            bound = _points(each.shares, each.lower, floor)
            parts.append(
                f'<polyline fill="none" stroke="{colour}" stroke-dasharray="2 3" points="{bound}"/>'
            )
        y = TOP + 16 * (place + 1)
        parts.append(
            f'<text x="{WIDTH - RIGHT + 12}" y="{y}" font-size="13" fill="{colour}"'
            f' font-weight="{"bold" if thick else "normal"}">{escape(each.scorer)}</text>'
        )
    return Markup("".join(parts) + "</svg>")


def _points(shares: Floats, qualities: Floats, floor: float) -> str:
    return " ".join(
        f"{_x(share):.1f},{_y(max(quality, floor), floor):.1f}"
        for share, quality in zip(shares, qualities, strict=True)
    )


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(value: float, floor: float) -> float:
    return HEIGHT - BOTTOM - (value - floor) / (1 - floor) * (HEIGHT - TOP - BOTTOM)
