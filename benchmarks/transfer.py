"""What is an encoder worth that knows galaxies, with few labels? (`make bench-transfer`)

An encoder that learnt to tell five classes of galaxies apart is fine-tuned, or left alone under a
new head (linear probe), on downstream tasks (`transfer_tasks`) with 50, 200 and 800 labels, several
seeds each; the same network starts from random weights with the same number of steps. Each way has
the learning rate that does best on the validation galaxies of the task (200 labels, first seed).
The seeds' subsets are nested; test galaxies are the same for all. Where a hub can be reached, an
encoder that learnt ImageNet goes the same ways.

Measured: 1 − accuracy of the most likely answer, and, where volunteers voted, the root mean square
error of the fractions. The headline is the relative error reduction (`error_reduction`) over the
tasks that ask nothing which the pre-training's classes say; the other tasks have rows of their own.

Every finished training is kept in --work, and skipped when the benchmark is started again with
the same options.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_record import HERE, record, replace_text
from finished_runs import FinishedRuns
from galaxy_training import nested_subset
from network_answers import concentrations_of_network, loss_per_galaxy
from transfer_arms import Arm, Pretraining, Starts, read_starts
from transfer_figures import Results, figures_of, picture
from transfer_tasks import QUESTIONS, Task, example_rows, grade_rows, question_rows, read_tasks

from zooassist_exporters.votes_csv import read_votes_csv
from zooassist_training.datasets import LabelledImages
from zooassist_training.evaluate import fractions_of_votes
from zooassist_training.evaluation.metrics import fractions_of_samples
from zooassist_training.few_labels import fit_few_labels
from zooassist_training.fit import fit
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.networks import VotesNetwork

log = logging.getLogger(__name__)
SIZES = (50, 200, 800)
RATE_SIZE = 200  # labels that the learning rate is chosen with
BATCH = 25  # so that all sizes are whole batches


@dataclass(frozen=True)
class Options:
    """What a single training depends on beside its task, start, labels, seed and rate.

    Attributes
    ----------
    views : int
        Images shown in all with 50 labels; grows with the square root of the labels.
    """

    size: int
    views: int
    threads: int
    precision: Precision

    def epochs(self, labels: int) -> int:
        """Return how often each image is shown: the same for all ways of training."""
        return max(1, round(self.views * math.sqrt(labels / SIZES[0]) / labels))


def train(
    task: Task, starts: Starts, arm: Arm, labels: int, seed: int, rate: float, options: Options
) -> dict[str, Any]:
    """Train once; return error, error of the fractions, losses, seconds."""
    begun = time.perf_counter()
    schema = task.rows.schema
    training = task.training.rows(nested_subset(labels, len(task.training), seed))
    network = starts.begin(arm, training, schema, seed)
    fit_options = FitOptions(
        epochs=options.epochs(labels),
        batch_size=BATCH,
        learning_rate=rate,
        patience=0,
        seed=seed,
        threads=options.threads,
        precision=options.precision,
    )
    # Without validation, the last epoch's averaged weights are what is returned: equal effort.
    nothing = task.validation.rows(slice(0))
    fitter = fit_few_labels if arm.linear else fit
    fitted = fitter(network, schema, training, nothing, fit_options).network
    result = {f"validation_{name}": value for name, value in _scores(fitted, task, False).items()}
    return _scores(fitted, task, True) | result | {"seconds": time.perf_counter() - begun}


def _scores(network: VotesNetwork, task: Task, test: bool) -> dict[str, float]:
    part: LabelledImages = task.test if test else task.validation
    schema = task.rows.schema
    concentrations = concentrations_of_network(network, part.images)
    expected = fractions_of_samples(concentrations, schema)
    observed = fractions_of_votes(part.counts, schema)
    return {
        "error": float((expected.argmax(1) != observed.argmax(1)).mean()),
        "rmse": float(np.sqrt(np.mean((expected - observed) ** 2))),
        "loss": float(loss_per_galaxy(concentrations, part.counts, schema).mean()),
    }


class Trainings:
    """All trainings of all tasks, each done once."""

    def __init__(self, starts: Starts, options: Options, runs: FinishedRuns) -> None:
        self._starts, self._options, self._runs = starts, options, runs

    def run(self, task: Task, arm: Arm, labels: int, seed: int, rate: float) -> dict[str, Any]:
        """Train, or return what was found before."""
        key = asdict(self._options) | {
            "task": task.rows.name,
            "arm": arm.name,
            "start": self._starts.version_of(arm),
            "labels": labels,
            "seed": seed,
            "rate": rate,
            "answers": task.rows.sha256,
        }
        training = partial(train, task, self._starts, arm, labels, seed, rate, self._options)
        found = self._runs.result_of(key, training)
        log.info(
            "%s, %s, %d labels, seed %d, rate %g: error %.4f, validation loss %.4f, %.1f s",
            *(task.rows.name, arm.name, labels, seed, rate),
            *(found["error"], found["validation_loss"], found["seconds"]),
        )
        return found

    def rate(self, task: Task, arm: Arm, sizes: Sequence[int]) -> float:
        """Return the learning rate with the lowest validation loss, tried with the first seed."""
        if not arm.rates:
            return FitOptions().learning_rate  # not used
        labels = RATE_SIZE if RATE_SIZE in sizes else max(sizes)
        tried = {r: self.run(task, arm, labels, 1, r)["validation_loss"] for r in arm.rates}
        return min(tried, key=lambda rate: tried[rate])

    def results(self, tasks: Iterable[Task], sizes: Sequence[int], seeds: int) -> Results:
        """Run every task with every arm, number of labels and seed."""
        found: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
        for task in tasks:
            possible = [size for size in sizes if size <= len(task.training)]
            for arm in self._starts.arms:
                rate = self.rate(task, arm, possible)
                for labels in possible:
                    found[task.rows.name, arm.name, labels] = [
                        self.run(task, arm, labels, seed, rate) for seed in range(1, seeds + 1)
                    ]
        return found


def read_all_tasks(data: Path, size: int, wanted: Sequence[str]) -> tuple[list[Task], list[int]]:
    """Read the tasks that are wanted, and name all galaxies of Galaxy Zoo 2 among them."""
    table = read_votes_csv(data / "galaxies" / "votes.csv")
    questions = [question_rows(name, table) for name in QUESTIONS if name in wanted]
    tasks: dict[str, Task] = {}
    if questions:
        tasks |= read_tasks(questions, data / "galaxies" / "votes.csv", size)
    for folder, index, read in (
        ("gz_examples", "index.csv", example_rows),
        ("space_warps", "candidates.csv", grade_rows),
    ):
        if folder in wanted:
            path = data / folder / index
            tasks |= read_tasks([read(path)], path, size)
    return list(tasks.values()), table.subject_ids


TASKS = (*QUESTIONS, "gz_examples", "space_warps")


def main() -> int:
    """Pre-train, train, compare, draw, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="Labels.")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=64, help="Pixels.")
    parser.add_argument("--views", type=int, default=1500, help="Images shown with 50 labels.")
    parser.add_argument("--pretrain-epochs", type=int, default=4)
    parser.add_argument("--pretrain-images", type=int, default=0, help="0 for all.")
    parser.add_argument("--no-imagenet", action="store_true", help="Do not ask a hub.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="32", choices=["32", "bf16"])
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--no-record", action="store_true", help="Print, and draw into --work.")
    asked = parser.parse_args()
    for path in ("galaxies/votes.csv", "galaxies_pool/classes.csv"):
        if not (asked.data / path).is_file():
            print(f"{asked.data}: no {path} there; give the folder of all data with --data")
            return 2
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    for name in (__name__, "transfer_arms"):
        logging.getLogger(name).setLevel(logging.INFO)
    torch.set_num_threads(asked.threads)
    asked.work.mkdir(parents=True, exist_ok=True)
    sizes = sorted(asked.sizes)
    tasks, galaxies = read_all_tasks(asked.data, asked.size, asked.tasks)
    pretraining = Pretraining(
        asked.size, asked.pretrain_epochs, asked.pretrain_images, asked.threads, asked.precision
    )
    pool = asked.data / "galaxies_pool"
    starts = read_starts(pool, asked.work, pretraining, galaxies, not asked.no_imagenet)
    options = Options(asked.size, asked.views, asked.threads, asked.precision)
    trainings = Trainings(starts, options, FinishedRuns(asked.work / "transfer.jsonl"))
    results = trainings.results(tasks, sizes, asked.seeds)
    figures = figures_of(results, tasks, sizes)
    for name, figure in figures.items():
        goal = f"   goal {figure.goal_text}: {figure.holds}" if figure.goal is not None else ""
        print(f"{name:38} {figure.value:9.4f} {figure.unit}{goal}")
    folder = asked.work if asked.no_record else HERE / "results"
    replace_text(folder / "transfer.svg", picture(results, tasks, sizes))
    if asked.no_record:
        return 0
    command = (
        f"python benchmarks/transfer.py --data {asked.data} --size {asked.size} --views "
        f"{asked.views} --pretrain-epochs {asked.pretrain_epochs} --seeds {asked.seeds}"
    )
    return 0 if record("transfer", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
