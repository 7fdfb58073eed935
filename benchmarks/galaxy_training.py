"""What do benchmarks train on Galaxy Zoo 2 with? The three splits, and a network from scratch."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_csv import read_votes_csv
from zooassist_exporters.votes_csv_export import export_votes_table, open_images
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import Preprocessing
from zooassist_training.augment import with_margin
from zooassist_training.datasets import LabelledImages, channel_statistics, read_labelled_images
from zooassist_training.encoders import PRESETS
from zooassist_training.networks import NetworkSpec, VotesNetwork

CROP = 0.75  # the middle of the published cut-outs, as the bundled model sees them


@dataclass(frozen=True)
class GalaxySplits:
    """The galaxies with their votes; those to train on have the margin of `augment.with_margin`.

    Attributes
    ----------
    sha256 : str
        Of the file of votes.
    """

    schema: LabelSchema
    training: LabelledImages
    validation: LabelledImages
    test: LabelledImages
    sha256: str


def read_galaxy_splits(data: Path, size: int) -> GalaxySplits:
    """Read a folder with ``votes.csv`` and ``images.zip``, for images of `size` pixels."""
    table = read_votes_csv(data / "votes.csv")
    spec = Preprocessing(size=size, crop=CROP)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "galaxies"
        with open_images(None, data / "votes.csv") as found:
            export_votes_table(table, folder, found)
        training_set = read_training_set(folder)
        return GalaxySplits(
            schema=training_set.schema,
            training=read_labelled_images(training_set, ["train"], with_margin(spec)),
            validation=read_labelled_images(training_set, ["validation"], spec),
            test=read_labelled_images(training_set, ["test"], spec),
            sha256=table.source.sha256,
        )


def nested_subset(images: int, of_all: int, seed: int) -> NDArray[np.int64]:
    """Return the rows of a subset; of one seed, a smaller one is the start of a larger one."""
    return np.random.default_rng(seed).permutation(of_all)[:images]


def network_from_scratch(
    preset: str,
    training: LabelledImages,
    schema: LabelSchema,
    size: int,
    seed: int,
    samples: int,
    concentrations: str = "exponential",
) -> VotesNetwork:
    """Build a network that expects pixels like those of the training images."""
    torch.manual_seed(seed)
    network = VotesNetwork(
        NetworkSpec(
            PRESETS[preset],
            size=size,
            answers=len(schema.columns),
            concentrations=concentrations,
            samples=samples,
        )
    )
    network.normalise_by(*channel_statistics(training.images))
    return network
