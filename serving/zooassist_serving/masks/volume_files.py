"""How does a scan become what a volume model sees? Its slices in memory, brought to 8 bits."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import VolumeScaling
from zooassist_plugin.stacks.modalities import open_modalities
from zooassist_plugin.stacks.stack import Spacing, size_text

# A volume is held in memory, as it is in the file and as bytes.
MAX_VOXELS = 500_000_000
# Percentiles are taken of so many values at most, evenly spaced.
SAMPLED = 4_000_000


@dataclass(frozen=True, eq=False)
class Volume:
    """The values of a scan.

    Attributes
    ----------
    values : array of shape (slices, height, width, modalities)
    spacing : tuple of float, optional
        Distance of slices, rows and columns, where the file says it.
    """

    values: NDArray[Any]
    spacing: Spacing | None = None


def read_volume(path: Path, max_voxels: int = MAX_VOXELS) -> Volume:
    """Read a volume, see `open_modalities`.

    Raises
    ------
    BadInput
        When it can't be read whole, a voxel is not a number, or there are more than `max_voxels`:
        that is seen from the header alone.
    """
    with ExitStack() as opened:
        stacks = [opened.enter_context(stack) for stack in open_modalities(path)]
        shape = (*stacks[0].shape, len(stacks))
        if math.prod(shape) > max_voxels:
            raise BadInput(
                f"{path}: expected at most {max_voxels:,} voxels, got {math.prod(shape):,} "
                f"({size_text(shape)}); cut the volume into smaller ones"
            )
        values: NDArray[Any] | None = None
        for modality, stack in enumerate(stacks):
            for at in range(len(stack)):
                plane = stack.read(at)
                if plane.dtype.kind == "f":
                    plane = stack.read_finite(at)
                if values is None:
                    kind = np.float32 if plane.dtype.kind == "f" else plane.dtype
                    values = np.empty(shape, dtype=kind)
                elif not np.can_cast(plane.dtype, values.dtype):
                    values = values.astype(np.promote_types(plane.dtype, values.dtype))
                values[at, ..., modality] = plane
    assert values is not None  # a stack has a slice
    return Volume(values, stacks[0].spacing)


def scaled(volume: Volume, spec: VolumeScaling) -> NDArray[np.uint8]:
    """Bring each modality to 8 bits by its own percentiles: scans have no common scale.

    Returns
    -------
    array of shape (slices, height, width, modalities), uint8
    """
    result = np.empty(volume.values.shape, dtype=np.uint8)
    for modality in range(volume.values.shape[3]):
        values = volume.values[..., modality]
        step = max(1, values.size // SAMPLED)
        low, high = np.percentile(values.reshape(-1)[::step], (spec.low, spec.high))
        span = float(high - low)
        for number, plane in enumerate(values):  # slice by slice: floats take four times the bytes
            share = (plane.astype(np.float32) - np.float32(low)) * (255 / span if span > 0 else 0)
            result[number, ..., modality] = np.clip(np.rint(share), 0, 255)
    return result
