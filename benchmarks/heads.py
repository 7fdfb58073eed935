"""Which concentration head explains votes that it never saw best? (`make bench-heads`)

Trains the same small network with each head of `zooassist_training.heads`, several seeds each, on
the published vote fractions of Galaxy Zoo 2 (40 volunteers assumed), and measures the predictive
Dirichlet-multinomial likelihood per galaxy on the test split: the held-back fifth. All heads see
the same images in the same order, so that heads are compared seed by seed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_record import Figure, record
from galaxy_training import network_from_scratch, read_galaxy_splits
from network_answers import concentrations_of_network, loss_per_galaxy
from numpy.typing import NDArray

from zooassist_training.encoders import PRESETS
from zooassist_training.evaluate import cumulative, fractions_of_votes
from zooassist_training.evaluation.metrics import fractions_of_samples
from zooassist_training.fit import fit
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.heads import CONCENTRATIONS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Options:
    """How much to train: the encoder's preset, pixels, epochs, posterior samples, threads."""

    encoder: str
    size: int
    epochs: int
    samples: int
    threads: int
    precision: Precision


@dataclass(frozen=True)
class Result:
    """One training of one head: loss per test galaxy (nats), and error of all 37 fractions."""

    nll: Floats
    rmse: float
    seconds: float


def compare(data: Path, options: Options, seeds: int, images: int) -> dict[str, list[Result]]:
    """Train every head with every seed.

    Parameters
    ----------
    data : Path
        Holds ``votes.csv`` and ``images.zip``.
    images : int
        Training galaxies to use; 0 for all.
    """
    splits = read_galaxy_splits(data, options.size)
    schema, validation, test = splits.schema, splits.validation, splits.test
    training = splits.training.rows(slice(images or None))
    observed = cumulative(fractions_of_votes(test.counts, schema), schema)
    results: dict[str, list[Result]] = {head: [] for head in CONCENTRATIONS}
    for seed in range(1, seeds + 1):
        for head, of_head in results.items():
            start = time.perf_counter()
            network = network_from_scratch(
                options.encoder, training, schema, options.size, seed, options.samples, head
            )
            fit_options = FitOptions(
                epochs=options.epochs,
                seed=seed,
                threads=options.threads,
                precision=options.precision,
            )
            fitted = fit(network, schema, training, validation, fit_options).network
            concentrations = concentrations_of_network(fitted, test.images)
            nll = loss_per_galaxy(concentrations, test.counts, schema)
            predicted = cumulative(fractions_of_samples(concentrations, schema), schema)
            rmse = float(np.sqrt(np.mean((predicted - observed) ** 2)))
            of_head.append(Result(nll, rmse, time.perf_counter() - start))
            logging.info("seed %d, %s: loss %.4f, rmse %.4f", seed, head, nll.mean(), rmse)
    return results


def figures_of(results: dict[str, list[Result]], seeds: int) -> dict[str, Figure]:
    """Return loss and error of each head, and how much it loses against the best, seed by seed.

    The spread is the standard error of the mean over seeds; with one seed there is none.
    """
    losses = {
        head: np.array([float(each.nll.mean()) for each in of_head])
        for head, of_head in results.items()
    }
    best = min(losses, key=lambda head: float(losses[head].mean()))
    figures: dict[str, Figure] = {}
    for head, loss in losses.items():
        name = head.replace("-", "_")
        behind = loss - losses[best]
        figures[f"{name}_loss"] = Figure(float(loss.mean()), f"nats per galaxy, {seeds} seeds")
        figures[f"{name}_loss_behind_best"] = Figure(float(behind.mean()), "nats per galaxy")
        if seeds > 1:
            error = float(behind.std(ddof=1) / np.sqrt(seeds))
            figures[f"{name}_loss_behind_best_standard_error"] = Figure(error, "nats per galaxy")
        rmse = float(np.mean([each.rmse for each in results[head]]))
        figures[f"{name}_all_columns_rmse"] = Figure(rmse, "fraction")
        seconds = float(np.mean([each.seconds for each in results[head]]))
        figures[f"{name}_seconds"] = Figure(seconds, "s per training")
    return figures


def main() -> int:
    """Train, compare, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies"))
    parser.add_argument("--encoder", default="small", choices=sorted(PRESETS))
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--images", type=int, default=0, help="Training galaxies; 0 for all.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="32", choices=["32", "bf16"])
    parser.add_argument("--no-record", action="store_true", help="Print only.")
    asked = parser.parse_args()
    if not (asked.data / "votes.csv").is_file():
        print(f"{asked.data}: no votes.csv there; give the galaxies' folder with --data")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = Options(
        asked.encoder, asked.size, asked.epochs, asked.samples, asked.threads, asked.precision
    )
    figures = figures_of(compare(asked.data, options, asked.seeds, asked.images), asked.seeds)
    for name, figure in figures.items():
        print(f"{name:42} {figure.value:9.4f} {figure.unit}")
    if asked.no_record:
        return 0
    command = (
        f"python benchmarks/heads.py --encoder {asked.encoder} --size {asked.size} "
        f"--epochs {asked.epochs} --seeds {asked.seeds} --precision {asked.precision}"
    )
    return 0 if record("heads", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
