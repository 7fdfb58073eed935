"""How does a training set of votes become a model folder? The steps of `zooassist train votes`."""

from __future__ import annotations

import logging
import re
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
from zooassist_plugin.model_card import NAME_PATTERN
from zooassist_plugin.output_paths import check_folder_takes_files
from zooassist_serving.model_folder import ModelFolder, check_model_place
from zooassist_training.augment import with_margin
from zooassist_training.datasets import LabelledImages, channel_statistics, read_labelled_images
from zooassist_training.evaluate import Scores
from zooassist_training.evaluation.after_training import calibrate_and_score
from zooassist_training.fit import fit
from zooassist_training.fit_options import FitOptions
from zooassist_training.folder import write_votes_model
from zooassist_training.onnx_export import check_parity, export_onnx
from zooassist_training.start import start_of

log = logging.getLogger(__name__)
PARITY_IMAGES = 500


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
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise BadInput(
                "name: expected lower-case letters, digits, - and _ (at most 64), got "
                f"{self.name!r}; give one with --name"
            )
        if not self.licence:
            raise BadInput("licence: expected a word on the data's licence, got none")
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
        On the test split, calibrated.
    parity : float
        Largest relative difference between the graph and PyTorch.
    carried_over, started_new : tuple of str
        When going on from a model: questions whose answers kept its weights, and the others.
    """

    folder: ModelFolder
    problems: tuple[ItemFailed, ...]
    images: int
    without_votes: int
    epochs: int
    test: Scores
    parity: float
    carried_over: tuple[str, ...] = ()
    started_new: tuple[str, ...] = ()


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
    check_model_place(out, overwrite=overwrite)
    if checkpoints is not None:
        check_folder_takes_files(checkpoints)
    data = read_training_set(training_set)
    if recipe.fit.threads is not None:
        torch.set_num_threads(recipe.fit.threads)
    torch.manual_seed(recipe.fit.seed)
    start = start_of(recipe, data.schema)  # before the images: wrong options should not wait
    preprocessing = start.preprocessing
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
    problems = tuple(problem for part in parts for problem in part.problems)
    if len(training) < 2:
        raise BadInput(_too_little(training_set, len(training), problems))
    if start.needs_statistics:
        start.network.normalise_by(*channel_statistics(training.images))
    fitted = fit(start.network, data.schema, training, validation, recipe.fit, checkpoints)
    onnx_bytes = export_onnx(fitted.network)
    parity = check_parity(fitted.network, onnx_bytes, _probes(parts, preprocessing.size))
    calibration, scores = calibrate_and_score(
        onnx_bytes, validation, test, data.schema, recipe.fit.threads
    )
    folder = write_votes_model(
        onnx_bytes,
        recipe,
        fitted,
        data,
        preprocessing,
        scores,
        parity,
        out,
        calibration=calibration,
        overwrite=overwrite,
    )
    return Trained(
        folder=folder,
        problems=problems,
        images=len(training),
        without_votes=without_votes,
        epochs=len(fitted.history),
        test=scores,
        parity=parity,
        carried_over=start.carried_over,
        started_new=start.started_new,
    )


def _too_little(training_set: Path, images: int, problems: tuple[ItemFailed, ...]) -> str:
    remedy = "export more classifications"
    if problems:
        remedy = f"{len(problems)} could not be used, first {problems[0]}"
    return (
        f"{training_set}: expected at least 2 images with votes to train on, got {images}; {remedy}"
    )


def _probes(parts: tuple[LabelledImages, ...], side: int) -> NDArray[np.uint8]:
    """Take real images to compare the graph on: of the test split where there is one."""
    images = next(part for part in reversed(parts) if len(part)).images[:PARITY_IMAGES]
    edge = (images.shape[1] - side) // 2  # training images have a margin
    return np.ascontiguousarray(images[:, edge : edge + side, edge : edge + side])
