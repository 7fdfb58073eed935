"""How are values drawn against what was predicted? As SVG in the page, on axes of their unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from markupsafe import Markup, escape

from zooassist_training.evaluation.report.charts import at_x, at_y, diagonal, frame
from zooassist_training.evaluation.value_metrics import Floats

# More dots than these only make the page heavy.
MOST_DOTS: Final = 2000
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


def scatter(
    truth: Floats, means: Floats, deviations: Floats, names: Sequence[str], axis: str
) -> Markup:
    """Draw predicted against true values, each with its standard deviation.

    Parameters
    ----------
    truth, means, deviations : arrays of shape (subjects,)
    names : sequence of str
        Of the subjects; pointing at a dot says them.
    axis : str
        What is measured, and its unit.
    """
    low = float(min(truth.min(), means.min()))
    high = float(max(truth.max(), means.max()))
    margin = 0.03 * (high - low) or 1.0
    low, high = low - margin, high + margin

    def share(value: float) -> float:
        return min(max((value - low) / (high - low), 0.0), 1.0)

    ticks = [(share(tick), f"{tick:g}") for tick in nice_ticks(low, high)]
    parts = [*frame(f"{axis}: predicted against true", f"true {axis}", "predicted", ticks)]
    parts.append(diagonal())
    step = max(1, math.ceil(len(truth) / MOST_DOTS))
    for true, mean, deviation, name in zip(
        truth[::step], means[::step], deviations[::step], names[::step], strict=True
    ):
        x, y = at_x(share(true)), at_y(share(mean))
        top, bottom = at_y(share(mean + deviation)), at_y(share(mean - deviation))
        words = f"{name}: true {true:.4g}, predicted {mean:.4g} ± {deviation:.2g}"
        parts.append(
            f'<g><title>{escape(words)}</title><path class="spread" d="M{x:.1f} {bottom:.1f}'
            f'V{top:.1f}"/><circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.2"/></g>'
        )
    return Markup("".join(parts) + "</svg>")


def nice_ticks(low: float, high: float, at_most: int = 5) -> list[float]:
    """Return round numbers within a range: one, two, two and a half or five of a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / at_most))
    step = next(
        (power * each for each in STEPS if (high - low) / (power * each) <= at_most), power * 10
    )
    places = np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    # A step of 0.1 makes 0.30000000000000004.
    return [float(f"{place * step:.12g}") for place in places]
