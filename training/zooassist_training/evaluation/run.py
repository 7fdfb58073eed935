"""How is a model evaluated on a training set? The steps of `zooassist evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import TrainingSet, read_training_set
from zooassist_plugin.calibration import METHOD, Calibration
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.progress import Start, silent
from zooassist_serving.calibration import calibrate
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_serving.vote_likelihood import Floats
from zooassist_training.datasets import LabelledImages, read_labelled_images
from zooassist_training.evaluation.answers import concentrations_of
from zooassist_training.evaluation.comparison import Comparison, compare_schemas
from zooassist_training.evaluation.fit_calibration import CalibrationFit, fit_calibration
from zooassist_training.evaluation.metrics import Metrics, measure
from zooassist_training.evaluation.subjects import (
    Learnt,
    SplitChoice,
    check_rows,
    chosen,
    chosen_by,
    learnt_from,
    same_set,
    splits_learnt_from,
    splits_of,
)


@dataclass(frozen=True)
class Request:
    """What to evaluate.

    Attributes
    ----------
    where : mapping
        Metadata -> value, as text: only subjects that have it are looked at.
    overrides : mapping
        See `comparison.compare_schemas`.
    fit_calibration : bool
        Fit one on the validation split; else the model's own is used.
    """

    model: str | Path
    training_set: Path
    split: SplitChoice = "test"
    where: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)
    fit_calibration: bool = False
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found.

    Attributes
    ----------
    images : array of shape (galaxies, size, size, 3), uint8
        As the graph sees them.
    counts : array of shape (galaxies, columns of `comparison.schema`)
    alphas : array of shape (galaxies, samples, columns of `comparison.schema`)
        Calibrated, where there is a calibration.
    before, after : Metrics
        Without and with the calibration; the same object when there is none.
    fit : CalibrationFit or None
        When one was fitted here.
    fitted_on_learnt : bool
        Whether the model learnt from the validation split of another set, which may hold the same
        subjects.
    learnt_from : str
        ``yes`` when the model was trained on this split of this training set; ``perhaps`` when it
        was on this split of another set, which may hold the same subjects; else ``no``.
    chosen_by : bool
        Whether the validation split is among what is measured, and chose the model's epoch and its
        calibration.
    """

    request: Request
    folder: ModelFolder
    data: TrainingSet
    comparison: Comparison
    subject_ids: NDArray[np.int64]
    images: NDArray[np.uint8]
    counts: NDArray[np.int64]
    alphas: Floats
    before: Metrics
    after: Metrics
    calibration: Calibration
    fit: CalibrationFit | None
    fitted_on_learnt: bool
    problems: tuple[ItemFailed, ...]
    without_votes: int
    learnt_from: Learnt
    chosen_by: bool

    @property
    def assumed_votes(self) -> int | None:
        """Votes per galaxy that the training set assumes because only fractions were known."""
        total = self.data.manifest.get("options", {}).get("total_votes")
        if isinstance(total, Mapping) and total.get("assumed"):
            return int(total["value"])
        return None


@dataclass(frozen=True, eq=False)
class _Part:
    """Some splits, read and asked."""

    labelled: LabelledImages
    counts: NDArray[np.int64]
    raw: NDArray[np.float32]


def evaluate_model(request: Request, progress: Start = silent) -> Evaluation:
    """Evaluate a model.

    Raises
    ------
    BadInput
        When the model answers no question that the training set asks, the split has no galaxy
        with votes and an image, or a calibration would be fitted on what the model learnt from.
    """
    folder = load_model_folder(request.model)
    schema = folder.card.schema_of_votes
    whole = read_training_set(request.training_set)
    comparison = compare_schemas(schema, whole.schema, request.overrides)
    data = chosen(whole, request.where)
    learnt, same = splits_learnt_from(folder), same_set(folder, whole)
    splits = splits_of(request.split)
    if request.fit_calibration:
        _check_fit(request, splits, learnt if same else frozenset())
    also: tuple[Split, ...] = ("validation",) if request.fit_calibration else ()
    check_rows(request.training_set, data, request.split, splits, also, request.where)
    runtime = OnnxRuntime(folder.onnx_path, threads=request.threads, sha256=folder.card.sha256)

    def ask(wanted: tuple[Split, ...]) -> _Part:
        labelled = read_labelled_images(data, wanted, folder.card.preprocessing)
        counts = np.rint(labelled.counts[:, comparison.set_columns]).astype(np.int64)
        done = progress("images", len(labelled))
        raw = concentrations_of(runtime, labelled.images, len(schema.columns), done)
        return _Part(labelled, counts, raw)

    part = ask(splits)
    voted = part.counts.sum(1) > 0
    if not voted.any():
        raise BadInput(_nothing(request, part.labelled))
    fit, calibration = None, folder.card.calibration
    if request.fit_calibration:
        known = ask(("validation",))
        fit = fit_calibration(
            known.raw[..., comparison.model_columns],
            known.counts.astype(np.float64),
            comparison.schema,
        )
        kept = {
            name: each
            for name, each in calibration.questions.items()
            if name in comparison.not_asked  # nothing is known of these
        }
        calibration = Calibration(method=METHOD, questions=kept | fit.calibration.questions)
    counts = part.counts[voted]
    raw = part.raw[voted].astype(np.float64)
    alphas = calibrate(raw, schema, calibration)[..., comparison.model_columns].astype(np.float64)
    before = measure(raw[..., comparison.model_columns], counts, comparison.schema)
    return Evaluation(
        request=request,
        folder=folder,
        data=whole,
        comparison=comparison,
        subject_ids=part.labelled.subject_ids[voted],
        images=part.labelled.images[voted] if not voted.all() else part.labelled.images,
        counts=counts,
        alphas=alphas,
        before=before,
        after=measure(alphas, counts, comparison.schema) if calibration else before,
        calibration=calibration,
        fit=fit,
        fitted_on_learnt=fit is not None and "validation" in learnt,
        problems=part.labelled.problems,
        without_votes=part.labelled.without_labels + int((~voted).sum()),
        learnt_from=learnt_from(learnt, splits, same),
        chosen_by=chosen_by(learnt, splits, same),
    )


def _check_fit(request: Request, splits: tuple[Split, ...], learnt: frozenset[str]) -> None:
    if "validation" in splits:
        raise BadInput(
            f"--split {request.split}: a calibration is fitted on the validation split, so that "
            "this would measure what was fitted; measure on the test split"
        )
    if "validation" in learnt:
        raise BadInput(
            f"{request.model}: learnt from the validation split of this training set, where it "
            "looks better than it is; fit the calibration on another set, or train without "
            "--train-on-validation"
        )


def _nothing(request: Request, labelled: LabelledImages) -> str:
    reason = f"subjects without votes on the model's questions: {len(labelled)}"
    if labelled.problems:
        reason = f"{len(labelled.problems)} could not be used, first {labelled.problems[0]}"
    elif labelled.without_labels:
        reason = f"subjects that nobody answered a question about: {labelled.without_labels}"
    return (
        f"{request.training_set}: expected images with votes in the split {request.split!r}, found "
        f"none; {reason}"
    )
