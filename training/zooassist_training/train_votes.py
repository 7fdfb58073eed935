"""How does a training set of votes become a model folder? The steps of `zooassist train votes`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.model_folder import ModelFolder
from zooassist_training.augment import with_margin
from zooassist_training.datasets import LabelledImages, channel_statistics, read_labelled_images
from zooassist_training.encoders import open_encoder
from zooassist_training.evaluate import Scores, fractions_of_votes, score
from zooassist_training.fit import fit
from zooassist_training.fit_options import FitOptions
from zooassist_training.folder import write_votes_model
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.onnx_export import check_parity, export_onnx
from zooassist_training.restore import restore_network, with_schema

log = logging.getLogger(__name__)
PARITY_IMAGES = 500
PREDICT_BATCH = 128


@dataclass(frozen=True)
class VotesRecipe:
    """What to train, and what to say of it.

    Attributes
    ----------
    encoder, encoder_options, pretrained
        See `encoders.open_encoder`; not used when going on from a model.
    start : str or Path, optional
        An earlier model folder or bundled name to go on from. Its preprocessing is kept.
    size, crop
        Of the preprocessing.
    concentrations, dropout
        Of the head, see `heads.DirichletHead`.
    train_on : tuple of str
        Splits to learn from. With "validation" among them nothing is left to stop early by.
    licence, credits
        Of the data and the encoder, for `model.json`.
    """

    name: str
    encoder: str = "small"
    encoder_options: Mapping[str, Any] = field(default_factory=dict)
    pretrained: bool = False
    start: str | Path | None = None
    size: int = 96
    crop: float = 1.0
    concentrations: str = "exponential"
    dropout: float = 0.2
    train_on: tuple[Split, ...] = ("train",)
    licence: str = "not stated"
    credits: tuple[str, ...] = ()
    fit: FitOptions = field(default_factory=FitOptions)

    def __post_init__(self) -> None:
        if "test" in self.train_on:
            raise BadInput("train_on: the test split is never trained on; leave it out")
        if "train" not in self.train_on:
            raise BadInput(f"train_on: expected the train split among them, got {self.train_on}")


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes
    ----------
    problems : tuple of ItemFailed
        Subjects whose image could not be used.
    images, without_votes : int
        Images trained on, and subjects left out because nobody answered.
    test : Scores
        On the test split.
    parity : float
        Largest relative difference between the graph and PyTorch.
    """

    folder: ModelFolder
    problems: tuple[ItemFailed, ...]
    images: int
    without_votes: int
    epochs: int
    test: Scores
    parity: float


def train_votes(
    training_set: Path,
    out: Path,
    recipe: VotesRecipe,
    *,
    checkpoints: Path | None = None,
    overwrite: bool = False,
) -> Trained:
    """Train on a training set and write a model folder.

    Raises
    ------
    BadInput
        When the training set or the recipe can't be used; found before training where possible.
    ParityError
        When the exported graph computes something else; nothing is written then.
    """
    if out.exists() and not overwrite:
        raise BadInput(f"{out}: exists already; model folders are immutable, choose another name")
    data = read_training_set(training_set)
    if recipe.fit.threads is not None:
        torch.set_num_threads(recipe.fit.threads)
    torch.manual_seed(recipe.fit.seed)
    preprocessing = Preprocessing(size=recipe.size, crop=recipe.crop)
    restored = None
    if recipe.start is not None:
        known, card = restore_network(recipe.start)
        restored = with_schema(known, card.schema_of_votes, data.schema)
        preprocessing = card.preprocessing
    training = read_labelled_images(data, recipe.train_on, with_margin(preprocessing))
    held_back: list[Split] = [] if "validation" in recipe.train_on else ["validation"]
    validation = read_labelled_images(data, held_back, preprocessing)
    test = read_labelled_images(data, ["test"], preprocessing)
    parts = (training, validation, test)
    without_votes = sum(part.without_votes for part in parts)
    log.info(
        "images: %d to train on, %d to validate, %d to test; subjects without votes: %d",
        *(len(part) for part in parts),
        without_votes,
    )
    network = restored or _new_network(recipe, data.schema, training)
    fitted = fit(network, data.schema, training, validation, recipe.fit, checkpoints)
    onnx_bytes = export_onnx(fitted.network)
    parity = check_parity(fitted.network, onnx_bytes, _probes(parts, preprocessing.size))
    scores = _score(fitted.network, test, data.schema)
    folder = write_votes_model(
        onnx_bytes, recipe, fitted, data, preprocessing, scores, parity, out, overwrite=overwrite
    )
    return Trained(
        folder=folder,
        problems=tuple(problem for part in parts for problem in part.problems),
        images=len(training),
        without_votes=without_votes,
        epochs=len(fitted.history),
        test=scores,
        parity=parity,
    )


def _new_network(
    recipe: VotesRecipe, schema: LabelSchema, training: LabelledImages
) -> VotesNetwork:
    """Build a network that normalises as its weights expect, or else by the training images."""
    encoder = open_encoder(recipe.encoder, recipe.encoder_options, recipe.pretrained)
    mean, deviation = encoder.statistics or channel_statistics(training.images)
    spec = NetworkSpec(
        encoder=encoder.spec,
        size=recipe.size,
        answers=len(schema.columns),
        concentrations=recipe.concentrations,
        dropout=recipe.dropout,
        mean=mean,
        deviation=deviation,
    )
    return VotesNetwork(spec, encoder.module)


def _probes(parts: tuple[LabelledImages, ...], side: int) -> NDArray[np.uint8]:
    """Take real images to compare the graph on: of the test split where there is one."""
    images = next(part for part in reversed(parts) if len(part)).images[:PARITY_IMAGES]
    edge = (images.shape[1] - side) // 2  # training images have a margin
    return np.ascontiguousarray(images[:, edge : edge + side, edge : edge + side])


def predict_concentrations(network: VotesNetwork, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return concentrations of shape (images, label columns), averaged over the samples."""
    network.eval()
    parts = [np.zeros((0, network.spec.answers))]
    with torch.no_grad():
        for start in range(0, len(images), PREDICT_BATCH):
            batch = torch.from_numpy(np.array(images[start : start + PREDICT_BATCH]))
            parts.append(network(batch)[0].mean(1).double().numpy())
    return np.concatenate(parts)


def _score(network: VotesNetwork, test: LabelledImages, schema: LabelSchema) -> Scores:
    predicted = fractions_of_votes(predict_concentrations(network, test.images), schema)
    return score(predicted, fractions_of_votes(test.counts, schema), schema)
