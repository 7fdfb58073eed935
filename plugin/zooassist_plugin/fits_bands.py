"""Which image does a FITS file hold? Its first: one band or three, checked, as numbers."""

from __future__ import annotations

import warnings
from functools import cache
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, MissingExtra

FITS_MAGIC: Final = b"SIMPLE  ="
# Masked pixels are common at the edge of a survey; an image of mostly nothing is no image.
MOST_MISSING: Final = 0.5


class FitsProblem(BadInput):
    """Bytes that are no FITS image a model can see; the text is one line with the remedy."""


def read_bands(data: bytes, max_pixels: int) -> NDArray[np.float64]:
    """Read the first image of a FITS file, in the file's own unit.

    Parameters
    ----------
    data : bytes
        A whole file.
    max_pixels : int
        Larger images are refused from their header alone.

    Returns
    -------
    array of shape (1 or 3, height, width)
        Row 0 is the file's first, the lowest. Some values may be NaN or infinite, at most half.

    Raises
    ------
    FitsProblem
        For damaged files, other shapes, more than `max_pixels`, and images of which more than half
        are NaN or infinite.
    MissingExtra
        When astropy is not installed.
    """
    try:
        from astropy.io import fits
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "a FITS image needs 'astropy', which is not installed; "
            'run: pip install "zooassist[fits]"'
        ) from error
    _quiet()
    try:
        with fits.open(BytesIO(data), memmap=False) as file:
            bands = _first_image(file, max_pixels)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise FitsProblem(
            f"expected a whole FITS image, got damaged data ({words}); "
            "fetch or write the file again"
        ) from error
    missing = 1 - np.isfinite(bands).mean()
    if missing > MOST_MISSING:
        raise FitsProblem(
            f"expected flux values, got NaN or infinity in {missing:.0%} of the pixels; "
            "cut the image out where there is data"
        )
    return bands


@cache
def _quiet() -> None:
    """Keep back astropy's remarks on odd files: what matters becomes an error of its image.

    Once, and for the process, since threads share what warnings are let through.
    """
    warnings.filterwarnings("ignore", category=UserWarning, module="astropy")


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
