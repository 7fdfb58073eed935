from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zooassist_plugin.errors import ZooassistError
from zooassist_serving.preprocessing import ImageProblem, Preprocessing, decode_image, prepare


@pytest.fixture(scope="module")
def picture():
    """Smooth, so that lossy formats stay close; no two corners alike."""
    y, x = np.mgrid[0:40, 0:60]
    return np.stack([x * 4, y * 6, 255 - x * 2], axis=-1).astype(np.uint8)


def huge_png(side: int) -> bytes:
    """A valid PNG header that promises side x side pixels, in under 100 bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("PNG", 0), ("TIFF", 0), ("JPEG", 12), ("WEBP", 24), ("GIF", 60)]
)
def test_formats_are_known_by_content(encode, picture, kind, tolerance):
    decoded = decode_image(encode(picture, kind))
    assert decoded.shape == (40, 60, 3)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - picture).max() <= tolerance


def test_lossless_webp_and_compressed_tiff(encode, picture):
    for data in (
        encode(picture, "WEBP", lossless=True),
        encode(picture, "TIFF", compression="tiff_deflate"),
    ):
        np.testing.assert_array_equal(decode_image(data), picture)


def test_animation_gives_its_first_frame(encode):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode_image(data)[0, 0], [255, 0, 0])


def test_grey_palette_and_one_bit(encode, picture):
    grey = Image.fromarray(picture).convert("L")
    decoded = decode_image(encode(grey))
    np.testing.assert_array_equal(decoded, np.repeat(np.asarray(grey)[..., None], 3, axis=2))
    palette = Image.fromarray(picture).convert("P")
    np.testing.assert_array_equal(decode_image(encode(palette)), palette.convert("RGB"))
    bits = Image.fromarray(picture).convert("1")
    assert set(np.unique(decode_image(encode(bits)))) == {0, 255}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_linearly(encode, kind):
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    decoded = decode_image(encode(values, kind))
    np.testing.assert_array_equal(decoded[0, :, 0], [0, 1, 128, 255])


def test_transparency_lies_on_black(encode):
    rgba = np.zeros((4, 4, 4), dtype=np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, 128
    assert decode_image(encode(rgba))[0, 0].tolist() == pytest.approx([100, 0, 0], abs=1)
    grey_alpha = Image.new("LA", (4, 4), (255, 0))
    assert decode_image(encode(grey_alpha)).max() == 0
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([255, 255, 255])
    assert decode_image(encode(palette, transparency=0)).max() == 0


def test_cmyk_jpeg(encode):
    red = Image.new("RGB", (16, 16), (255, 0, 0)).convert("CMYK")
    assert decode_image(encode(red, "JPEG"))[8, 8].tolist() == pytest.approx([255, 0, 0], abs=8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(encode, picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = [
        picture,
        picture[:, ::-1],
        picture[::-1, ::-1],
        picture[::-1],
        picture.transpose(1, 0, 2),
        picture[::-1].transpose(1, 0, 2),
        picture[::-1, ::-1].transpose(1, 0, 2),
        picture[:, ::-1].transpose(1, 0, 2),
    ][orientation - 1]
    np.testing.assert_array_equal(decode_image(encode(picture, "PNG", exif=exif)), expected)


def test_broken_exif_beside_whole_pixels(encode, picture):
    data = encode(picture, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05broken")
    assert decode_image(data).shape == (40, 60, 3)


def one_line(error: pytest.ExceptionInfo[ZooassistError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert ";" in text, "no remedy"
    return text


def test_no_bytes():
    with pytest.raises(ImageProblem) as error:
        decode_image(b"")
    assert "got 0 bytes" in one_line(error)


@pytest.mark.parametrize("data", [b"<html>not here</html>", b"hello", b"\0" * 1000, b"%PDF-1.7"])
def test_no_image(data):
    with pytest.raises(ImageProblem) as error:
        decode_image(data)
    assert f"got {len(data)} bytes" in one_line(error)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "GIF"])
def test_half_a_file(encode, kind):
    rng = np.random.default_rng(0)
    data = encode(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), kind)
    with pytest.raises(ImageProblem) as error:
        decode_image(data[: len(data) // 2])
    assert "damaged" in one_line(error)


def test_huge_image_is_refused_from_its_header():
    with pytest.raises(ImageProblem) as error:
        decode_image(huge_png(50_000))
    assert "got 50000 x 50000" in one_line(error)


def test_pixel_limit_is_an_argument(encode, picture):
    with pytest.raises(ImageProblem, match="60 x 40"):
        decode_image(encode(picture), max_pixels=2399)
    assert decode_image(encode(picture), max_pixels=2400).shape == (40, 60, 3)


def test_floats_are_refused_with_advice(encode):
    with pytest.raises(ImageProblem, match="scale them"):
        decode_image(encode(np.ones((4, 4), dtype=np.float32), "TIFF"))


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "GIF"]),
    places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_damage_is_an_image_or_a_problem_and_nothing_else(encode, picture, kind, places):
    data = bytearray(encode(picture, kind))
    for where, value in places:
        data[int(where * (len(data) - 1))] = value
    try:
        decoded = decode_image(bytes(data), max_pixels=1_000_000)
    except ImageProblem:
        return
    assert decoded.ndim == 3


def test_many_threads_see_the_same_pixels(encode, picture):
    data = [encode(picture, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF")] * 25
    alone = [decode_image(item) for item in data]
    with ThreadPoolExecutor(8) as pool:
        for a, b in zip(alone, pool.map(decode_image, data), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (16, 16), (1, 1), (7, 300)])
def test_prepare_gives_the_size(shape):
    image = np.zeros((*shape, 3), dtype=np.uint8)
    prepared = prepare(image, Preprocessing(size=16, crop=0.8))
    assert prepared.shape == (16, 16, 3)
    assert prepared.dtype == np.uint8


def test_prepare_keeps_the_centre():
    image = np.zeros((100, 200, 3), dtype=np.uint8)
    image[30:70, 80:120] = 255
    assert prepare(image, Preprocessing(size=32, crop=0.4)).min() == 255
    assert prepare(image, Preprocessing(size=32, crop=1.0)).min() == 0


def test_prepare_copies_pixels_when_the_size_fits(picture):
    prepared = prepare(picture, Preprocessing(size=40))
    np.testing.assert_array_equal(prepared, picture[:, 10:50])
