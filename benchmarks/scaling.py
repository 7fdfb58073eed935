"""How does the error fall with the number of training galaxies? (`make bench-scaling`)

A network is trained from scratch on 125, 250, … galaxies of Galaxy Zoo 2 and on all, with several
seeds. Of one seed, the smaller subsets are part of the larger ones. The validation split (the same
for all) picks the epoch; measured on the test split are the predictive Dirichlet-multinomial loss
per galaxy and the error of the smooth fraction. Then `power_law` is fitted to the losses, and
again to seeds and test galaxies drawn with replacement: the interval. With few seeds that is
somewhat too narrow (three seeds drawn with replacement vary by a fifth less than seeds do).

Small sets are shown more often: epochs grow with the square root of how many times smaller a set
is than all, so that none is stopped while it still learns, and the whole takes less than an hour.

Every finished training is kept in --work, and skipped when the benchmark is started again with
the same options.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench_record import HERE, Figure, record, replace_text
from curve_chart import Panel, Series, chart
from finished_runs import FinishedRuns
from galaxy_training import (
    GalaxySplits,
    nested_subset,
    network_from_scratch,
    read_galaxy_splits,
)
from network_answers import concentrations_of_network, loss_per_galaxy
from power_law import Floats, PowerLaw, fit_mean, interval, resampled_fits

from zooassist_training.datasets import LabelledImages
from zooassist_training.encoders import PRESETS
from zooassist_training.evaluate import cumulative, fractions_of_votes
from zooassist_training.evaluation.metrics import fractions_of_samples
from zooassist_training.fit import fit
from zooassist_training.fit_options import FitOptions, Precision

log = logging.getLogger(__name__)
SIZES = (125, 250, 500, 1000, 2000, 0)
SMOOTH = "smooth-or-featured_smooth"
RESAMPLES = 1000
BATCH = 32  # so that 125 galaxies still make several steps


@dataclass(frozen=True)
class Options:
    """What a single training depends on beside its galaxies and seed.

    Attributes
    ----------
    epochs : int
        With all galaxies; see `epochs_of`.
    """

    encoder: str
    size: int
    epochs: int
    samples: int
    threads: int
    precision: Precision


def epochs_of(galaxies: int, of_all: int, epochs: int) -> int:
    """Return how often a subset is shown: more often by the root of how much smaller it is."""
    return round(epochs * math.sqrt(of_all / galaxies))


def asked_sizes(sizes: Sequence[int], of_all: int) -> list[int]:
    """Return the sizes in order, 0 meaning all; sizes of which there are too few are left out."""
    found = sorted({size or of_all for size in sizes if size <= of_all})
    left_out = [size for size in sizes if size > of_all]
    if left_out:
        log.warning("there are %d galaxies to train on: left out are %s", of_all, left_out)
    return found


def train(splits: GalaxySplits, galaxies: int, seed: int, options: Options) -> dict[str, Any]:
    """Train once; return the loss of each test galaxy, the smooth error, and seconds."""
    begun = time.perf_counter()
    of_all, schema, test = len(splits.training), splits.schema, splits.test
    training: LabelledImages = splits.training.rows(nested_subset(galaxies, of_all, seed))
    network = network_from_scratch(
        options.encoder, training, schema, options.size, seed, options.samples
    )
    fit_options = FitOptions(
        epochs=epochs_of(galaxies, of_all, options.epochs),
        batch_size=BATCH,
        patience=0,
        seed=seed,
        threads=options.threads,
        precision=options.precision,
    )
    fitted = fit(network, schema, training, splits.validation, fit_options)
    concentrations = concentrations_of_network(fitted.network, test.images)
    loss = loss_per_galaxy(concentrations, test.counts, schema)
    place = schema.columns.index(SMOOTH)
    expected = cumulative(fractions_of_samples(concentrations, schema), schema)[:, place]
    observed = cumulative(fractions_of_votes(test.counts, schema), schema)[:, place]
    best = min(fitted.history, key=lambda epoch: epoch["validation_loss"])
    return {
        "loss": [round(float(each), 5) for each in loss],
        "smooth_rmse": float(np.sqrt(np.mean((expected - observed) ** 2))),
        "best_epoch": best["epoch"],
        "seconds": time.perf_counter() - begun,
    }


def train_all(
    splits: GalaxySplits, sizes: Sequence[int], seeds: int, options: Options, runs: FinishedRuns
) -> dict[int, list[dict[str, Any]]]:
    """Train each size with each seed, or take what was trained; by size, one result per seed."""
    results: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes}
    for seed in range(1, seeds + 1):
        for size, of_size in results.items():
            key = asdict(options) | {"galaxies": size, "seed": seed, "votes": splits.sha256}
            found = runs.result_of(key, partial(train, splits, size, seed, options))
            of_size.append(found)
            log.info(
                "seed %d, %d galaxies: loss %.4f, smooth %.4f, best epoch %d, %.0f s",
                seed,
                size,
                np.mean(found["loss"]),
                found["smooth_rmse"],
                found["best_epoch"],
                found["seconds"],
            )
    return results


@dataclass(frozen=True)
class Scaling:
    """The law, and the laws of everything drawn with replacement."""

    sizes: Floats
    losses: Floats
    law: PowerLaw
    resampled: list[PowerLaw]

    @classmethod
    def of(cls, results: Mapping[int, list[dict[str, Any]]], resamples: int) -> Scaling:
        """Fit; losses of shape (seeds, sizes, galaxies)."""
        sizes = np.array(sorted(results), dtype=np.float64)
        by_size = [[run["loss"] for run in results[int(size)]] for size in sizes]
        losses = np.array(by_size).swapaxes(0, 1)
        fits = resampled_fits(sizes, losses, resamples, seed=0)
        return cls(sizes, losses, fit_mean(sizes, losses), fits)


def figures_of(results: Mapping[int, list[dict[str, Any]]], scaling: Scaling) -> dict[str, Figure]:
    """Return the law with its interval, and loss and smooth error of each size."""
    law, seeds = scaling.law, scaling.losses.shape[0]
    low, high = interval(np.array([each.exponent for each in scaling.resampled]))
    floors = interval(np.array([each.floor for each in scaling.resampled]))
    at_bound = np.mean([each.at_bound for each in scaling.resampled])
    figures = {
        "exponent": Figure(law.exponent, "of the number of galaxies"),
        "exponent_low": Figure(low, "2.5 % of the resampled fits"),
        "exponent_high": Figure(high, "97.5 % of the resampled fits"),
        "exponent_at_bound": Figure(float(at_bound), "of the resampled fits"),
        "floor": Figure(law.floor, "nats per galaxy"),
        "floor_low": Figure(floors[0], "2.5 % of the resampled fits"),
        "floor_high": Figure(floors[1], "97.5 % of the resampled fits"),
        "scale": Figure(law.scale, "nats per galaxy"),
    }
    for place, size in enumerate(scaling.sizes):
        runs, name = results[int(size)], f"galaxies_{int(size)}"
        of_size = scaling.losses[:, place].mean(1)
        figures[f"{name}_loss"] = Figure(float(of_size.mean()), f"nats per galaxy, {seeds} seeds")
        if seeds > 1:
            spread = float(of_size.std(ddof=1))
            figures[f"{name}_loss_deviation"] = Figure(spread, "nats per galaxy, between seeds")
        smooth = float(np.mean([run["smooth_rmse"] for run in runs]))
        figures[f"{name}_smooth_rmse"] = Figure(smooth, "fraction")
    figures["seconds"] = Figure(
        sum(run["seconds"] for runs in results.values() for run in runs), "s, all trainings"
    )
    return figures


def picture(scaling: Scaling) -> str:
    """Draw the losses of every seed with the law and the band of the resampled laws."""
    sizes, law = scaling.sizes, scaling.law
    along = np.geomspace(sizes.min(), sizes.max(), 40)
    drawn = np.array([each.at(along) for each in scaling.resampled])
    lows, highs = np.quantile(drawn, [0.025, 0.975], axis=0)
    per_run = scaling.losses.mean(2)
    series = (
        Series(
            "fit, 95 % band",
            line=_pairs(along, law.at(along)),
            band=tuple(zip(along.tolist(), lows.tolist(), highs.tolist(), strict=True)),
        ),
        Series("each seed", points=tuple(p for run in per_run for p in _pairs(sizes, run))),
    )
    panel = Panel(
        f"Loss on galaxies never seen: {law.floor:.2f} + {law.scale:.3g} · D^-{law.exponent:.2f}",
        series,
        ticks=tuple(sizes.tolist()),
        x_axis="training galaxies D",
        y_axis="nats per galaxy",
        log_y=True,
    )
    return chart([panel], "Loss on the test split over the number of training galaxies")


def _pairs(x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def main() -> int:
    """Train, fit, draw, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies"))
    parser.add_argument("--encoder", default="small", choices=sorted(PRESETS))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="0 for all.")
    parser.add_argument("--epochs", type=int, default=12, help="With all galaxies.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="32", choices=["32", "bf16"])
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--no-record", action="store_true", help="Print, and draw into --work.")
    asked = parser.parse_args()
    if not (asked.data / "votes.csv").is_file():
        print(f"{asked.data}: no votes.csv there; give the galaxies' folder with --data")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    options = Options(
        asked.encoder, asked.size, asked.epochs, asked.samples, asked.threads, asked.precision
    )
    splits = read_galaxy_splits(asked.data, options.size)
    sizes = asked_sizes(asked.sizes, len(splits.training))
    if len(sizes) < 3:
        print(f"--sizes: expected at least three for a law with three unknowns, got {sizes}")
        return 2
    runs = FinishedRuns(asked.work / "scaling.jsonl")
    results = train_all(splits, sizes, asked.seeds, options, runs)
    scaling = Scaling.of(results, RESAMPLES)
    figures = figures_of(results, scaling)
    for name, figure in figures.items():
        print(f"{name:34} {figure.value:9.4f} {figure.unit}")
    folder = asked.work if asked.no_record else HERE / "results"
    replace_text(folder / "scaling.svg", picture(scaling))
    if asked.no_record:
        return 0
    command = (
        f"python benchmarks/scaling.py --encoder {asked.encoder} --size {asked.size} "
        f"--epochs {asked.epochs} --seeds {asked.seeds} --precision {asked.precision}"
    )
    return 0 if record("scaling", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
