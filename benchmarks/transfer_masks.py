"""Do masks of another project help to learn new ones? (`make bench-transfer-masks`)

The question of Mantha et al. 2022 (arXiv:2211.03937), asked again: one network (a UNet on an
EfficientNet-lite0) learns 5 to 100 % of a task's images with the same number of steps, from random
weights, from what it learnt of another project's masks (nuclei and membranes of each other, kelp of
membranes), and with an encoder that learnt ImageNet. Each way has the learning rate that does best
on the validation images with 25 % and the first seed, out of the same two. The seeds' subsets are
nested; test images are the same for all.

Measured is the mean Dice (IoU and MCC beside it) over test images; gains are paired by seed and
image, and both are drawn with replacement for the interval.

Every finished training is kept in --work, and skipped when the benchmark is started again with the
same options. Processes with --only may run side by side.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_record import HERE, record, replace_text
from finished_runs import FinishedRuns
from torch import Tensor
from transfer_masks_figures import SCRATCH, Floats, Results, dice_of, figures_of, picture, table
from transfer_masks_tasks import FOLDERS, TASKS, Task

from zooassist_plugin.errors import Refused
from zooassist_training.augment import Augmentation
from zooassist_training.encoders import open_encoder
from zooassist_training.evaluation.masks.overlap import count
from zooassist_training.fit_options import FitOptions
from zooassist_training.recipes.imagenet_lite0 import ARCHITECTURE, write_imagenet_encoder
from zooassist_training.segmentation.encoder_unet import EncoderUNet
from zooassist_training.segmentation.fit import WindowOptions, fit_masks
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec, SegmentationNetwork
from zooassist_training.segmentation.stacks import Stacks, channel_statistics
from zooassist_training.segmentation.teaching import ask, foreground_parts
from zooassist_training.segmentation.train import untrained_network

log = logging.getLogger(__name__)
FRACTIONS = {
    "nuclei": (5, 10, 25, 50, 75, 100),
    "em": (5, 10, 25, 50, 75, 100),
    "kelp": (5, 25, 100),
}
OTHER = {"nuclei": "em", "em": "nuclei", "kelp": "em"}
ARMS = (SCRATCH, "other", "generic")
RATES = (1e-3, 4e-3)  # the same choice for all: none gets more tries
RATE_FRACTION = 25
# The adversary has no part in the question, and takes time.
ALONE = AdversaryOptions(loss="dice-ce", after=10**6, every=10**6, epochs=0)


@dataclass(frozen=True)
class Options:
    """What a single training depends on beside its task, arm, fraction, seed and rate."""

    steps: int
    before: int
    batch: int
    size: int
    threads: int

    def recipe(self, images: int, steps: int, seed: int, rate: float) -> MaskRecipe:
        """Return a recipe of so many steps, whatever the number of images."""
        return MaskRecipe(
            "transfer",
            "mask",
            network=f"timm:{ARCHITECTURE}",
            network_options={"levels": 4, "width": 12},
            discriminator=DiscriminatorSpec(4, 2),
            # One epoch of many windows: an epoch's end takes time.
            windows=WindowOptions(self.size, 1, math.ceil(steps * self.batch / images)),
            fit=FitOptions(
                epochs=1,
                batch_size=self.batch,
                learning_rate=rate,
                averaging=0.95,
                patience=0,
                seed=seed,
                threads=self.threads,
                augmentation=Augmentation(zoom=0.15, shift=0, brightness=0.2),
            ),
            adversary=ALONE,
        )


class Trainings:
    """All trainings of all tasks, each done once."""

    def __init__(self, data: Path, work: Path, options: Options, runs: FinishedRuns) -> None:
        self._data, self._work, self._options, self._runs = data, work, options, runs
        self._tasks: dict[str, Task] = {}
        self._sources: dict[str, SegmentationNetwork] = {}

    def task(self, name: str) -> Task:
        """Read a task once."""
        if name not in self._tasks:
            self._tasks[name] = TASKS[name](self._data)
        return self._tasks[name]

    @cached_property
    def imagenet(self) -> Mapping[str, Tensor]:
        """Weights of the encoder that learnt ImageNet."""
        folder = write_imagenet_encoder(self._work / "imagenet")
        return open_encoder(f"local-dir:{folder}").module.state_dict()

    def source(self, name: str) -> SegmentationNetwork:
        """Return the network that learnt another project, from all of its training images."""
        if name not in self._sources:
            path = self._work / f"source-{name}-{self.task(name).known[:6]}-{self._options}.pt"
            training = self.task(name).training
            options = self._options
            recipe = options.recipe(len(training), options.before, seed=1, rate=max(RATES))
            network = untrained_network(recipe, 1, 3)
            if path.is_file():
                network.load_state_dict(torch.load(path, weights_only=True))
            else:
                network = fitted(recipe, training, SCRATCH)
                torch.save(network.state_dict(), path)
            self._sources[name] = network
            log.info("%s: learnt by itself, Dice %.4f", name, _mean(network, self.task(name).test))
        return self._sources[name]

    def run(self, name: str, arm: str, per_cent: int, seed: int, rate: float) -> dict[str, Any]:
        """Train, or return what was found before."""
        task = self.task(name)
        key = asdict(self._options) | {
            "task": name,
            "arm": arm,
            "per_cent": per_cent,
            "seed": seed,
            "rate": rate,
            "images": task.known,
            "other": self.task(OTHER[name]).known if arm == "other" else "",
        }

        def train() -> dict[str, Any]:
            begun = time.perf_counter()
            chosen = subset(len(task.training), per_cent, seed)
            training = foreground_parts(task.training, chosen)
            recipe = self._options.recipe(len(training), self._options.steps, seed, rate)
            start = self.source(OTHER[name]).state_dict() if arm == "other" else None
            encoder = self.imagenet if arm == "generic" else None
            network = fitted(recipe, training, arm, start, encoder)
            chooses = per_cent == RATE_FRACTION and seed == 1
            return {
                "counts": counts_of(network, task.test),
                "validation": _mean(network, task.validation) if chooses else None,
                "seconds": time.perf_counter() - begun,
            }

        found = self._runs.result_of(key, train)
        log.info(
            "%s, %s, %d %%, seed %d, rate %g: Dice %.4f, %.0f s",
            *(name, arm, per_cent, seed, rate),
            *(dice_of(np.array(found["counts"])).mean(), found["seconds"]),
        )
        return found

    def rate(self, name: str, arm: str) -> float:
        """Return the learning rate with the best validation Dice, tried with the first seed."""
        tried = {r: self.run(name, arm, RATE_FRACTION, 1, r)["validation"] for r in RATES}
        return max(tried, key=lambda rate: tried[rate])

    def results(self, tasks: Sequence[str], arms: Sequence[str], seeds: int) -> dict[Any, Floats]:
        """Run every task with every arm, fraction and seed."""
        found = {}
        for name in tasks:
            for arm in arms:
                rate = self.rate(name, arm)
                for per_cent in FRACTIONS[name]:
                    of_seeds = [
                        self.run(name, arm, per_cent, seed, rate)["counts"]
                        for seed in range(1, seeds + 1)
                    ]
                    found[name, arm, per_cent] = np.array(of_seeds, dtype=np.float64)
        return found


def fitted(
    recipe: MaskRecipe,
    training: Stacks,
    arm: str,
    start: Mapping[str, Tensor] | None = None,
    encoder: Mapping[str, Tensor] | None = None,
) -> SegmentationNetwork:
    """Train one network; pixels are scaled by the statistics of its own images in every arm."""
    torch.manual_seed(recipe.fit.seed)
    network = untrained_network(recipe, 1, 3)
    network.normalise_by(*channel_statistics(training))
    if start is not None:
        network.load_state_dict(copy.deepcopy(dict(start)))
    if encoder is not None:
        assert isinstance(network.generator, EncoderUNet)
        taken = network.generator.take_encoder(encoder)
        log.debug("%s: %d tensors taken over", arm, taken)
    nothing = foreground_parts(training, ())
    fit_masks(network, training, nothing, recipe.windows, recipe.fit, recipe.adversary)
    return network


def subset(images: int, per_cent: int, seed: int) -> list[int]:
    """Return which images are learnt; smaller subsets of a seed are part of its larger ones."""
    order = np.random.default_rng(seed).permutation(images)
    return sorted(order[: max(1, round(images * per_cent / 100))].tolist())


def counts_of(network: SegmentationNetwork, test: Stacks) -> list[list[int]]:
    """Return the pixels of every image: both, predicted only, true only, neither."""
    found = []
    for image, labels in zip(test.images, test.labels, strict=True):
        probabilities, _ = ask(network, image)
        one = count(probabilities[:, 0] >= 0.5, labels > 0)
        found.append([one.both, one.predicted_only, one.true_only, one.neither])
    return found


def _mean(network: SegmentationNetwork, test: Stacks) -> float:
    return float(dice_of(np.array(counts_of(network, test), dtype=np.float64)).mean())


def main() -> int:
    """Train, compare, draw, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", choices=tuple(TASKS), help="train this, with a record of its own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100, help="of every training")
    parser.add_argument("--before", type=int, default=600, help="steps on the other project")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=64, help="of the windows")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/transfer-masks"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    missing = [folder for folder in FOLDERS.values() if not (args.data / folder).is_dir()]
    if missing:
        print(f"{args.data}: {', '.join(missing)} not there, nothing measured")
        return 0
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    options = Options(args.steps, args.before, args.batch, args.size, args.threads)
    runs = FinishedRuns(args.work / "runs.jsonl")
    trainings = Trainings(args.data, args.work, options, runs)
    arms: tuple[str, ...] = ARMS
    try:
        _ = trainings.imagenet
    except Refused as error:
        print(f"without the generic arm: {error}")
        arms = tuple(arm for arm in ARMS if arm != "generic")
    tasks = tuple(TASKS) if args.only is None else (args.only,)
    results: Results = trainings.results(tasks, arms, args.seeds)
    figures = figures_of(results)
    for line in table(figures, results):
        print(line)
    only = f" --only {args.only}" if args.only else ""
    name = f"transfer-masks-{args.only}" if args.only else "transfer-masks"
    replace_text(HERE / "results" / f"{name}.svg", picture(results))
    command = f"python benchmarks/transfer_masks.py --steps {args.steps} --seeds {args.seeds}{only}"
    return 0 if record(name, figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
