"""At which fraction does pre-training help, and by how much? Paired differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bench_record import Figure
from curve_chart import Panel, Series, chart
from numpy.typing import NDArray
from power_law import interval

Floats = NDArray[np.float64]
RESAMPLES = 2000
SCRATCH = "scratch"
NAMES = {
    SCRATCH: "from scratch",
    "other": "pre-trained on another project",
    "generic": "encoder pre-trained on ImageNet",
}
# (task, arm, per cent of the training images) -> pixels (both, predicted only, true only, neither)
# of every test image, shape (seeds, images, 4).
Results = Mapping[tuple[str, str, int], Floats]


def dice_of(counts: Floats) -> Floats:
    """Return Dice of counts (…, 4); 1 where nothing is predicted and nothing true."""
    whole = 2 * counts[..., 0] + counts[..., 1] + counts[..., 2]
    return np.where(whole > 0, 2 * counts[..., 0] / np.maximum(whole, 1), 1.0)


def iou_of(counts: Floats) -> Floats:
    """Return the IoU; 1 where nothing is predicted and nothing true."""
    whole = counts[..., :3].sum(-1)
    return np.where(whole > 0, counts[..., 0] / np.maximum(whole, 1), 1.0)


def mcc_of(counts: Floats) -> Floats:
    """Return Matthews' correlation; 0 where one of the four sums is empty."""
    both, false, missed, neither = np.moveaxis(counts.astype(np.float64), -1, 0)
    below = np.sqrt((both + false) * (both + missed) * (neither + false) * (neither + missed))
    above = both * neither - false * missed
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


METRICS = {"dice": dice_of, "iou": iou_of, "mcc": mcc_of}


def gain(before: Floats, after: Floats, seed: int = 0) -> tuple[float, float, float]:
    """Return the mean difference of two arms and its 95 % interval.

    Parameters
    ----------
    before, after : arrays of shape (seeds, images)
        A seed is the same labelled images in both, and an image the same image: both are drawn with
        replacement, for both arms at once.
    """
    difference = after - before
    random = np.random.default_rng(seed)
    seeds, images = difference.shape
    drawn = [
        difference[random.integers(seeds, size=seeds)][:, random.integers(images, size=images)]
        for _ in range(RESAMPLES)
    ]
    low, high = interval(np.array([each.mean() for each in drawn]))
    return float(difference.mean()), low, high


def figures_of(results: Results) -> dict[str, Figure]:
    """Name the figures: each arm's scores, and what it gains over training from scratch."""
    figures: dict[str, Figure] = {}
    for (task, arm, per_cent), counts in results.items():
        unit = f"{len(counts)} seeds, {counts.shape[1]} images"
        for metric, measure in METRICS.items():
            name = f"{task}_{arm}_{per_cent}_{metric}"
            figures[name] = Figure(float(measure(counts).mean()), unit)
        if arm != SCRATCH:
            base = dice_of(results[task, SCRATCH, per_cent])
            mean, low, high = gain(base, dice_of(counts))
            name = f"{task}_{arm}_{per_cent}_gain"
            figures[name] = Figure(mean, "Dice more than from scratch")
            figures[f"{name}_low"] = Figure(low, "2.5 % of the resampled")
            figures[f"{name}_high"] = Figure(high, "97.5 % of the resampled")
    for task, arm in dict.fromkeys((task, arm) for task, arm, _ in results if arm != SCRATCH):
        helped, harmed = helps_at(figures, task, arm)
        figures[f"{task}_{arm}_helps_up_to"] = Figure(
            max(helped, default=0), "% of the training images, 0: nowhere"
        )
        figures[f"{task}_{arm}_helps_at"] = Figure(len(helped), "fractions")
        figures[f"{task}_{arm}_harms_at"] = Figure(len(harmed), "fractions")
    return figures


def helps_at(figures: Mapping[str, Figure], task: str, arm: str) -> tuple[list[int], list[int]]:
    """Return the fractions (per cent) at which an arm helps, and those at which it harms."""
    start, helped, harmed = f"{task}_{arm}_", [], []
    for name in figures:
        if name.startswith(start) and name.endswith("_gain"):
            per_cent = int(name.removeprefix(start).removesuffix("_gain"))
            if figures[f"{name}_low"].value > 0:
                helped.append(per_cent)
            if figures[f"{name}_high"].value < 0:
                harmed.append(per_cent)
    return helped, harmed


def table(figures: Mapping[str, Figure], results: Results) -> list[str]:
    """Return the gains for people, a line per task and arm."""
    lines = []
    for task, arm in dict.fromkeys((task, arm) for task, arm, _ in results if arm != SCRATCH):
        told = []
        for per_cent in [each for t, a, each in results if (t, a) == (task, arm)]:
            mean, low, high = (
                figures[f"{task}_{arm}_{per_cent}_gain{end}"].value for end in ("", "_low", "_high")
            )
            told.append(f"{per_cent} %: {mean:+.3f} ({low:+.3f} to {high:+.3f})")
        lines.append(f"{task}, {NAMES[arm]}: {'; '.join(told)}")
    return lines


def picture(results: Results) -> str:
    """Draw Dice over the fraction of the training images, each seed and the seeds' mean."""
    panels = []
    for task in dict.fromkeys(task for task, _, _ in results):
        series = []
        fractions: Sequence[int] = sorted({p for t, _, p in results if t == task})
        for arm in NAMES:
            found: dict[int, Any] = {
                p: dice_of(results[task, arm, p]).mean(1)
                for p in fractions
                if (task, arm, p) in results
            }
            if found:
                series.append(
                    Series(
                        NAMES[arm],
                        points=tuple((p, float(d)) for p, each in found.items() for d in each),
                        line=tuple((p, float(each.mean())) for p, each in found.items()),
                    )
                )
        ticks = tuple(float(each) for each in fractions)
        panels.append(Panel(task, tuple(series), ticks, "% of the training images", "mean Dice"))
    return chart(panels, "Dice over the share of training images, for each task")
