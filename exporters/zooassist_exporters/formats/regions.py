"""Which objects does a label map hold, as runs of pixels, and how are runs written in COCO?

Runs go down the columns, as COCO's do: pixel (row, column) of a picture has the place
``column * height + row``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.formats.shape_outlines import Box, Size
from zooassist_plugin.errors import BadInput

Runs = NDArray[np.int64]


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


def runs_to_places(starts: Runs, lengths: Runs, total: int) -> NDArray[np.bool_]:
    """Return which of `total` places the runs cover."""
    steps = np.zeros(total + 1, dtype=np.int64)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + lengths, -1)
    return np.cumsum(steps[:-1]) > 0


def runs_to_counts(starts: Runs, lengths: Runs, total: int) -> list[int]:
    """Return COCO's uncompressed counts: pixels outside, inside, outside and so on."""
    edges = np.empty(2 * len(starts), dtype=np.int64)
    edges[0::2], edges[1::2] = starts, starts + lengths
    counts: list[int] = np.diff(edges, prepend=0, append=total).tolist()
    return counts[:-1] if counts[-1] == 0 and len(counts) > 1 else counts


def counts_to_runs(counts: Sequence[int]) -> tuple[Runs, Runs]:
    """Return the runs of uncompressed counts: starts and lengths of what is inside."""
    ends = np.cumsum(np.asarray(counts, dtype=np.int64))
    lengths = np.asarray(counts[1::2], dtype=np.int64)
    starts = ends[0::2][: len(lengths)]
    return starts[lengths > 0], lengths[lengths > 0]


def counts_to_string(counts: Sequence[int]) -> str:
    """Return COCO's compressed counts.

    From the fourth on, the difference to the count before last is written; five bits a character,
    lowest first, offset by 48, bit 5 says that more follow, and the last one's bit 4 is the sign.
    """
    out = bytearray()
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            low = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if low & 0x10 else 0)
            out.append(48 + (low | 0x20 if more else low))
    return out.decode("ascii")


def string_to_counts(text: str) -> list[int]:
    """Return the uncompressed counts of COCO's compressed ones.

    Raises
    ------
    BadInput
        When the text is none, or stops within a number.
    """
    counts: list[int] = []
    value = shift = 0
    more = False
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise BadInput(f"RLE counts: expected characters from '0' to 'o', got {character!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        more = bool(bits & 0x20)
        if not more:
            if bits & 0x10:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if more or any(count < 0 for count in counts):
        raise BadInput(f"RLE counts {text[:40]!r}: stop within a number, or one is negative")
    return counts


def _before(lengths: Runs) -> Runs:
    return np.asarray(np.cumsum(lengths) - lengths, dtype=np.int64)
