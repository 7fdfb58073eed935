"""Which masks are learnt in the transfer benchmark? Nuclei, membranes, and kelp by a rule.

====== ============================== ========================================== ===============
task   images                         masks                                      held back
====== ============================== ========================================== ===============
nuclei light microscopy, 256 px       nuclei, by biologists                      hash of the name
em     pieces of 125 px of slices     membranes of neurons, two pixels wide,     the last slices
       of one electron micrograph     by experts
kelp   Landsat coasts, 532 x 484 px,  floating kelp, by a colour rule and NOT by hash of the name
       half as large, with kelp       people
====== ============================== ========================================== ===============

What is said of kelp is how fast the rule is learnt, and nothing of kelp.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from slice_choice_data import EM, digest, read_slices

from zooassist_exporters.splits import Split, split_of
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass
from zooassist_serving.mask_tiles import rescaled
from zooassist_training.segmentation.sources import number_of
from zooassist_training.segmentation.stacks import Pair, Stacks, read_stacks

OBJECT = (MaskClass(number=1, name="object"),)
# Of the micrograph: every fourth slice, since neighbours are much alike; a gap before what is held
# back; and the last of what is left chooses learning rates.
STEP, PIECE = 4, 125
LEARNT, CHOSEN, HELD_BACK = range(0, 100), range(104, 116), range(124, 160)
SCALE = 0.5


@dataclass(frozen=True, eq=False)
class Task:
    """Images with masks, in three parts.

    Attributes
    ----------
    validation : Stacks
        Chooses learning rates.
    known : str
        Tells the images from others.
    """

    name: str
    training: Stacks
    validation: Stacks
    test: Stacks
    known: str


def nuclei(data: Path) -> Task:
    """Read the nuclei."""
    folder = data / "nuclei"
    paths = sorted((folder / "images").glob("*.png"))
    items = {
        path.stem: partial(_picture, path, folder / "masks" / path.name, 1.0) for path in paths
    }
    return _by_name("nuclei", folder, items)


def kelp(data: Path) -> Task:
    """Read the coasts on which the rule found kelp."""
    folder = data / "floating_forests"
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["subject"] for row in rows if float(row["mask_fraction"]) > 0]
    items = {
        name: partial(
            _picture,
            folder / "images" / f"{name}.jpg",
            folder / "rule_masks" / f"{name}.png",
            SCALE,
        )
        for name in names
    }
    return _by_name("kelp", folder, items)


def membranes(data: Path) -> Task:
    """Cut slices of the micrograph into pieces."""
    image, marked = (read_slices(data / EM / name) for name in ("images", "boundary_masks"))
    colours = np.repeat(image[..., None], 3, axis=-1)

    def part(slices: Iterable[int]) -> Stacks:
        items = []
        for z in list(slices)[::STEP]:
            for y in range(0, image.shape[1] - PIECE + 1, PIECE):
                for x in range(0, image.shape[2] - PIECE + 1, PIECE):
                    cut = (slice(z, z + 1), slice(y, y + PIECE), slice(x, x + PIECE))
                    pair = colours[cut], (marked[cut] > 0).astype(np.uint8)
                    items.append((f"piece {z} {y} {x}", lambda pair=pair: pair))
        return read_stacks(items, OBJECT)

    return _task("em", part(LEARNT), part(CHOSEN), part(HELD_BACK))


def _picture(image: Path, mask: Path, scale: float) -> Pair:
    pixels = rescaled(np.array(Image.open(image).convert("RGB")), scale)
    drawn = Image.open(mask).convert("L")
    size = (pixels.shape[1], pixels.shape[0])
    labels: NDArray[np.uint8] = np.array(drawn.resize(size, Image.Resampling.NEAREST))
    return pixels[None], (labels > 0).astype(np.uint8)[None]


def _by_name(name: str, folder: Path, items: Mapping[str, Callable[[], Pair]]) -> Task:
    if not items:
        raise BadInput(f"{folder}: expected images with masks, found none")

    def part(split: Split) -> Stacks:
        chosen = [(each, items[each]) for each in items if split_of(number_of(each)) == split]
        return read_stacks(chosen, OBJECT)

    return _task(name, part("train"), part("validation"), part("test"))


def _task(name: str, training: Stacks, validation: Stacks, test: Stacks) -> Task:
    return Task(name, training, validation, test, digest(training) + digest(test))


TASKS: Mapping[str, Callable[[Path], Task]] = {"nuclei": nuclei, "em": membranes, "kelp": kelp}
FOLDERS = {"nuclei": "nuclei", "em": EM, "kelp": "floating_forests"}
