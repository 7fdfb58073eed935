"""How good are a model's masks of a training set's images? The steps of `zooassist evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.model_card import MaskClass, ModelCard
from zooassist_plugin.progress import Start, silent
from zooassist_plugin.stacks.in_memory import stack_of
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.evaluation.masks.measure import Row, measure_stacks, of_known_objects
from zooassist_training.evaluation.masks.overlap import check_same_shape
from zooassist_training.evaluation.masks.request import MaskRequest
from zooassist_training.evaluation.run import Request
from zooassist_training.evaluation.subjects import (
    Learnt,
    chosen,
    chosen_by,
    learnt_from,
    splits_learnt_from,
    splits_of,
)
from zooassist_training.segmentation.networks import Kind
from zooassist_training.segmentation.scores import predicted_places, unscaled
from zooassist_training.segmentation.sources import PairsSource, SetSource, called, open_source
from zooassist_training.segmentation.stacks import Stacks


@dataclass(frozen=True, eq=False)
class Drawn:
    """One image (or a volume's slice with most of the objects), to be looked at.

    Attributes
    ----------
    pixels : array of shape (height, width, channels), uint8
    predicted, truth : arrays of shape (height, width)
        Places of classes, 0 for none.
    """

    name: str
    pixels: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    dice: float


@dataclass(frozen=True, eq=False)
class MaskEvaluation:
    """What was found.

    Attributes
    ----------
    metrics : MaskRequest
        With a region per class that model and set have in common.
    rows : tuple of Row
        One per image (volume) and class.
    drawn : tuple of Drawn
        One per image (volume), by Dice, the worst first; the middle of long lists is left out.
    not_compared : tuple of str
        Classes that only the model or only the set has.
    """

    request: Request
    folder: ModelFolder
    metrics: MaskRequest
    rows: tuple[Row, ...]
    drawn: tuple[Drawn, ...]
    not_compared: tuple[str, ...]
    problems: tuple[ItemFailed, ...]
    training_set: tuple[str, str]
    learnt_from: Learnt
    chosen_by: bool

    @property
    def images(self) -> int:
        """How many images or volumes were measured."""
        return len({row.name for row in self.rows})


# Kept of the best and of the worst.
SHOWN = 5


def evaluate_mask_model(
    request: Request, folder: ModelFolder, metrics: MaskRequest, progress: Start = silent
) -> MaskEvaluation:
    """Evaluate a model of kind `mask` or `volume`.

    Parameters
    ----------
    metrics : MaskRequest
        What to measure; the classes are those of the model.

    Raises
    ------
    BadInput
        When the set has no masks, no class of the model, or nothing in the split.
    """
    card = folder.card
    # Cards that other programs wrote name classes only beside their thresholds.
    ours = card.classes or tuple(
        MaskClass(number=number, name=name) for number, name in enumerate(card.thresholds, 1)
    )
    kind: Kind = "volume" if card.kind == "volume" else "mask"
    source = _narrowed(open_source(request.training_set, kind, ours), request)
    common, not_compared = common_classes(ours, source.classes)
    if not common:
        raise BadInput(
            f"{request.training_set}: expected masks of {_names(ours)}, got "
            f"{_names(source.classes)}; choose another model or set"
        )
    splits = splits_of(request.split)
    stacks = source.read(splits, unscaled(card.preprocessing), _channels(card))
    if not len(stacks):
        raise BadInput(_nothing(request, stacks))
    measured = replace(metrics, regions={name: (place + 1,) for name, place, _ in common})
    objects = _known_objects(source) if "f1" in metrics.metrics else {}
    rows, drawn, problems = _measure(folder, stacks, measured, request, common, objects, progress)
    learnt = splits_learnt_from(folder)
    same = any(known.sha256 == source.reference.sha256 for known in card.learnt_from)
    return MaskEvaluation(
        request=request,
        folder=folder,
        metrics=measured,
        rows=tuple(rows),
        drawn=tuple(_extremes(drawn)),
        not_compared=not_compared,
        problems=(*stacks.problems, *problems),
        training_set=(source.name, source.reference.sha256),
        learnt_from=learnt_from(learnt, splits, same),
        chosen_by=chosen_by(learnt, splits, same),
    )


def common_classes(
    ours: Sequence[MaskClass], theirs: Sequence[MaskClass]
) -> tuple[list[tuple[str, int, int]], tuple[str, ...]]:
    """Match classes by name; a single class of each is the same, whatever it is called.

    Returns
    -------
    list of (name, place among ours, place among theirs)
    tuple of str
        Names that only one side has.
    """
    if len(ours) == len(theirs) == 1:
        return [(ours[0].name, 0, 0)], ()
    places = {each.name: place for place, each in enumerate(theirs)}
    common = [
        (each.name, place, places[each.name])
        for place, each in enumerate(ours)
        if each.name in places
    ]
    known = {name for name, _, _ in common}
    return common, tuple(each.name for each in (*ours, *theirs) if each.name not in known)


def _narrowed(source: SetSource | PairsSource, request: Request) -> SetSource | PairsSource:
    if not request.where:
        return source
    if isinstance(source, PairsSource):
        raise BadInput("--where: expected a training set, a folder of volumes has no metadata")
    return replace(source, data=chosen(source.data, request.where))


def _channels(card: ModelCard) -> int | None:
    last = next(each for each in card.inputs if each.name == "image").shape[-1]
    return last if isinstance(last, int) else None


def _measure(
    folder: ModelFolder,
    stacks: Stacks,
    metrics: MaskRequest,
    request: Request,
    common: Sequence[tuple[str, int, int]],
    objects: Mapping[str, Callable[[], NDArray[np.int32] | None]],
    progress: Start,
) -> tuple[list[Row], list[Drawn], list[ItemFailed]]:
    runtime = OnnxRuntime(folder.onnx_path, threads=request.threads, sha256=folder.card.sha256)
    renumbered = np.zeros(256, dtype=np.uint8)
    kept = np.zeros(256, dtype=np.uint8)
    for _, ours, theirs in common:
        renumbered[theirs + 1] = kept[ours + 1] = ours + 1
    rows: list[Row] = []
    drawn: list[Drawn] = []
    problems: list[ItemFailed] = []
    done = progress("images", len(stacks))
    for name, image, labels in zip(stacks.names, stacks.images, stacks.labels, strict=True):
        try:
            found = [part for _, part in predicted_places(folder.card, runtime, image)]
            predicted, truth = kept[np.concatenate(found)], renumbered[labels]
            of_image = measure_stacks(
                name, stack_of(predicted, name), stack_of(truth, name), metrics
            )
            told = objects[name]() if name in objects else None
            if told is not None:
                check_same_shape(told, truth[0])
                of_image = [
                    of_known_objects(row, predicted[0], truth[0], told, metrics) for row in of_image
                ]
        except BadInput as error:
            problems.append(ItemFailed(name, str(error), "it is in no figure; mend it"))
        else:
            rows += of_image
            drawn.append(_looked_at(name, image, predicted, truth))
        done()
    if not rows:
        raise BadInput(f"{request.training_set}: no image could be measured; {problems[0]}")
    return rows, drawn, problems


def _known_objects(
    source: SetSource | PairsSource,
) -> dict[str, Callable[[], NDArray[np.int32] | None]]:
    """Return what reads an image's objects, by its name; of volumes they are not known."""
    if isinstance(source, PairsSource) or source.kind == "volume":
        return {}
    subjects = source.data.subject_ids.tolist()
    return {called(subject): partial(source.objects, subject) for subject in subjects}


def _looked_at(
    name: str,
    image: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    truth: NDArray[np.uint8],
) -> Drawn:
    at = int(np.argmax(((predicted > 0) | (truth > 0)).sum(axis=(1, 2))))
    both = 2 * np.count_nonzero((predicted == truth) & (truth > 0))
    whole = np.count_nonzero(predicted) + np.count_nonzero(truth)
    return Drawn(
        name,
        np.array(image[at]),
        predicted[at].copy(),
        truth[at].copy(),
        both / whole if whole else 1.0,
    )


def _extremes(drawn: Sequence[Drawn]) -> list[Drawn]:
    ordered = sorted(drawn, key=lambda each: each.dice)
    return ordered if len(ordered) <= 2 * SHOWN else ordered[:SHOWN] + ordered[-SHOWN:]


def _names(classes: Sequence[MaskClass]) -> str:
    return ", ".join(each.name for each in classes)


def _nothing(request: Request, stacks: Stacks) -> str:
    reason = "choose another --split, or export more masks"
    if stacks.problems:
        reason = f"{len(stacks.problems)} could not be used, first {stacks.problems[0]}"
    return (
        f"{request.training_set}: expected images with masks in the split {request.split!r}, found "
        f"none; {reason}"
    )
