"""How many slices must people correct until volumes are good? (`make bench-slice-choice`)

A network learns a few labelled volumes and proposes masks for others. Slices are sent to people in
the order of every scorer, and what comes back replaces the proposals: measured is the share of
slices until the volumes have a mean Dice of 0.95, for every scorer, chance, and the oracle that
knows the error. Then the network learns again from all of it, and is measured on volumes that
nobody touched. Five seeds deal the volumes and start the networks anew; intervals are Student's t
over seeds, against chance of the same seed.

The goals are for the learned combination alone, which is what `zooassist loop slices` takes: the
best of ten scorers would be chosen by the very figures.

Every seed is kept in --runs and skipped when the benchmark is started again with the same options.
Each set has a record of its own; two processes with --only may run side by side.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_record import HERE, Figure, record, replace_text
from curve_chart import Panel, Series, chart
from finished_runs import FinishedRuns
from slice_choice_data import EM, MRI, digest, read_pieces, read_scans

from zooassist_loop.simulation.curves import at_shares
from zooassist_loop.simulation.plan import SimulationPlan
from zooassist_loop.simulation.run import PEOPLE, ScorerResult, Simulation, simulate
from zooassist_loop.simulation.summary import SHARES, Estimate, Summary, summarise
from zooassist_loop.slice_learning import LEARNED
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions
from zooassist_training.recipes.hippocampus import AUGMENTATION
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec
from zooassist_training.segmentation.stacks import Stacks

log = logging.getLogger(__name__)
TARGET, SHARE, SEEDS = 0.95, 0.4, 5
JUDGE = DiscriminatorSpec(width=12, layers=3, normal=True, dropout=0.25)


@dataclass(frozen=True)
class Case:
    """One set of volumes and how it is learnt."""

    folder: str
    read: Callable[[Path], Stacks]
    plan: SimulationPlan


def _recipe(name: str, fit: FitOptions, windows: WindowOptions) -> MaskRecipe:
    return MaskRecipe(
        name,
        "mask",
        network="monai:BasicUNet",
        network_options={"features": [12, 12, 24, 48, 96, 12]},
        discriminator=JUDGE,
        windows=windows,
        fit=fit,
        adversary=AdversaryOptions(loss="dice-ce", learning_rate=1e-3, epochs=6),
    )


FIT = FitOptions(
    epochs=26, batch_size=24, learning_rate=4e-3, averaging=0.97, patience=0, threads=1
)
CASES: Mapping[str, Case] = {
    "hippocampus": Case(
        MRI,
        read_scans,
        SimulationPlan(
            _recipe(
                "hippocampus",
                replace(FIT, augmentation=AUGMENTATION),
                WindowOptions(64, 1, 16),
            ),
            training=16,
            calibration=8,
            held_out=10,
            windows_again=1500,
        ),
    ),
    "flyem": Case(
        EM,
        read_pieces,
        SimulationPlan(
            _recipe(
                "flyem",
                replace(
                    FIT, epochs=24, augmentation=Augmentation(zoom=0.1, shift=0, brightness=0.15)
                ),
                WindowOptions(64, 1, 24),
            ),
            training=10,
            calibration=6,
            held_out=4,
            windows_again=1500,
        ),
    ),
}


def kept(simulation: Simulation, seconds: float) -> dict[str, Any]:
    """Return a simulation as JSON, its curves at a hundred shares."""
    return {
        "slices": simulation.slices,
        "volumes": simulation.volumes,
        "learnt": dict(simulation.learnt),
        "seconds": seconds,
        "scorers": {
            each.scorer: {
                "curves": {p: at_shares(each.curves[p], SHARES).tolist() for p in PEOPLE},
                "needed": dict(each.needed),
                "contour": each.contour,
                "time": each.time,
                "promised_share": each.promised_share,
                "promised_quality": each.promised_quality,
            }
            for each in simulation.scorers
        },
    }


def simulation_of(content: Mapping[str, Any], seed: int) -> Simulation:
    """Read what `kept` returned."""
    scorers = tuple(
        ScorerResult(
            scorer=name,
            **(each | {"curves": {p: np.array(curve) for p, curve in each["curves"].items()}}),
        )
        for name, each in content["scorers"].items()
    )
    return Simulation(seed, content["slices"], content["volumes"], scorers, content["learnt"])


def run_case(
    name: str, data: Path, seeds: Sequence[int], runs: FinishedRuns
) -> tuple[Summary, list[dict[str, Any]]]:
    """Simulate all seeds of a case, or return what is kept of them."""
    case = CASES[name]
    stacks = case.read(data)
    known = digest(stacks)
    results = []
    for seed in seeds:
        recipe = case.plan.recipe
        plan = replace(
            case.plan,
            recipe=replace(recipe, fit=replace(recipe.fit, seed=seed)),
            target=TARGET,
            share=SHARE,
        )

        def run(plan: SimulationPlan = plan) -> dict[str, Any]:
            start = time.perf_counter()
            return kept(simulate(stacks, plan), time.perf_counter() - start)

        results.append(runs.result_of({"case": name, "plan": repr(plan), "volumes": known}, run))
        log.info("%s, seed %d: %.0f s", name, seed, results[-1]["seconds"])
    simulations = [
        simulation_of(content, seed) for content, seed in zip(results, seeds, strict=True)
    ]
    return summarise(simulations, SHARE), results


def figures_of(
    name: str, summary: Summary, results: Sequence[Mapping[str, Any]]
) -> dict[str, Figure]:
    """Name the figures of one case."""
    seeds = f"{len(summary.seeds)} seeds"
    figures = with_interval(f"{name}_proposed_dice", summary.proposed, "of volumes, " + seeds)
    figures[f"{name}_slices"] = Figure(results[0]["slices"], "in the pool")
    for each in summary.scorers:
        goals = each.scorer == LEARNED
        unit = f"share of slices until Dice {TARGET:g}"
        figures |= with_interval(
            f"{name}_{each.scorer}_share",
            each.needed["perfect"],
            unit,
            1 - 0.6 if goals else None,
        )
        figures |= with_interval(
            f"{name}_{each.scorer}_less_than_chance", each.saved, "share of slices"
        )
        low = f"{name}_{each.scorer}_less_than_chance_low"
        if goals and low in figures:
            figures[low] = replace(figures[low], goal=0.0, better="higher")
        figures |= {
            f"{name}_{each.scorer}_contour": Figure(each.contour, "of all contour, at that share"),
            f"{name}_{each.scorer}_time": Figure(each.time, "of all time, at that share"),
            f"{name}_{each.scorer}_calibrated_share": Figure(each.promised_share, "sent"),
            f"{name}_{each.scorer}_calibrated_dice": Figure(each.promised_quality, "reached"),
            f"{name}_{each.scorer}_noisy_dice": Figure(
                each.at_share["noisy"].mean, f"noisy people, {SHARE:.0%} sent"
            ),
        }
    everything = summary.scorers[0].curves["noisy"][-1]
    figures[f"{name}_noisy_dice_of_all"] = Figure(float(everything), "noisy people, all sent")
    for way, dice in summary.learnt.items():
        words = way.replace(", ", "_").replace(" ", "_")
        figures |= with_interval(f"{name}_learnt_{words}", dice, "Dice of untouched volumes")
        if way in summary.gained:
            figures |= with_interval(
                f"{name}_learnt_{words}_gain", summary.gained[way], "more than before"
            )
    minutes = sum(each["seconds"] for each in results) / 60
    figures[f"{name}_minutes"] = Figure(minutes, "min, one thread, all seeds")
    return figures


def with_interval(
    name: str, value: Estimate, unit: str, goal: float | None = None
) -> dict[str, Figure]:
    """Return a mean and the ends of its interval, where it has one."""
    figures = {name: Figure(value.mean, unit, goal)}
    if np.isfinite([value.low, value.high]).all():
        figures[f"{name}_low"] = Figure(value.low, "2.5 %, Student's t over seeds")
        figures[f"{name}_high"] = Figure(value.high, "97.5 %, Student's t over seeds")
    return figures


def picture(summaries: Mapping[str, Summary]) -> str:
    """Draw quality against the share of slices, for every case, with perfect and noisy people."""
    panels = []
    for name, summary in summaries.items():
        for people in PEOPLE:
            series = tuple(
                Series(
                    each.scorer,
                    line=tuple(zip(SHARES.tolist(), each.curves[people].tolist(), strict=True)),
                )
                for each in summary.scorers
            )
            title = f"{name}, {people} people"
            ticks = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
            panels.append(
                Panel(title, series, ticks, "share of slices sent", "mean Dice", log_x=False)
            )
    return chart(panels, "Mean Dice of volumes over the share of slices that people correct")


def main() -> int:
    """Simulate, summarise, draw, record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=tuple(CASES), help="run this one")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--runs", type=Path, default=Path("build/bench-slice-choice.jsonl"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in (__name__, "zooassist_loop.simulation.run"):
        logging.getLogger(name).setLevel(logging.INFO)
    missing = [each.folder for each in CASES.values() if not (args.data / each.folder).is_dir()]
    if missing:
        print(f"{args.data}: {', '.join(missing)} not there, nothing measured")
        return 0
    runs = FinishedRuns(args.runs)
    met = True
    for case in CASES if args.only is None else (args.only,):
        summary, results = run_case(case, args.data, range(1, args.seeds + 1), runs)
        figures = figures_of(case, summary, results)
        for name, figure in figures.items():
            print(f"{name}: {figure.value:.4g} {figure.unit} {figure.goal_text}")
        replace_text(HERE / "results" / f"slice-choice-{case}.svg", picture({case: summary}))
        command = f"python benchmarks/slice_choice.py --seeds {args.seeds} --only {case}"
        met &= record(f"slice-choice-{case}", figures, command)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
