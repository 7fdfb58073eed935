"""Where may a network start a downstream task, and what is trained of it?

From random weights; from an encoder that learnt to tell the five classes of the galaxy pool apart
(none of which is a galaxy of a task); from one that learnt ImageNet, where a hub can be reached.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from galaxy_training import network_from_scratch

from zooassist_exporters.votes_csv import VotesTable
from zooassist_exporters.votes_csv_export import export_votes_table, open_images
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.datasets import LabelledImages
from zooassist_training.encoders import OpenedEncoder, open_encoder
from zooassist_training.ensemble import members_of
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.recipes.galaxy_zoo import CROP, class_table
from zooassist_training.restore import restore_network, with_schema
from zooassist_training.train_votes import VotesRecipe, train_votes

log = logging.getLogger(__name__)
ENCODER = "small"
IMAGENET = "resnet18"


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Attributes
    ----------
    start : str
        ``scratch``, ``galaxies`` or ``imagenet``.
    linear : bool
        Whether only the head is fitted, to what the encoder makes of the images as it is.
    rates : tuple of float
        Highest learning rates to choose from; a linear probe's solver needs none.
    """

    name: str
    start: str
    linear: bool = False
    rates: tuple[float, ...] = ()


RATES = (1e-3, 4e-3)  # the same choice for all: none gets more tries
ARMS = (
    Arm("scratch", "scratch", rates=RATES),
    Arm("full", "galaxies", rates=RATES),
    Arm("linear", "galaxies", linear=True),
)
IMAGENET_ARMS = (
    Arm("imagenet_full", "imagenet", rates=RATES),
    Arm("imagenet_linear", "imagenet", linear=True),
)


@dataclass(frozen=True)
class Pretraining:
    """How long the encoder learns the pool's classes; 0 images are all."""

    size: int
    epochs: int
    images: int
    threads: int
    precision: Precision

    @property
    def folder(self) -> str:
        """Name of the model; another for everything that the weights depend on."""
        return f"galaxy-classes-{self.size}-{self.epochs}-{self.images}-{self.precision}"


@dataclass(frozen=True)
class Starts:
    """What the arms start from.

    Attributes
    ----------
    galaxies : VotesNetwork
        Pre-trained; `known` is its schema, `version` its digest.
    imagenet : OpenedEncoder, optional
    """

    size: int
    galaxies: VotesNetwork
    known: LabelSchema
    version: str
    imagenet: OpenedEncoder | None = None

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The ways of training that there are weights for."""
        return ARMS if self.imagenet is None else ARMS + IMAGENET_ARMS

    def version_of(self, arm: Arm) -> str:
        """Name what an arm's result depends on beside options, labels and seed."""
        return {"scratch": ENCODER, "galaxies": self.version, "imagenet": IMAGENET}[arm.start]

    def begin(
        self, arm: Arm, training: LabelledImages, schema: LabelSchema, seed: int
    ) -> VotesNetwork:
        """Return a network of its own before its first step, with a new head."""
        samples = self.galaxies.spec.samples
        torch.manual_seed(seed)
        if arm.start == "scratch":
            return network_from_scratch(ENCODER, training, schema, self.size, seed, samples)
        if arm.start == "galaxies":
            return with_schema(copy.deepcopy(self.galaxies), self.known, schema)
        if self.imagenet is None:
            raise ValueError(f"{arm.name}: there is no encoder that learnt ImageNet")
        spec = NetworkSpec(
            self.imagenet.spec, size=self.size, answers=len(schema.columns), samples=samples
        )
        network = VotesNetwork(spec, copy.deepcopy(self.imagenet.module))
        if self.imagenet.statistics is not None:
            network.normalise_by(*self.imagenet.statistics)
        return network


def check_never_seen(pool: VotesTable, galaxies: Sequence[int]) -> None:
    """Refuse a pool that holds a galaxy of a downstream task.

    Raises
    ------
    BadInput
        With the number of galaxies in both.
    """
    both = set(pool.subject_ids) & set(galaxies)
    if both:
        raise BadInput(
            f"{pool.source.name}: expected no galaxy of a downstream task to pre-train on, got "
            f"{len(both)}, such as {min(both)}"
        )


def pretrain(pool: Path, table: VotesTable, work: Path, options: Pretraining) -> Path:
    """Train an encoder on the pool's classes, or take what was trained; return its model folder.

    A broken-off training goes on where it was.
    """
    model = work / options.folder
    if model.exists():
        return model
    training_set = work / f"galaxies_pool-{options.images}"
    if not training_set.exists():
        with open_images(None, pool / "classes.csv") as images:
            export_votes_table(some_rows(table, options.images), training_set, images)
    recipe = VotesRecipe(
        name="galaxy-classes",
        encoder=ENCODER,
        size=options.size,
        crop=CROP,
        fit=FitOptions(
            epochs=options.epochs,
            batch_size=128,
            learning_rate=3e-3,
            threads=options.threads,
            precision=options.precision,
        ),
    )
    checkpoints = work / f"{options.folder}-checkpoints"
    train_votes(training_set, model, recipe, checkpoints=checkpoints)
    return model


def some_rows(table: VotesTable, count: int) -> VotesTable:
    """Return evenly spaced rows of a table, all of them for 0."""
    if count == 0 or count >= len(table.subject_ids):
        return table
    rows = np.linspace(0, len(table.subject_ids) - 1, count).astype(int)
    return replace(
        table,
        subject_ids=[table.subject_ids[row] for row in rows],
        files=[table.files[row] for row in rows],
        metadata=[table.metadata[row] for row in rows],
        counts=table.counts[rows],
        published=table.published[rows],
    )


def read_starts(
    pool: Path, work: Path, options: Pretraining, galaxies: Sequence[int], imagenet: bool
) -> Starts:
    """Pre-train, and fetch an encoder that learnt ImageNet if one can be had.

    Parameters
    ----------
    galaxies : sequence of int
        Ids of the downstream tasks' galaxies, which the pre-training must not see.
    """
    table = class_table(pool)
    check_never_seen(table, galaxies)
    network, card = restore_network(pretrain(pool, table, work, options))
    (member,) = members_of(network)
    encoder = None
    if imagenet:
        try:
            encoder = open_encoder(IMAGENET, pretrained=True)
        except Refused as error:
            log.warning("ImageNet encoder: not reachable (%s)", error)
    return Starts(options.size, member, card.schema_of_votes, card.sha256, encoder)
