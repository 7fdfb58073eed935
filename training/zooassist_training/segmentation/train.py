"""How does a set with masks become a model folder? Steps of `train mask` and `train volume`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zooassist_exporters.splits import Split
from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.model_card import (
    MaskClass,
)
from zooassist_plugin.output_paths import check_folder_takes_files
from zooassist_serving.masks.tiling import padded
from zooassist_serving.model_folder import (
    ModelFolder,
    card_for,
    check_model_place,
    load_model_folder,
    write_model_folder,
)
from zooassist_training.folder import RECIPE_FILE
from zooassist_training.segmentation.export import (
    check_parity,
    export_segmentation,
    input_specs,
    output_specs,
)
from zooassist_training.segmentation.fit import FittedMasks, fit_masks
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.networks import (
    SegmentationNetwork,
    SegmentationSpec,
    committee_of,
)
from zooassist_training.segmentation.restore import (
    begin_from,
    begin_with_encoder,
    restore_segmentation,
)
from zooassist_training.segmentation.scores import score_test_split, unscaled
from zooassist_training.segmentation.sources import PairsSource, SetSource, open_source
from zooassist_training.segmentation.stacks import Stacks, channel_statistics
from zooassist_training.weight_storage import round_weights

log = logging.getLogger(__name__)
# Stacks that the graph is compared on, and slices of each.
PROBES, PROBE_SLICES = 3, 5
# Probability from which a pixel is of a class.
THRESHOLD = 0.5


@dataclass(frozen=True)
class TrainedMasks:
    """What came of it.

    Attributes
    ----------
    problems : tuple of ItemFailed
        Images and volumes that could not be used.
    images, epochs : int
        Images (volumes) trained on, epochs of generator and discriminator together.
    test : mapping
        Scores on the test split.
    parity : float
        Largest difference of a probability between the graph and PyTorch.
    """

    folder: ModelFolder
    problems: tuple[ItemFailed, ...]
    images: int
    epochs: int
    test: Mapping[str, float]
    parity: float


def train_masks(
    data: Path,
    out: Path,
    recipe: MaskRecipe,
    *,
    checkpoints: Path | None = None,
    overwrite: bool = False,
) -> TrainedMasks:
    """Train on a set with masks and write a model folder with generator and discriminator.

    Parameters
    ----------
    data : Path
        A training set with masks; for volumes also a folder with ``images`` and ``labels``.

    Raises
    ------
    BadInput
        When the data or the recipe can't be used; found before training where possible.
    ParityError
        When the exported graph computes something else; nothing is written then.
    """
    check_model_place(out, overwrite=overwrite)
    if checkpoints is not None:
        check_folder_takes_files(checkpoints)
    source = open_source(data, recipe.kind, recipe.classes, recipe.gap)
    torch.manual_seed(recipe.fit.seed)
    if not recipe.members:
        # Of a guess of channels, before the images are read: wrong options should not wait.
        untrained_network(recipe, len(source.classes), 3)
    training = source.read(recipe.train_on, recipe.preprocessing)
    if not len(training):
        raise BadInput(_nothing(source.name, training))
    channels = training.images.shapes[0][-1]
    held_back: tuple[Split, ...] = () if "validation" in recipe.train_on else ("validation",)
    validation = source.read(held_back, recipe.preprocessing, channels)
    # Seams and larger images are for learning: what is measured are the masks as they are.
    whole = open_source(data, recipe.kind, recipe.classes)
    test = whole.read(("test",), unscaled(recipe.preprocessing), channels)
    parts = (training, validation, test)
    what = "volumes" if recipe.kind == "volume" else "images"
    log.info("%s: %d to train on, %d to validate, %d to test", what, *map(len, parts))
    torch.manual_seed(recipe.fit.seed)
    network = _beginning(recipe, source.classes, training, channels)
    fitted = fit_masks(
        network,
        training,
        validation,
        recipe.windows,
        recipe.fit,
        recipe.adversary,
        checkpoints,
        judge_only=bool(recipe.members),
    )
    folder, parity, scores = _written(fitted, source, recipe, parts, out, overwrite)
    return TrainedMasks(
        folder=folder,
        problems=tuple(problem for part in parts for problem in part.problems),
        images=len(training),
        epochs=len(fitted.history) + len(fitted.discriminator_history),
        test=scores,
        parity=parity,
    )


def _beginning(
    recipe: MaskRecipe, classes: Sequence[MaskClass], training: Stacks, channels: int
) -> SegmentationNetwork:
    """Return the network as it is before its first step."""
    if recipe.members:
        return _committee(recipe, classes)
    network = untrained_network(recipe, len(classes), channels)
    network.normalise_by(*channel_statistics(training))
    if recipe.start is not None:
        begin_from(network, recipe.start)
    if recipe.encoder_weights is not None:
        begin_with_encoder(network, recipe.encoder_weights)
    return network


def _committee(recipe: MaskRecipe, classes: Sequence[MaskClass]) -> SegmentationNetwork:
    wanted = [each.name for each in classes]
    for member in recipe.members:
        card = load_model_folder(member).card
        of_it = [each.name for each in card.classes]
        if of_it != wanted or card.preprocessing.scale != recipe.scale:
            raise BadInput(
                f"member {member}: expected the classes {', '.join(wanted)} at scale "
                f"{recipe.scale:g}, got {', '.join(of_it)} at {card.preprocessing.scale:g}; give "
                "the members' own --scale, or other members"
            )
    members = [restore_segmentation(each) for each in recipe.members]
    # Whether there is one was settled when the members were trained.
    seam = recipe.seam if members[0].spec.seam else 0.0
    return committee_of(members, seam=seam, discriminator=recipe.discriminator)


def untrained_network(recipe: MaskRecipe, classes: int, channels: int) -> SegmentationNetwork:
    """Build the network that a recipe describes.

    Raises
    ------
    BadInput
        When it does not take the options, or windows of this size.
    """
    usual = {"mask": "unet", "volume": "tcup"}[recipe.kind]
    spec = SegmentationSpec(
        kind=recipe.kind,
        generator=recipe.network or usual,
        classes=classes,
        channels=channels,
        options=recipe.network_options,
        discriminator=recipe.discriminator,
        seam=recipe.seam if recipe.gap else 0.0,
    )
    network = SegmentationNetwork(spec)
    divisor = network.spec.divisor
    if recipe.windows.size % divisor:
        nearest = max(1, round(recipe.windows.size / divisor)) * divisor
        raise BadInput(
            f"size: expected a multiple of {divisor} px for this network, got "
            f"{recipe.windows.size}; give {nearest}"
        )
    return network


def _nothing(name: str, training: Stacks) -> str:
    remedy = "export more masks"
    if training.problems:
        remedy = f"{len(training.problems)} could not be used, first {training.problems[0]}"
    return f"{name}: expected images with masks to train on, got none; {remedy}"


def _written(
    fitted: FittedMasks,
    source: SetSource | PairsSource,
    recipe: MaskRecipe,
    parts: tuple[Stacks, Stacks, Stacks],
    out: Path,
    overwrite: bool,
) -> tuple[ModelFolder, float, dict[str, float]]:
    """Export, compare, measure, write."""
    network = fitted.network
    round_weights(network, recipe.store)
    onnx_bytes = export_segmentation(network, recipe.store)
    probes = _probes(next(part for part in reversed(parts) if len(part)), network.spec.divisor)
    parity = check_parity(network, onnx_bytes, probes)
    fields: dict[str, Any] = {
        "name": recipe.name,
        "kind": recipe.kind,
        "inputs": input_specs(network),
        "outputs": output_specs(network),
        "classes": source.classes,
        "thresholds": dict.fromkeys((each.name for each in source.classes), THRESHOLD),
        "training_set": source.reference,
        "licence": recipe.licence,
        "credits": recipe.credits,
    }
    bare = card_for(onnx_bytes, preprocessing=recipe.preprocessing, **fields)
    scores = score_test_split(onnx_bytes, bare, parts[-1], recipe.fit.threads)
    card = card_for(onnx_bytes, preprocessing=recipe.preprocessing, metrics=scores, **fields)
    content = json.dumps(
        {
            "encoding-type": "zooassist-recipe",
            "encoding-version": "0.1.0",
            "producer": f"zooassist {__version__}",
            "network": network.spec.to_json(),
            "recipe": _recipe_json(recipe),
            "onnx_parity": parity,
            "history": list(fitted.history),
            "discriminator_history": list(fitted.discriminator_history),
        },
        indent=2,
        ensure_ascii=False,
    )
    files = {RECIPE_FILE: (content + "\n").encode()}
    folder = write_model_folder(onnx_bytes, card, out, files=files, overwrite=overwrite)
    return folder, parity, scores


def _recipe_json(recipe: MaskRecipe) -> dict[str, Any]:
    """Return the options, and no path of the machine that training ran on."""
    content = asdict(recipe)
    for name in ("stretch", "scaling"):
        content[name] = getattr(recipe, name).model_dump()
    content["classes"] = [each.model_dump() for each in recipe.classes]
    if recipe.start is not None:
        content["start"] = Path(recipe.start).name
    content["members"] = [load_model_folder(each).card.version for each in recipe.members]
    if recipe.encoder_weights is not None:
        kind, _, place = recipe.encoder_weights.partition(":")
        content["encoder_weights"] = f"{kind}:{Path(place).name if kind == 'local-dir' else place}"
    return content


def _probes(stacks: Stacks, divisor: int) -> list[NDArray[np.uint8]]:
    """Return real stacks of several sizes to compare the graph on, one of them twice at once."""
    probes = []
    for number in range(min(PROBES, len(stacks))):
        image = np.array(stacks.images[number][: PROBE_SLICES + number])
        cut = (divisor * (1 + number), divisor * (2 + number))
        plane = padded(image.transpose(1, 2, 0, 3), *cut).transpose(2, 0, 1, 3)
        probes.append(np.ascontiguousarray(plane[None]))
    return [*probes, np.concatenate([probes[0], probes[0][:, ::-1]])]
