"""How does a FITS image become eight bits? Stretched, as the model's card says.

A FITS file holds measured flux, not a picture. The values v become arcsinh(q v); then the
percentiles `low` and `high` of what is there become 0 and 255. Three bands share one scale, so
that colour survives: plane 0 is red. The first row of a FITS image lies at the bottom, and is put
there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.fits_bands import read_bands
from zooassist_plugin.model_card import Stretch


def decode_fits(data: bytes, max_pixels: int, stretch: Stretch) -> NDArray[np.uint8]:
    """Decode the first image of a FITS file: one band, or three.

    Pixels that are NaN or infinite take the lowest value of the image, as empty sky does.

    Returns
    -------
    array of shape (height, width, 3), uint8

    Raises
    ------
    FitsProblem, MissingExtra
        As `fits_bands.read_bands`.
    """
    bands = read_bands(data, max_pixels)
    finite = np.isfinite(bands)
    values = np.arcsinh(stretch.q * bands)
    low, high = np.percentile(values[finite], (stretch.low, stretch.high))
    values[~finite] = low
    scaled = (np.clip(values, low, high) - low) / (high - low) if high > low else 0 * values
    planes = np.rint(255 * scaled).astype(np.uint8)[:, ::-1]
    return np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])).transpose(1, 2, 0))
