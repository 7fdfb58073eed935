"""Are these bytes an image that can be trained on, and which suffix should its file have?"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Final

from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from zooassist_plugin.errors import BadInput
from zooassist_plugin.fits_bands import FITS_MAGIC, read_bands

MOST_PIXELS: Final = 100_000_000

# First bytes -> suffix and reader. The content decides: names often lie. The readers are called
# directly because `PIL.Image.open` enforces a limit that is global to the process.
FORMATS: Final[tuple[tuple[bytes, str, Callable[[BytesIO], ImageFile]], ...]] = (
    (b"\xff\xd8\xff", ".jpg", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", ".png", PngImageFile),
    (b"GIF87a", ".gif", GifImageFile),
    (b"GIF89a", ".gif", GifImageFile),
    (b"II*\x00", ".tif", TiffImageFile),
    (b"MM\x00*", ".tif", TiffImageFile),
    (b"RIFF", ".webp", WebPImageFile),
)
FITS: Final = ".fits"
SUFFIXES: Final = (*dict.fromkeys(suffix for _, suffix, _ in FORMATS), FITS)
# Other endings that files of these formats have.
ALSO_CALLED: Final = (".jpeg", ".tiff", ".fit", ".fts")
# What Pillow's readers raise on broken files.
DAMAGED: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


def image_suffix(data: bytes) -> str:
    """Decode an image once and return the suffix its file should have.

    Raises
    ------
    BadInput
        For empty, foreign, damaged or enormous content; the text is one line with the remedy.
    MissingExtra
        For a FITS image where astropy is not installed.
    """
    if not data:
        raise BadInput("expected an image, got 0 bytes; fetch or write the file again")
    if data.startswith(FITS_MAGIC):
        read_bands(data, MOST_PIXELS)
        return FITS
    found = next((entry for entry in FORMATS if data.startswith(entry[0])), None)
    if found is None:
        raise BadInput(
            f"expected a JPEG, PNG, GIF, TIFF, WebP or FITS image, got {len(data)} bytes "
            f"starting with {data[:8]!r}; convert it or leave it out"
        )
    _, suffix, reader = found
    try:
        with reader(BytesIO(data)) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise BadInput(
                    f"expected at most {MOST_PIXELS // 1_000_000} million pixels, got "
                    f"{width} x {height}; scale the image down"
                )
            image.load()
    except DAMAGED as error:
        words = " ".join(str(error).split())[:80] or type(error).__name__
        raise BadInput(
            f"expected a whole {suffix[1:]} image, got damaged data ({words}); "
            "fetch or write the file again"
        ) from error
    return suffix
