"""Pillow is the standard: what the fast way decodes is the same to the last bit."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zooassist_serving.plain_jpeg import decode_plain_jpeg
from zooassist_serving.preprocessing import decode_image

POOL = Path("../shared/data/galaxies_pool/images.zip")
MANY = 10**8


def encoded(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def noise(height: int, width: int, seed: int = 0, *, grey: bool = False) -> np.ndarray:
    """Smooth and rough at once: all frequencies are in it."""
    random = np.random.default_rng(seed)
    shape = (height, width) if grey else (height, width, 3)
    slope = np.linspace(0, 200, width)[None, :] if grey else np.linspace(0, 200, width)[:, None]
    return (random.integers(0, 56, shape) + slope).astype(np.uint8)


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
    grey=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "quality": st.integers(1, 100),
            "subsampling": st.sampled_from([0, 1, 2]),
            "progressive": st.booleans(),
            "optimize": st.booleans(),
            "restart_marker_blocks": st.sampled_from([0, 3]),
            "comment": st.sampled_from([b"", b"a picture"]),
        }
    ),
)
def test_every_plain_jpeg_has_the_pixels_that_pillow_finds(height, width, seed, grey, options):
    data = encoded(noise(height, width, seed, grey=grey), **options)
    fast = decode_plain_jpeg(data, MANY)
    assert fast is not None
    assert fast.dtype == np.uint8
    assert fast.flags.writeable
    np.testing.assert_array_equal(fast, by_pillow(data))


def test_real_galaxies_have_the_pixels_that_pillow_finds():
    if not POOL.is_file():
        pytest.skip(f"no {POOL}: real galaxies are not compared")
    with ZipFile(POOL) as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][::115]
        for name in names:
            data = archive.read(name)
            fast = decode_plain_jpeg(data, MANY)
            assert fast is not None
            np.testing.assert_array_equal(fast, by_pillow(data))


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6  # turned by a quarter
    return tags


@pytest.mark.parametrize(
    "data",
    [
        encoded(noise(20, 30), exif=exif()),
        b"\xff\xd8\xff\xe0",
        encoded(noise(20, 30))[:400],
        encoded(noise(20, 30))[:2],
        b"\xff\xd8" + b"\xff\xe1\x00\x08Exif\x00\x00" + encoded(noise(20, 30))[2:],
    ],
    ids=["turned", "header only", "half", "two bytes", "empty exif"],
)
def test_what_is_not_plain_is_left_to_pillow(data):
    assert decode_plain_jpeg(data, MANY) is None


def test_cmyk_is_left_to_pillow():
    file = io.BytesIO()
    Image.fromarray(noise(20, 30)).convert("CMYK").save(file, "JPEG")
    assert decode_plain_jpeg(file.getvalue(), MANY) is None
    assert decode_image(file.getvalue()).shape == (20, 30, 3)


def test_too_many_pixels_are_left_to_the_refusal():
    data = encoded(noise(20, 30))
    assert decode_plain_jpeg(data, 599) is None
    assert decode_plain_jpeg(data, 600) is not None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_bytes_give_the_pixels_of_pillow_or_nothing(places):
    data = bytearray(encoded(noise(40, 50)))
    for where, value in places:
        data[int(where * (len(data) - 1))] = value
    fast = decode_plain_jpeg(bytes(data), MANY)
    if fast is not None:
        np.testing.assert_array_equal(fast, by_pillow(bytes(data)))
