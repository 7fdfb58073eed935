"""How do image bytes become what a model sees? The one implementation, training uses it too."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from zooassist_plugin.errors import BadInput
from zooassist_plugin.fits_bands import FITS_MAGIC, FitsProblem
from zooassist_plugin.model_card import Preprocessing, Stretch
from zooassist_serving.fits_images import decode_fits
from zooassist_serving.plain_jpeg import decode_plain_jpeg

__all__ = [
    "MAX_PIXELS",
    "ImageProblem",
    "Preprocessing",
    "Rgb",
    "decode_image",
    "open_image",
    "prepare",
]

Rgb: TypeAlias = NDArray[np.uint8]
MAX_PIXELS = 100_000_000
EXPECTED = "a JPEG, PNG, GIF, TIFF, WebP or FITS image"

JPEG_MAGIC = b"\xff\xd8\xff"
# First bytes -> reader. The content decides, never the file's extension. The readers are called
# directly because `Image.open` enforces a size limit that is global to the process.
READERS: tuple[tuple[bytes, Callable[[BytesIO], ImageFile]], ...] = (
    (JPEG_MAGIC, JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF87a", GifImageFile),
    (b"GIF89a", GifImageFile),
    (b"II*\x00", TiffImageFile),
    (b"MM\x00*", TiffImageFile),
    (b"II+\x00", TiffImageFile),
    (b"RIFF", WebPImageFile),
)
# What Pillow's readers raise on broken files.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
# Where Pillow looks for the orientation of a JPEG.
ORIENTATION_KEYS = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
STRETCH = Stretch()
RESAMPLING = {"lanczos": Image.Resampling.LANCZOS}


class ImageProblem(BadInput):
    """Bytes that do not become an image; the text is one line with the remedy."""


def decode_image(data: bytes, max_pixels: int = MAX_PIXELS, stretch: Stretch = STRETCH) -> Rgb:
    """Decode the first frame of an image as a browser shows it, on black where transparent.

    EXIF orientation is applied, palettes and CMYK become RGB, 16-bit values are scaled by 1/257.
    Safe to call from several threads.

    Parameters
    ----------
    data : bytes
        A whole image file.
    max_pixels : int
        Larger images are refused from their header alone, before memory is taken for them.
    stretch : Stretch
        How the values of a FITS image become 8 bits; other formats have theirs.

    Returns
    -------
    array of shape (height, width, 3), uint8

    Raises
    ------
    ImageProblem
        For empty, truncated, corrupt, too large or foreign content.
    """
    if not data:
        raise ImageProblem(f"expected {EXPECTED}, got 0 bytes; fetch or write the file again")
    if data.startswith(FITS_MAGIC):
        try:
            return decode_fits(data, max_pixels, stretch)
        except FitsProblem as error:
            raise ImageProblem(str(error)) from error
    if data.startswith(JPEG_MAGIC) and (pixels := decode_plain_jpeg(data, max_pixels)) is not None:
        return pixels
    image = open_image(data)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageProblem(
            f"expected at most {max_pixels:,} pixels, got {width} x {height}; scale the image "
            "down, or raise the limit (--max-pixels of predict and serve)"
        )
    try:
        image.load()
        _turn_upright(image)
        return _to_rgb(image)
    except DECODER_ERRORS as error:
        if isinstance(error, ImageProblem):
            raise
        raise ImageProblem(
            f"expected a whole {image.format} image, got damaged data "
            f"({_one_line(error)}); fetch or write the file again"
        ) from error


def open_image(data: bytes) -> ImageFile:
    """Read the header only.

    Raises
    ------
    ImageProblem
        When the content is none of the formats.
    """
    reader = next((reader for magic, reader in READERS if data.startswith(magic)), None)
    if reader is None:
        raise ImageProblem(
            f"expected {EXPECTED}, got {len(data)} bytes starting with {data[:8]!r}; "
            "convert it or leave it out"
        )
    try:
        return reader(BytesIO(data))
    except DECODER_ERRORS as error:
        raise ImageProblem(
            f"expected {EXPECTED}, got a damaged header ({_one_line(error)}); "
            "fetch or write the file again"
        ) from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _turn_upright(image: ImageFile) -> None:
    """Apply the EXIF orientation; broken EXIF beside whole pixels is ignored, as browsers do."""
    if isinstance(image, JpegImageFile) and not ORIENTATION_KEYS & image.info.keys():
        return  # most JPEGs: even asking takes a tenth of the time that decoding does
    with suppress(*DECODER_ERRORS):
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(image: Image.Image) -> Rgb:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        black = Image.new("RGBA", layers.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, layers)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image, dtype=np.uint8)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey values linearly to 8 bits, whatever part of the range is in use."""
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ImageProblem(
            f"expected 8 or 16 bits per channel, got 32-bit values (mode {image.mode}); "
            "scale them to 8 or 16 bits first"
        )
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def prepare(image: Rgb, spec: Preprocessing) -> Rgb:
    """Crop the centred square and resize it to what the graph takes.

    Parameters
    ----------
    image : array of shape (height, width, 3), uint8
    spec : Preprocessing

    Returns
    -------
    array of shape (size, size, 3), uint8
    """
    height, width = image.shape[:2]
    side = max(1, round(spec.crop * min(height, width)))
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == spec.size:
        return np.ascontiguousarray(square)
    resized = Image.fromarray(np.ascontiguousarray(square)).resize(
        (spec.size, spec.size), RESAMPLING[spec.resample]
    )
    return np.array(resized, dtype=np.uint8)
