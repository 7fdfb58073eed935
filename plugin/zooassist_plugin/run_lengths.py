"""How is a mask written as COCO's run lengths, and read back?

Runs go down the columns, as COCO's do: pixel (row, column) of a picture has the place
``column * height + row``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

Runs = NDArray[np.int64]


def mask_to_counts(mask: NDArray[np.bool_]) -> list[int]:
    """Return the uncompressed counts of a mask of shape (height, width)."""
    flat = np.ravel(mask, order="F").astype(np.int8)
    edges = np.diff(flat, prepend=0, append=0)
    starts = np.flatnonzero(edges == 1)
    return runs_to_counts(starts, np.flatnonzero(edges == -1) - starts, mask.size)


def counts_to_mask(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask of uncompressed counts.

    Parameters
    ----------
    size : (int, int)
        Width and height.

    Returns
    -------
    array of bool, shape (height, width)

    Raises
    ------
    BadInput
        When the counts don't add up to that many pixels.
    """
    width, height = size
    if sum(counts) != width * height:
        raise BadInput(
            f"RLE counts: expected {width} x {height} = {width * height} pixels in all, "
            f"got {sum(counts)}"
        )
    places = runs_to_places(*counts_to_runs(counts), width * height)
    return places.reshape(width, height).T


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
