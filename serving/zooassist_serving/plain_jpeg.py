"""How is a plain JPEG decoded in less than half the time? By libjpeg-turbo without what is around.

Plain is what nearly every photograph and cut-out is: grey or YCbCr, in a usual subsampling, whole,
without metadata that could turn it. The pixels are those of Pillow to the last bit, which a test
compares: both call the same library with the same settings. Anything else is left to Pillow.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

COLOURS: Final = {"YCbCr", "Gray"}
SUBSAMPLINGS: Final = {"444", "422", "420", "Gray"}
# Markers without a length: restarts, start of the image, and one for arithmetic coding.
ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
# Segments that say how to show the image: EXIF or XMP (orientation), Adobe's (colour transform).
TELLING: Final = frozenset({0xE1, 0xEE})
START_OF_SCAN: Final = 0xDA


def decode_plain_jpeg(data: bytes, max_pixels: int) -> NDArray[np.uint8] | None:
    """Decode a plain JPEG; None where it is not plain, damaged or too large.

    Parameters
    ----------
    data : bytes
        A whole file.
    max_pixels : int
        Known from the header, before memory is taken.

    Returns
    -------
    array of shape (height, width, 3), uint8, or None
    """
    if not _is_plain(data):
        return None
    try:
        height, width, colours, subsampling = simplejpeg.decode_jpeg_header(data)
        if colours not in COLOURS or subsampling not in SUBSAMPLINGS or height * width > max_pixels:
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "RGB")
    except ValueError:
        return None  # Pillow says in its words what is wrong, or reads it all the same
    return pixels


def _is_plain(data: bytes) -> bool:
    """Whether the segments before the picture are whole, and none says how to show it."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == START_OF_SCAN:
            return True
        if marker in TELLING:
            return False
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker in ALONE:
            place += 2
        else:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return False
