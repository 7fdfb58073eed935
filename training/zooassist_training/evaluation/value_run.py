"""How is a model of values evaluated on a training set? The steps of `zooassist evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.training_set import TrainingSet, read_training_set
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.progress import Start, silent
from zooassist_plugin.targets import Targets
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.datasets import read_labelled_images
from zooassist_training.evaluation.answers import values_of
from zooassist_training.evaluation.run import Request
from zooassist_training.evaluation.subjects import (
    Learnt,
    check_rows,
    chosen,
    chosen_by,
    learnt_from,
    same_set,
    splits_learnt_from,
    splits_of,
)
from zooassist_training.evaluation.value_metrics import Floats, ValueMetrics, measure_values
from zooassist_training.target_values import absent, read_columns, remark


@dataclass(frozen=True, eq=False)
class ValueEvaluation:
    """What was found; see `run.Evaluation` for what both have.

    Attributes
    ----------
    targets : Targets
        Those of the model's that the set knows; `answers` and `values` have no others.
    answers : array of shape (subjects, samples, targets, 2)
        Means and deviations.
    values : array of shape (subjects, targets)
        NaN where one is not known.
    not_compared : tuple of str
        Targets of the model that no subject of the set has.
    remarks : tuple of str
        Values of the set that are no numbers.
    """

    request: Request
    folder: ModelFolder
    data: TrainingSet
    targets: Targets
    subject_ids: NDArray[np.int64]
    images: NDArray[np.uint8]
    answers: NDArray[np.float32]
    values: Floats
    metrics: ValueMetrics
    not_compared: tuple[str, ...]
    remarks: tuple[str, ...]
    problems: tuple[ItemFailed, ...]
    without_values: int
    learnt_from: Learnt
    chosen_by: bool


def evaluate_values(
    request: Request, folder: ModelFolder, progress: Start = silent
) -> ValueEvaluation:
    """Evaluate a model of values.

    Parameters
    ----------
    request : Request
        Its `overrides` say which metadata hold a target, where these are named otherwise.

    Raises
    ------
    BadInput
        When the set has no target of the model, or the split no subject with a value and an image.
    """
    if request.fit_calibration:
        raise BadInput(
            f"--fit-calibration: {request.model} predicts values, and only votes are calibrated; "
            "leave it out"
        )
    whole = read_training_set(request.training_set)
    all_targets = Targets(folder.card.targets)
    names = _names(all_targets, request)
    columns = read_columns(whole, list(names.values()))
    there = [each for each in all_targets.targets if columns[names[each.name]].present]
    if not there:
        raise absent(list(names.values()), [whole])
    targets = Targets(tuple(there))
    places = [all_targets.columns.index(name) for name in targets.columns]
    values = np.stack([columns[names[name]].values for name in targets.columns], axis=1)
    lines = (remark(names[name], columns[names[name]]) for name in targets.columns)
    data = chosen(whole, request.where)
    values = values[np.isin(whole.subject_ids, data.subject_ids)]
    splits = splits_of(request.split)
    check_rows(request.training_set, data, request.split, splits, (), request.where)
    labelled = read_labelled_images(data, splits, folder.card.preprocessing, values)
    if not len(labelled):
        reason = f"subjects without any value: {labelled.without_labels}"
        if labelled.problems:
            reason = f"{len(labelled.problems)} could not be used, first {labelled.problems[0]}"
        raise BadInput(
            f"{request.training_set}: expected images with values in the split "
            f"{request.split!r}, found none; {reason}"
        )
    runtime = OnnxRuntime(folder.onnx_path, threads=request.threads, sha256=folder.card.sha256)
    done = progress("images", len(labelled))
    answers = values_of(runtime, labelled.images, len(all_targets.columns), done)[:, :, places]
    known = labelled.labels.astype(np.float64)
    learnt, same = splits_learnt_from(folder), same_set(folder, whole)
    return ValueEvaluation(
        request=request,
        folder=folder,
        data=whole,
        targets=targets,
        subject_ids=labelled.subject_ids,
        images=labelled.images,
        answers=answers,
        values=known,
        metrics=measure_values(answers, known, targets),
        not_compared=tuple(name for name in all_targets.columns if name not in targets.columns),
        remarks=tuple(line for line in lines if line is not None),
        problems=labelled.problems,
        without_values=labelled.without_labels,
        learnt_from=learnt_from(learnt, splits, same),
        chosen_by=chosen_by(learnt, splits, same),
    )


def _names(targets: Targets, request: Request) -> dict[str, str]:
    """Return target -> metadata that hold it: of the same name, unless overridden."""
    names = {name: name for name in targets.columns}
    for column, target in request.overrides.items():
        if target not in names:
            raise BadInput(
                f"--map {column}={target}: the model predicts no {target!r}; expected one of "
                f"{', '.join(names)}"
            )
        names[target] = column
    return names
