"""How does a training set become a model folder? The steps of `zooassist train votes`."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zooassist_exporters.splits import Split
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import NAME_PATTERN, Stretch
from zooassist_plugin.output_paths import check_folder_takes_files
from zooassist_serving.model_folder import ModelFolder, check_model_place
from zooassist_training.class_weights import answer_weights
from zooassist_training.datasets import channel_statistics
from zooassist_training.ensemble import together
from zooassist_training.evaluate import Scores
from zooassist_training.evaluation.after_training import calibrate_and_score
from zooassist_training.evaluation.value_metrics import ValueMetrics
from zooassist_training.few_labels import FEW, fit_few_labels
from zooassist_training.fit import Fitted, fit
from zooassist_training.fit_options import FitOptions
from zooassist_training.folder import Report, write_trained_model
from zooassist_training.images import Images, read_images
from zooassist_training.objectives import Taught
from zooassist_training.onnx_export import check_parity, export_onnx
from zooassist_training.start import Start, start_of
from zooassist_training.surveys import Surveys, read_surveys
from zooassist_training.target_values import Wish
from zooassist_training.value_surveys import ValueSurveys, read_value_surveys
from zooassist_training.weight_storage import STORAGES, Storage, round_weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VotesRecipe:
    """What to train, and what to say of it.

    Attributes
    ----------
    encoder, encoder_options, pretrained
        See `encoders.open_encoder`; not used when going on from a model.
    start : str or Path, optional
        An earlier model folder or bundled name to go on from. Its preprocessing is kept.
    size, crop, stretch
        Of the preprocessing; `stretch` is for FITS images.
    concentrations, dropout
        Of the head, see `heads.DirichletHead`.
    samples : int, optional
        Posterior samples of each network; by default 20, or as many as the model gone on from
        has, and 1 without dropout.
    members : int, optional
        Networks in the ensemble; by default 1, or as many as the model gone on from has.
    greyscale : bool
        Take the colour out, inside the graph.
    store : str
        ``float16`` halves the file, ``int8`` quarters it, see `weight_storage`.
    train_on : tuple of str
        Splits to learn from. With "validation" among them nothing is left to stop early by.
    inclusion_weights : bool
        Weigh images by one over their inclusion probability, see `datasets.inclusion_weights`.
    few_labels : bool, optional
        Fit the head alone and hold it back, see `few_labels`; None decides by the number of images.
    regress : tuple of Wish
        Targets to learn from the subjects' metadata, in place of the votes.
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
    stretch: Stretch = field(default_factory=Stretch)
    concentrations: str = "exponential"
    dropout: float = 0.2
    samples: int | None = None
    members: int | None = None
    greyscale: bool = False
    store: Storage = "float32"
    train_on: tuple[Split, ...] = ("train",)
    inclusion_weights: bool = True
    few_labels: bool | None = False
    regress: tuple[Wish, ...] = ()
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
        for name in ("samples", "members"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise BadInput(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.store not in STORAGES:
            raise BadInput(f"store: expected one of {', '.join(STORAGES)}, got {self.store!r}")
        if self.regress and self.fit.class_weights is not None:
            raise BadInput(
                "class weights: these are of answers, and values (--regress) have none; leave one "
                "of them out"
            )
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
    images, without_labels : int
        Images trained on, and subjects left out because nobody answered, or without any value.
    epochs : int
        Of all members together.
    tests : mapping
        Scores on the test split, by the name of the training set.
    parity : float
        Largest relative difference between the graph and PyTorch.
    carried_over, started_new : tuple of str
        When going on from a model: questions (or targets) that it knew, and the others.
    """

    folder: ModelFolder
    problems: tuple[ItemFailed, ...]
    images: int
    without_labels: int
    epochs: int
    tests: Mapping[str, Scores | ValueMetrics]
    parity: float
    carried_over: tuple[str, ...] = ()
    started_new: tuple[str, ...] = ()

    @property
    def test(self) -> Scores:
        """Scores of votes on the test split of the first training set."""
        found = next(iter(self.tests.values()))
        if not isinstance(found, Scores):
            raise TypeError("these are values: see `values_test`")
        return found

    @property
    def values_test(self) -> ValueMetrics:
        """Scores of values on the test split of the first training set."""
        found = next(iter(self.tests.values()))
        if not isinstance(found, ValueMetrics):
            raise TypeError("these are votes: see `test`")
        return found


def train_votes(
    training_sets: Path | Sequence[Path],
    out: Path,
    recipe: VotesRecipe,
    *,
    checkpoints: Path | None = None,
    overwrite: bool = False,
) -> Trained:
    """Train on one or several training sets and write a model folder.

    Raises
    ------
    BadInput
        When a training set or the recipe can't be used; found before training where possible.
    ParityError
        When the exported graph computes something else; nothing is written then.
    """
    check_model_place(out, overwrite=overwrite)
    if checkpoints is not None:
        check_folder_takes_files(checkpoints)
    paths = [training_sets] if isinstance(training_sets, Path) else list(training_sets)
    if recipe.regress:
        data: Surveys | ValueSurveys = read_value_surveys(paths, recipe.regress, recipe.train_on)
    else:
        data = read_surveys(paths)
    if recipe.fit.threads is not None:
        torch.set_num_threads(recipe.fit.threads)
    start = start_of(recipe, data.taught)  # before the images: wrong options should not wait
    _check_options(recipe, start, data.taught)
    images = read_images(data, recipe, start.preprocessing)
    labels = "values" if recipe.regress else "votes"
    log.info(
        "images: %d to train on, %d to validate, %d to test; subjects without %s: %d",
        *(len(part) for part in (images.training, images.validation, images.test)),
        labels,
        images.without_labels,
    )
    if len(images.training) < 2:
        raise BadInput(_too_little(data.name, labels, len(images.training), images.problems))
    for line in data.remarks(images.training):
        log.warning("%s", line)
    fits = _fit_members(start, recipe, data.taught, images, checkpoints)
    network = together([each.network for each in fits])
    round_weights(network, recipe.store)
    onnx_bytes = export_onnx(network, recipe.store)
    parity = check_parity(network, onnx_bytes, images.probes(start.preprocessing.size))
    calibration, tests = calibrate_and_score(
        onnx_bytes, images.validation, images.test, data, recipe.fit.threads
    )
    histories = tuple(each.history for each in fits)
    folder = write_trained_model(
        onnx_bytes,
        Report(network, histories, tests, parity, calibration),
        recipe,
        data,
        start.preprocessing,
        out,
        overwrite=overwrite,
    )
    return Trained(
        folder=folder,
        problems=images.problems,
        images=len(images.training),
        without_labels=images.without_labels,
        epochs=sum(len(history) for history in histories),
        tests=tests,
        parity=parity,
        carried_over=start.carried_over,
        started_new=start.started_new,
    )


def _fit_members(
    first: Start,
    recipe: VotesRecipe,
    taught: Taught,
    images: Images,
    checkpoints: Path | None,
) -> list[Fitted]:
    """Fit one network after the other; each has checkpoints of its own."""
    statistics = None
    if first.needs_statistics:
        statistics = channel_statistics(images.training.images, greyscale=recipe.greyscale)
    few = _is_few(recipe, first, len(images.training))
    fits = []
    for number in range(first.members):
        start = start_of(recipe, taught, number) if number else first
        if first.members > 1:
            log.info("member %d of %d", number + 1, first.members)
        if statistics is not None:
            start.network.normalise_by(*statistics)
        folder = checkpoints
        if checkpoints is not None and first.members > 1:
            folder = checkpoints / f"member-{number}"
            folder.mkdir(parents=True, exist_ok=True)
        options = recipe.fit.member(number)
        parts = (images.training, images.validation)
        if few:
            known = start.carried_over
            fits.append(fit_few_labels(start.network, taught, *parts, options, known))
        else:
            fits.append(fit(start.network, taught, *parts, options, folder))
    return fits


def _check_options(recipe: VotesRecipe, start: Start, taught: Taught) -> None:
    """Refuse what cannot be done with this network or these questions, before images are read."""
    weights = recipe.fit.class_weights
    if weights is not None and isinstance(taught, LabelSchema):
        answer_weights(weights, np.zeros((0, len(taught.columns))), taught)
    if recipe.few_labels and start.needs_statistics:
        raise BadInput(
            "few labels: the encoder is left as it is, so it has to know something; go on from a "
            "model (--from galaxy-zoo), or give --pretrained"
        )


def _is_few(recipe: VotesRecipe, start: Start, images: int) -> bool:
    """Say whether to fit as to few labels: an encoder that knows something can be left alone."""
    if recipe.few_labels is not None:
        return recipe.few_labels
    few = not start.needs_statistics and images < FEW
    if few:
        log.info("fewer than %d images to train on: few-labels mode (or --no-few-labels)", FEW)
    return few


def _too_little(name: str, labels: str, images: int, problems: tuple[ItemFailed, ...]) -> str:
    remedy = "export more classifications"
    if problems:
        remedy = f"{len(problems)} could not be used, first {problems[0]}"
    return f"{name}: expected at least 2 images with {labels} to train on, got {images}; {remedy}"
