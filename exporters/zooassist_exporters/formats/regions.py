"""Which objects does a label map hold, as runs of pixels?

Runs go down the columns, as COCO's do: pixel (row, column) of a picture has the place
``column * height + row``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.formats.shape_outlines import Box, Size
from zooassist_plugin.errors import BadInput
from zooassist_plugin.run_lengths import Runs, runs_to_places


@dataclass(frozen=True)
class Region:
    """The pixels of one object: a class, and which object of it.

    Attributes
    ----------
    number : int
        Class number in the label map, 1-255.
    instance : int
        Number in the instance map, 1-65535; 0 for pixels of the class that belong to no object.
    starts, lengths : arrays, shape (runs,)
        Places of the first pixels of the runs, ascending, and how long they are.
    size : (int, int)
        Width and height of the picture.
    """

    number: int
    instance: int
    starts: Runs
    lengths: Runs
    size: Size

    @property
    def area(self) -> int:
        """How many pixels."""
        return int(self.lengths.sum())

    def box(self) -> Box:
        """Return the box around the pixels."""
        height = self.size[1]
        last = self.starts + self.lengths - 1
        left, right = int(self.starts[0]) // height, int(last[-1]) // height + 1
        if np.any(self.starts // height != last // height):  # a run goes on in the next column
            return (float(left), 0.0, float(right), float(height))
        top, bottom = int((self.starts % height).min()), int((last % height).max()) + 1
        return (float(left), float(top), float(right), float(bottom))

    def pixels(self) -> NDArray[np.bool_]:
        """Return the pixels as a picture, shape (height, width)."""
        width, height = self.size
        return runs_to_places(self.starts, self.lengths, width * height).reshape(width, height).T


def maps_to_regions(
    labels: NDArray[np.uint8], instances: NDArray[np.uint16] | None = None
) -> list[Region]:
    """Return one region per class and instance, in that order.

    All are found in one pass over the runs, so that 65,535 objects cost no more than one.

    Parameters
    ----------
    labels : array, shape (height, width)
        Class numbers, 0 for none. What is 0 here belongs to no region.
    instances : array, shape (height, width), optional
        Object numbers, 0 for none.
    """
    if instances is not None and instances.shape != labels.shape:
        raise BadInput(
            f"instance map: expected the label map's shape {labels.shape}, got {instances.shape}"
        )
    codes = labels.astype(np.int64) << 16
    if instances is not None:
        codes += np.where(labels > 0, instances, 0)
    flat = codes.T.ravel()
    if not flat.any():
        return []
    starts = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1])
    lengths = np.diff(np.append(starts, flat.size))
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    order = order[np.searchsorted(values[order], 1) :]
    found, first = np.unique(values[order], return_index=True)
    size = (labels.shape[1], labels.shape[0])
    return [
        Region(int(code) >> 16, int(code) & 0xFFFF, starts[part], lengths[part], size)
        for code, part in zip(found, np.split(order, first[1:]), strict=True)
    ]


def regions_to_maps(
    regions: Iterable[Region], size: Size
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Paint regions into a label map and an instance map; where two overlap, the later shows."""
    width, height = size
    labels = np.zeros(width * height, dtype=np.uint8)
    instances = np.zeros(width * height, dtype=np.uint16)
    for region in regions:
        if region.size != size:
            raise BadInput(f"region: expected a picture of {size}, got one of {region.size}")
        places = np.repeat(region.starts - _before(region.lengths), region.lengths)
        places += np.arange(region.area)
        labels[places] = region.number
        instances[places] = region.instance
    return labels.reshape(width, height).T.copy(), instances.reshape(width, height).T.copy()


def _before(lengths: Runs) -> Runs:
    return np.asarray(np.cumsum(lengths) - lengths, dtype=np.int64)
