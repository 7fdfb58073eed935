"""How does Label Studio write a brush? Bits of runs, over the four channels of every pixel.

The format is that of @thi.ng/rle-pack, which Label Studio uses with words of 8 bits: 32 bits with
the number of words; 5 bits with the size of a word less one; four times 4 bits with the sizes of
counts less one; then blocks of one bit (1: a run, 0: words one by one), 2 bits that choose the size
of the count, the count less one, and the word of the run. A mask is a picture whose four channels
are 255 inside, row by row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORD = 8
COUNT_SIZES = (3, 4, 8, 16)
CHANNELS = 4
LONGEST = 2 ** COUNT_SIZES[-1]


def mask_to_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Return the `rle` of a mask of shape (height, width): bytes as numbers."""
    flat = np.ravel(mask)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.concatenate((starts, [flat.size]))) * CHANNELS
    bits = [f"{flat.size * CHANNELS:032b}", f"{WORD - 1:05b}"]
    bits += [f"{size - 1:04b}" for size in COUNT_SIZES]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        word = "11111111" if flat[start] else "00000000"
        left = length
        while left:
            count = min(left, LONGEST)
            place = next(i for i, size in enumerate(COUNT_SIZES) if count <= 2**size)
            bits.append(f"1{place:02b}{count - 1:0{COUNT_SIZES[place]}b}{word}")
            left -= count
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    packed: list[int] = np.packbits(np.frombuffer(text.encode(), np.uint8) - ord("0")).tolist()
    return packed
