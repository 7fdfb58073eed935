"""What do the trainings of the transfer benchmark say? Error reductions with intervals, and curves.

The headline is over the tasks that ask nothing which the pre-training's classes say, and over all
numbers of labels. Intervals are of tasks, and seeds within them, drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from bench_record import Figure
from curve_chart import Panel, Series, chart
from error_reduction import Floats, relative_reduction, resampled_reductions
from power_law import interval
from transfer_tasks import Task

RESAMPLES = 2000
MARK = 0.31  # GZ Evo's mean reduction over five tasks, against ImageNet
BEHIND = 0.1
NAMES = {
    "scratch": "from scratch",
    "full": "pre-trained on galaxies, fine-tuned",
    "linear": "pre-trained on galaxies, linear probe",
    "imagenet_full": "ImageNet, fine-tuned",
    "imagenet_linear": "ImageNet, linear probe",
}
# (task, way of training, labels) -> one result per seed.
Results = Mapping[tuple[str, str, int], list[dict[str, Any]]]


def errors_of(
    results: Results, tasks: Iterable[str], arm: str, sizes: Sequence[int], what: str = "error"
) -> list[Floats]:
    """Return per task an array (sizes, seeds); what was not measured is left out.

    Parameters
    ----------
    what : str
        ``error`` (1 − accuracy) or ``rmse`` (of the vote fractions).
    """
    found = []
    for task in tasks:
        rows = [results[task, arm, size] for size in sizes if (task, arm, size) in results]
        if rows:
            found.append(np.array([[run[what] for run in row] for row in rows]))
    return found


def reduction_figures(
    results: Results,
    name: str,
    tasks: Sequence[str],
    sizes: Sequence[int],
    arms: tuple[str, str],
    what: str = "error",
    goal: float | None = None,
) -> dict[str, Figure]:
    """Return the relative error reduction and its 95 % interval; nothing without tasks.

    Parameters
    ----------
    arms : (str, str)
        The base, and what should be better.
    """
    base, new = (errors_of(results, tasks, arm, sizes, what) for arm in arms)
    if not base or not new:
        return {}
    low, high = interval(resampled_reductions(base, new, RESAMPLES, seed=0))
    words = f"of {what} of {arms[0]}, {len(base)} tasks"
    return {
        name: Figure(relative_reduction(base, new), words, goal, "higher"),
        f"{name}_low": Figure(low, "2.5 % of the resampled"),
        f"{name}_high": Figure(high, "97.5 % of the resampled"),
    }


def figures_of(results: Results, tasks: Sequence[Task], sizes: Sequence[int]) -> dict[str, Figure]:
    """Return the headline, its parts, and the error of each task, way and number of labels."""
    apart = [task.rows.name for task in tasks if not task.rows.overlaps]
    asked = [task.rows.name for task in tasks if task.rows.overlaps]
    voted = [task.rows.name for task in tasks if task.rows.volunteers and not task.rows.overlaps]
    full, linear = ("scratch", "full"), ("scratch", "linear")
    figures = reduction_figures(results, "reduction", apart, sizes, full, goal=MARK)
    figures |= reduction_figures(results, "reduction_linear", apart, sizes, linear)
    for size in sizes:
        name = f"reduction_{size}_labels"
        figures |= reduction_figures(results, name, apart, [size], full)
        figures |= reduction_figures(results, f"{name}_linear", apart, [size], linear)
    figures |= reduction_figures(results, "reduction_overlapping", asked, sizes, full)
    figures |= reduction_figures(results, "reduction_rmse", voted, sizes, full, "rmse")
    figures |= reduction_figures(results, "reduction_rmse_linear", voted, sizes, linear, "rmse")
    for new in ("full", "linear"):
        against = (f"imagenet_{new}", new)
        name = f"reduction_{new}_against_imagenet"
        figures |= reduction_figures(results, name, apart, sizes, against)
    before, after = (errors_of(results, apart, arm, sizes) for arm in ("full", "linear"))
    if before:
        behind = -relative_reduction(before, after)
        figures["linear_behind_full"] = Figure(behind, "of error of full fine-tuning", BEHIND)
    return figures | _each(results, tasks)


def _each(results: Results, tasks: Sequence[Task]) -> dict[str, Figure]:
    figures = {}
    for task in tasks:
        name = task.rows.name
        unit = f"of {len(task.test)}, always the most frequent answer"
        figures[f"{name}_majority_error"] = Figure(task.majority_error, unit)
        for (of_task, arm, size), runs in results.items():
            if of_task == name:
                value = float(np.mean([run["error"] for run in runs]))
                figures[f"{name}_{arm}_{size}_error"] = Figure(value, f"{len(runs)} seeds")
    return figures


def picture(results: Results, tasks: Sequence[Task], sizes: Sequence[int]) -> str:
    """Draw the error of every task over the number of labels, each seed and the seeds' mean."""
    arms = list(dict.fromkeys(arm for _, arm, _ in results))
    panels = []
    for task in tasks:
        name = task.rows.name
        series = []
        for arm in arms:
            errors = {
                float(size): [run["error"] for run in results[name, arm, size]]
                for size in sizes
                if (name, arm, size) in results
            }
            means = tuple((size, float(np.mean(each))) for size, each in errors.items())
            dots = tuple((size, error) for size, each in errors.items() for error in each)
            series.append(Series(NAMES[arm], points=dots, line=means))
        title = f"{name} (asked in pre-training)" if task.rows.overlaps else name
        ticks = tuple(float(size) for size in sizes)
        panels.append(Panel(title, tuple(series), ticks, "labels", "1 − accuracy"))
    return chart(panels, "Error over the number of labels, for each downstream task")
