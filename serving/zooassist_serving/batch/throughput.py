"""How does the throughput of the stages look over time? Curves as a picture that a page holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from zooassist_serving.batch.stage_times import STAGES
from zooassist_serving.batch.status import Note

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 60, 110, 14, 34
# Told apart by those who see few colours, too.
COLOURS: Final = {"download": "#0072b2", "predict": "#d55e00", "write": "#009e73"}
MOST_BINS: Final = 120


def binned(notes: Sequence[Note]) -> tuple[float, dict[str, list[float]]]:
    """Return seconds per bin, and images per second of each stage in each bin, over all workers."""
    counts: dict[str, dict[int, int]] = {stage: defaultdict(int) for stage in STAGES}
    for note in notes:
        for stage, bins in note.times["images"].items():
            for second, count in bins:
                counts[stage][int(second)] += int(count)
    seconds = [second for bins in counts.values() for second in bins]
    if not seconds:
        return 1.0, {stage: [] for stage in STAGES}
    first, last = min(seconds), max(seconds)
    width = max(1, -(-(last - first + 1) // MOST_BINS))
    number = (last - first) // width + 1
    rates = {stage: [0.0] * number for stage in STAGES}
    for stage, bins in counts.items():
        for second, count in bins.items():
            rates[stage][(second - first) // width] += count / width
    return float(width), rates


def draw(notes: Sequence[Note]) -> Markup:
    """Return an SVG with a line per stage."""
    width, rates = binned(notes)
    number = max((len(values) for values in rates.values()), default=0)
    top = max((max(values, default=0.0) for values in rates.values()), default=0.0) or 1.0
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def point(at: int, value: float) -> str:
        x = LEFT + across * (at / max(1, number - 1))
        return f"{x:.1f},{TOP + down * (1 - value / top):.1f}"

    drawn = []
    for part in (0.0, 0.5, 1.0):
        y = TOP + down * (1 - part)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + across}" y1="{y}" y2="{y}"/>')
        drawn.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">'
            f"{top * part:.3g}</text>"
        )
    for line, (stage, values) in enumerate(rates.items()):
        points = " ".join(point(at, value) for at, value in enumerate(values))
        colour = COLOURS[stage]
        drawn.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{points}"/>'
        )
        drawn.append(
            f'<text x="{LEFT + across + 8}" y="{TOP + 16 + 18 * line}" fill="{colour}">'
            f"{stage}</text>"
        )
    drawn.append(
        f'<text class="tick" x="{LEFT}" y="{HEIGHT - 8}">0 s</text>'
        f'<text class="tick" x="{LEFT + across}" y="{HEIGHT - 8}" text-anchor="end">'
        f"{number * width:.0f} s</text>"
    )
    inside = "".join(drawn)
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="images per second of each stage over time">{inside}</svg>'
    )
