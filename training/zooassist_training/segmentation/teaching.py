"""How is a network of masks taught and asked in memory, without a model folder? For simulations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass
from zooassist_serving.masks.tiling import next_multiple, padded
from zooassist_training.segmentation.fit import fit_masks
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.networks import SegmentationNetwork
from zooassist_training.segmentation.stacks import Pair, Stacks, channel_statistics, read_stacks
from zooassist_training.segmentation.train import untrained_network
from zooassist_training.segmentation.volume_graph import reference

Pixel = TypeVar("Pixel", bound=np.generic)
# Slices that a network of images sees at once.
AT_ONCE = 16
FOREGROUND = MaskClass(number=1, name="object")


def teach(
    recipe: MaskRecipe,
    training: Stacks,
    validation: Stacks,
    classes: int = 1,
    start: SegmentationNetwork | None = None,
) -> SegmentationNetwork:
    """Fit a network as `train mask` and `train volume` do, and return it.

    Parameters
    ----------
    validation : Stacks
        Chooses the epoch; empty: the last one's averaged weights are returned.
    classes : int
        Without the background.
    start : SegmentationNetwork, optional
        Go on from its weights and its scaling of pixels; it stays as it is.

    Raises
    ------
    BadInput
        When there is nothing to learn from, or `start` is of another make.
    """
    if not len(training):
        raise BadInput("expected labelled volumes to learn from, got none")
    torch.manual_seed(recipe.fit.seed)
    network = untrained_network(recipe, classes, training.images.shapes[0][-1])
    if start is None:
        network.normalise_by(*channel_statistics(training))
    else:
        network.normalise_by(start.spec.mean, start.spec.deviation)
        try:
            network.load_state_dict(start.state_dict())
        except RuntimeError as error:
            raise BadInput("expected a network of the same make to go on from") from error
    fit_masks(network, training, validation, recipe.windows, recipe.fit, recipe.adversary)
    return network


def ask(
    network: SegmentationNetwork, image: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what a network says of a stack: (probabilities, patch realness).

    Parameters
    ----------
    image : array of shape (slices, height, width, channels)
        Mirrored at its lower and right border up to what the network takes.

    Returns
    -------
    array of shape (slices, classes, height, width)
    array of shape (slices, rows, columns)
        Of image and predicted mask.
    """
    slices, height, width, _ = image.shape
    whole = _mirrored(image, network.spec.divisor)
    # A volume's slices know of each other; those of images do not, and need no room together.
    step = slices if network.spec.kind == "volume" else AT_ONCE
    answers = [reference(network, whole[None, at : at + step]) for at in range(0, slices, step)]
    masks = np.concatenate([mask[0] for mask, _ in answers])
    return masks[..., :height, :width], np.concatenate([real[0] for _, real in answers])


def judge(
    network: SegmentationNetwork, image: NDArray[np.uint8], masks: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the patch realness (slices, rows, columns) of masks that others drew of a stack.

    Parameters
    ----------
    masks : array of shape (slices, classes, height, width)
        Probabilities.
    """
    divisor = network.spec.divisor
    pixels = _mirrored(image, divisor).transpose(0, 3, 1, 2)
    drawn = _mirrored(masks.transpose(0, 2, 3, 1), divisor).transpose(0, 3, 1, 2)
    with torch.no_grad():
        stacks = network.normalised(torch.tensor(pixels).float())[None]
        realness = torch.sigmoid(network.judged(stacks, torch.tensor(drawn)[None]))[0]
    result: NDArray[np.float32] = realness.numpy()
    return result


def _mirrored(stack: NDArray[Pixel], divisor: int) -> NDArray[Pixel]:
    """Mirror the lower and right border of (slices, height, width, …) up to a multiple."""
    height, width = (next_multiple(side, divisor) for side in stack.shape[1:3])
    plane = padded(stack.transpose(1, 2, 0, 3), height, width)
    return np.ascontiguousarray(plane.transpose(2, 0, 1, 3))


def foreground_parts(
    stacks: Stacks,
    chosen: Sequence[int],
    labels: Mapping[int, NDArray[np.bool_]] | None = None,
) -> Stacks:
    """Return some of the stacks, all their classes as one object.

    Parameters
    ----------
    chosen : sequence of int
        Places of the stacks that are wanted.
    labels : mapping, optional
        Place -> array of bool (slices, height, width) that is learnt in place of the labels.
    """
    others = labels or {}

    def read(at: int) -> Pair:
        mask = others[at] if at in others else stacks.labels[at] > 0
        return np.array(stacks.images[at]), mask.astype(np.uint8)

    items: list[tuple[str, Callable[[], Pair]]] = [
        (stacks.names[at], partial(read, at)) for at in chosen
    ]
    return read_stacks(items, (FOREGROUND,))
