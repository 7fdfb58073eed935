"""How does a FITS image become eight bits? Stretched, as the model's card says.

A FITS file holds measured flux, not a picture. The values v become arcsinh(q v); then the
percentiles `low` and `high` of what is there become 0 and 255. Three bands share one scale, so
that colour survives: plane 0 is red. The first row of a FITS image lies at the bottom, and is put
there.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, MissingExtra
from zooassist_plugin.model_card import Stretch

FITS_MAGIC: Final = b"SIMPLE  ="
# Masked pixels are common at the edge of a survey; an image of mostly nothing is no image.
MOST_MISSING: Final = 0.5


class FitsProblem(BadInput):
    """Bytes that are no FITS image a model can see; the text is one line with the remedy."""


def decode_fits(data: bytes, max_pixels: int, stretch: Stretch) -> NDArray[np.uint8]:
    """Decode the first image of a FITS file: one band, or three.

    Pixels that are NaN or infinite take the lowest value of the image, as empty sky does.

    Returns
    -------
    array of shape (height, width, 3), uint8

    Raises
    ------
    FitsProblem
        For damaged files, other shapes, more than `max_pixels`, and images of which more than half
        are NaN or infinite.
    MissingExtra
        When astropy is not installed.
    """
    bands = _bands(data, max_pixels)
    finite = np.isfinite(bands)
    if finite.mean() < 1 - MOST_MISSING:
        raise FitsProblem(
            f"expected flux values, got NaN or infinity in {1 - finite.mean():.0%} of the pixels; "
            "cut the image out where there is data"
        )
    values = np.arcsinh(stretch.q * bands)
    low, high = np.percentile(values[finite], (stretch.low, stretch.high))
    values[~finite] = low
    scaled = (np.clip(values, low, high) - low) / (high - low) if high > low else 0 * values
    planes = np.rint(255 * scaled).astype(np.uint8)[:, ::-1]
    return np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])).transpose(1, 2, 0))


def _bands(data: bytes, max_pixels: int) -> NDArray[np.float64]:
    """Return the first image as (1 or 3, height, width)."""
    try:
        from astropy.io import fits
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "a FITS image needs 'astropy', which is not installed; "
            'run: pip install "zooassist[fits]"'
        ) from error
    try:
        with fits.open(BytesIO(data), memmap=False) as file:
            return _first_image(file, max_pixels)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise FitsProblem(
            f"expected a whole FITS image, got damaged data ({words}); "
            "fetch or write the file again"
        ) from error


def _first_image(file: Any, max_pixels: int) -> NDArray[np.float64]:  # noqa: ANN401
    for part in file:
        shape = tuple(part.shape) if getattr(part, "is_image", False) else ()
        if not shape:
            continue
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)):
            raise FitsProblem(
                f"expected an image of one band or three, got a FITS array of shape {shape}; "
                "write (height, width) or (3, height, width)"
            )
        height, width = shape[-2:]
        if width * height > max_pixels:
            raise FitsProblem(
                f"expected at most {max_pixels:,} pixels, got {width} x {height}; scale the image "
                "down, or raise the limit (--max-pixels of predict and serve)"
            )
        values: NDArray[np.float64] = np.array(part.data, dtype=np.float64)
        return values.reshape(-1, height, width)
    raise FitsProblem("expected an image in the FITS file, found none; look for it in a table")
