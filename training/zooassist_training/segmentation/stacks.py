"""What does a network of masks learn from? Images and volumes with their label maps, as stacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.model_card import MaskClass
from zooassist_training.segmentation.ragged import Ragged, RaggedWriter

# An image (slices, height, width, channels) and its label map (slices, height, width), as numbers
# of classes.
Pair: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.uint8]]
# In place of a class: whatever is drawn here is neither right nor wrong.
UNLEARNT = 255


@dataclass(frozen=True, eq=False)
class Stacks:
    """Images and volumes with their labels; an image is a stack of one slice.

    Attributes
    ----------
    names : tuple of str
        As the user knows them: ``subject 5``.
    images : sequence of arrays (slices, height, width, channels), uint8
    labels : sequence of arrays (slices, height, width), uint8
        0 for the background, else the place of the class among all, counted from 1.
    problems : tuple of ItemFailed
        What could not be used.
    """

    names: tuple[str, ...]
    images: Ragged
    labels: Ragged
    problems: tuple[ItemFailed, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def slices(self) -> int:
        """How many slices there are in all stacks."""
        return sum(shape[0] for shape in self.labels.shapes)


def read_stacks(
    items: Iterable[tuple[str, Callable[[], Pair]]],
    classes: Sequence[MaskClass],
    channels: int | None = None,
) -> Stacks:
    """Read stacks one by one; what is not fit to learn from is named, and the rest goes on.

    Parameters
    ----------
    items : iterable of (name, function)
        The function reads an image with its label map.
    channels : int, optional
        That every image must have; by default as many as the first.
    """
    places = np.zeros(256, dtype=np.uint8)
    for place, each in enumerate(classes, start=1):
        places[each.number] = place
    names: list[str] = []
    problems: list[ItemFailed] = []
    images, labels = RaggedWriter(), RaggedWriter()
    for name, read in items:
        try:
            image, numbers = read()
            check_pair(image, numbers, classes)
            known = places[numbers]
            if (known == UNLEARNT).any():
                raise BadInput(f"expected at most {UNLEARNT - 1} classes, got more; merge some")
            channels = image.shape[-1] if channels is None else channels
            if image.shape[-1] != channels:
                raise BadInput(
                    f"expected {channels} modalities as the others have, got {image.shape[-1]}; "
                    "bring all volumes to the same ones"
                )
        except (BadInput, OSError) as error:
            problems.append(_failed(name, error))
            continue
        names.append(name)
        images.add(image)
        labels.add(known)
    return Stacks(tuple(names), images.done(), labels.done(), tuple(problems))


def check_pair(
    image: NDArray[np.uint8], numbers: NDArray[np.uint8], classes: Sequence[MaskClass]
) -> None:
    """Refuse labels that do not fit their image.

    Raises
    ------
    BadInput
        When the sizes differ, or a label is of no class.
    """
    if image.shape[:3] != numbers.shape:
        raise BadInput(
            f"expected a mask of {_size(image.shape)} as its image, got {_size(numbers.shape)}; "
            "make the mask again from this image"
        )
    known = {0, *(each.number for each in classes)}
    strange = sorted({int(number) for number in np.unique(numbers)} - known)
    if strange:
        raise BadInput(
            f"expected labels 0 (background) and {', '.join(map(str, sorted(known - {0})))}, got "
            f"{', '.join(map(str, strange[:5]))}; name its class, or mend the mask"
        )


def _size(shape: Sequence[int]) -> str:
    slices = f"{shape[0]} slices of " if shape[0] != 1 else ""
    return f"{slices}{shape[2]} x {shape[1]} px"


def _failed(name: str, error: BadInput | OSError) -> ItemFailed:
    said = error.strerror if isinstance(error, OSError) else str(error)
    reason, _, remedy = (said or type(error).__name__).rpartition("; ")
    if not reason:
        reason, remedy = remedy, "mend or remove it"
    return ItemFailed(name, reason, remedy)


def channel_statistics(stacks: Stacks) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel, of pixels scaled to 0-1."""
    total: NDArray[np.float64] | None = None
    for image in _sampled(stacks):
        values = image.reshape(-1, image.shape[-1]).astype(np.float64) / 255
        sums = np.stack([np.full(values.shape[1], len(values)), values.sum(0), (values**2).sum(0)])
        total = sums if total is None else total + sums
    if total is None:
        raise BadInput("expected images to learn from, got none")
    mean = total[1] / total[0]
    deviation = np.sqrt(np.maximum(total[2] / total[0] - mean**2, 0))
    # A channel without variation must not divide by zero.
    return tuple(map(float, mean)), tuple(float(max(each, 1 / 255)) for each in deviation)


def _sampled(stacks: Stacks, most: int = 500) -> Iterator[NDArray[np.uint8]]:
    """Yield some slices of some stacks, evenly spaced."""
    step = max(1, stacks.slices // most)
    number = 0
    for image in stacks.images:
        for one in image:
            if number % step == 0:
                yield one
            number += 1
