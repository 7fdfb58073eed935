"""Which volumes is the choice of slices tried on? MRI scans, and pieces of an electron micrograph.

The micrograph (`em/flyem_medulla`) is one volume of 160 slices of 250 x 250 px, 10 nm each way.
It is cut into pieces of 16 slices of 120 x 120 px, with gaps of 4 slices and 10 px between them, so
that no piece shows what its neighbour shows. What volunteers outline there are neurons: the
membranes between them are drawn with a pen, and the object is what the pen leaves. The pen is 70 nm
wide, as in Etch-A-Cell's training labels (Spiers et al. 2021, bioRxiv 2020.07.28.223024). With the
two pixels by which the data mark a membrane there would be nothing to choose: to call everything
neuron has a Dice of 0.946 already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt

from zooassist_exporters.splits import SPLITS
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass, Preprocessing, VolumeScaling
from zooassist_training.recipes.hippocampus import CLASSES
from zooassist_training.segmentation.sources import open_source
from zooassist_training.segmentation.stacks import Pair, Stacks, read_stacks

MRI, EM = "hippocampus_mri", "em/flyem_medulla"
DEPTH, SIDE, GAP = 16, 120, (4, 10)
PEN = 7  # px of 10 nm
NEURON = MaskClass(number=1, name="neuron")
# A membrane is marked by as many pixels in the data.
MARKED = 2


def read_scans(data: Path) -> Stacks:
    """Read the MRI volumes; both parts of the hippocampus are one object to the simulation."""
    scaled = Preprocessing(size=64, volume=VolumeScaling())
    return open_source(data / MRI, "volume", CLASSES).read(SPLITS, scaled)


def read_pieces(data: Path, pen: float = PEN, *, membranes: bool = False) -> Stacks:
    """Cut the micrograph into pieces.

    Parameters
    ----------
    pen : float
        Width of a membrane in pixels.
    membranes : bool
        Outline membranes, not what lies between them.
    """
    image, marked = (read_slices(data / EM / name) for name in ("images", "boundary_masks"))
    object_ = membrane_of(marked > 0, pen) ^ (not membranes)
    return read_stacks(pieces(image, object_.astype(np.uint8)), (NEURON,))


def membrane_of(marked: NDArray[np.bool_], pen: float) -> NDArray[np.bool_]:
    """Widen membranes (slices, height, width) to a pen's width, slice by slice."""
    reach = (pen - MARKED) / 2
    if reach <= 0:
        return marked
    return np.stack([distance_transform_edt(~plane) <= reach for plane in marked])


def pieces(
    image: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Yield the pieces of a volume (slices, height, width) by name."""
    deep, wide = DEPTH + GAP[0], SIDE + GAP[1]
    for z in range(0, len(image) - DEPTH + 1, deep):
        for y in range(0, image.shape[1] - SIDE + 1, wide):
            for x in range(0, image.shape[2] - SIDE + 1, wide):
                cut = (slice(z, z + DEPTH), slice(y, y + SIDE), slice(x, x + SIDE))
                yield f"piece {z} {y} {x}", partial(_piece, image[cut], labels[cut])


def _piece(image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Pair:
    return image[..., None], labels


def read_slices(folder: Path) -> NDArray[np.uint8]:
    """Read a folder of PNG, one per slice.

    Raises
    ------
    BadInput
        When there are none.
    """
    paths = sorted(folder.glob("*.png"))
    if not paths:
        raise BadInput(f"{folder}: expected slices as PNG, found none")
    return np.stack([np.array(Image.open(path).convert("L")) for path in paths])


def digest(stacks: Stacks) -> str:
    """Return what tells the volumes from others."""
    found = hashlib.sha256()
    for image, labels in zip(stacks.images, stacks.labels, strict=True):
        found.update(image.tobytes())
        found.update(labels.tobytes())
    return found.hexdigest()[:12]
