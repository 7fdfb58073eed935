from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from zooassist_plugin.errors import MissingExtra
from zooassist_plugin.model_card import Preprocessing, Stretch, model_version
from zooassist_serving.preprocessing import ImageProblem, decode_image

RNG = np.random.default_rng(0)


@pytest.fixture
def fits():
    return pytest.importorskip("astropy.io.fits", reason="FITS needs astropy ([fits])")


@pytest.fixture
def encode_fits(fits):
    def _encode(values, *before, compressed=False):
        image = (fits.CompImageHDU if compressed else fits.ImageHDU)(values)
        buffer = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), *before, image]).writeto(buffer)
        return buffer.getvalue()

    return _encode


def expected(values, q=1.0, low=0.0, high=99.7):
    stretched = np.arcsinh(q * values.astype(float))
    bottom, top = np.percentile(stretched, (low, high))
    return np.rint(255 * np.clip((stretched - bottom) / (top - bottom), 0, 1)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["float32", ">f8", "int16"])
def test_one_band_is_stretched_and_its_first_row_lies_below(encode_fits, kind):
    values = (RNG.gamma(2.0, 40.0, (30, 50))).astype(kind)
    decoded = decode_image(encode_fits(values))
    assert decoded.shape == (30, 50, 3)
    for band in range(3):
        np.testing.assert_array_equal(decoded[..., band], expected(values)[::-1])


def test_three_bands_share_one_scale(encode_fits):
    values = RNG.gamma(2.0, 3.0, (3, 20, 25)) * np.array([1.0, 2.0, 4.0])[:, None, None]
    decoded = decode_image(encode_fits(values))
    np.testing.assert_array_equal(decoded, expected(values)[:, ::-1].transpose(1, 2, 0))
    assert decoded[..., 2].mean() > decoded[..., 0].mean()


def test_the_stretch_is_that_of_the_models_card(encode_fits):
    values = RNG.gamma(2.0, 3.0, (20, 25))
    stretch = Stretch(q=5.0, low=2.0, high=95.0)
    decoded = decode_image(encode_fits(values), stretch=stretch)
    np.testing.assert_array_equal(decoded[..., 0], expected(values, 5.0, 2.0, 95.0)[::-1])


def test_compressed_and_scaled_files(encode_fits, fits):
    values = RNG.integers(0, 60_000, (40, 40)).astype(np.uint16)  # BZERO = 32768 in the file
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])])
    for data in (encode_fits(values, table), encode_fits(values, compressed=True)):
        np.testing.assert_array_equal(decode_image(data)[..., 0], expected(values)[::-1])


def test_missing_pixels_are_empty_sky_and_an_image_of_them_is_refused(encode_fits):
    values = RNG.gamma(2.0, 3.0, (20, 20))
    values[3, 4], values[5, 6] = np.nan, np.inf
    decoded = decode_image(encode_fits(values))
    assert decoded[20 - 1 - 3, 4, 0] == decoded[20 - 1 - 5, 6, 0] == 0
    values[:13] = np.nan
    with pytest.raises(ImageProblem, match=r"NaN or infinity in 65% of the pixels"):
        decode_image(encode_fits(values))
    values[:] = np.nan
    with pytest.raises(ImageProblem, match="in 100%"):
        decode_image(encode_fits(values))


def test_a_flat_image_is_black(encode_fits):
    assert decode_image(encode_fits(np.full((8, 8), 3.0))).max() == 0


@pytest.mark.parametrize("shape", [(5,), (2, 8, 8), (3, 2, 8, 8)])
def test_other_shapes_are_refused(encode_fits, shape):
    with pytest.raises(ImageProblem, match="one band or three"):
        decode_image(encode_fits(np.ones(shape)))


def test_large_and_damaged_files_are_refused(encode_fits, fits):
    data = encode_fits(RNG.gamma(2.0, 3.0, (60, 60)))
    with pytest.raises(ImageProblem, match="at most 3,599 pixels, got 60 x 60"):
        decode_image(data, max_pixels=3599)
    for broken in (data[: len(data) // 2], data[:100], data[:3000]):
        with pytest.raises(ImageProblem):
            decode_image(broken)
    buffer = io.BytesIO()
    fits.PrimaryHDU().writeto(buffer)
    with pytest.raises(ImageProblem, match="found none"):
        decode_image(buffer.getvalue())


def test_without_astropy_the_pip_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    monkeypatch.setitem(sys.modules, "astropy", None)
    with pytest.raises(MissingExtra, match=r'pip install "zooassist\[fits\]"'):
        decode_image(b"SIMPLE  =                    T" + b" " * 2850)


def test_the_default_stretch_is_in_no_version():
    plain = Preprocessing(size=96, crop=0.75)
    assert "stretch" not in plain.model_dump(mode="json")
    assert plain == Preprocessing(size=96, crop=0.75, stretch=Stretch())
    other = Preprocessing(size=96, crop=0.75, stretch=Stretch(q=2.0))
    assert other.model_dump(mode="json")["stretch"]["q"] == 2.0
    assert Preprocessing.model_validate(other.model_dump(mode="json")) == other
    digest = "0" * 64
    assert model_version(digest, plain) != model_version(digest, other)
