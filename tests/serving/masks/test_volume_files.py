from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from mask_sets import draw_volume, write_nifti
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import VolumeScaling
from zooassist_serving.masks.volume_files import is_volume, read_volume, scaled

HIPPOCAMPUS = Path("../shared/data/hippocampus_mri")


@pytest.fixture
def values() -> np.ndarray:
    return draw_volume(np.random.default_rng(0))[0]


def write_folder(folder: Path, planes) -> Path:
    folder.mkdir()
    for number, plane in enumerate(planes):
        # Names that the alphabet sorts wrongly.
        Image.fromarray(plane).save(folder / f"slice_{number + 3}.png")
    return folder


def test_nifti_tiff_and_folder_hold_the_same_volume(values, tmp_path):
    plain = write_nifti(tmp_path / "a.nii", values)
    zipped = tmp_path / "b.nii.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    pages = [Image.fromarray(plane) for plane in values]
    pages[0].save(tmp_path / "c.tif", save_all=True, append_images=pages[1:])
    folder = write_folder(tmp_path / "d", values)
    for path in (plain, zipped, tmp_path / "c.tif", folder):
        assert is_volume(path)
        np.testing.assert_array_equal(read_volume(path).values[..., 0], values)
    assert read_volume(plain).spacing == (3.0, 1.5, 1.0)  # slices lie three times as far apart


def test_a_fourth_axis_are_modalities(values, tmp_path):
    both = np.stack([values, values[::-1]], -1)
    np.testing.assert_array_equal(read_volume(write_nifti(tmp_path / "a.nii", both)).values, both)


def test_slope_and_intercept_are_applied(values, tmp_path):
    path = write_nifti(tmp_path / "a.nii", values, slope=0.5, intercept=-10)
    np.testing.assert_allclose(read_volume(path).values[..., 0], values * 0.5 - 10)


def test_another_byte_order_is_read(values, tmp_path):
    little = write_nifti(tmp_path / "a.nii", values).read_bytes()
    header = bytearray(little[:352])
    for start, end, width in ((0, 4, 4), (40, 56, 2), (70, 74, 2), (76, 120, 4)):
        for at in range(start, end, width):
            header[at : at + width] = header[at : at + width][::-1]
    swapped = np.frombuffer(little[352:], "<u2").astype(">u2").tobytes()
    (tmp_path / "b.nii").write_bytes(bytes(header) + swapped)
    np.testing.assert_array_equal(read_volume(tmp_path / "b.nii").values[..., 0], values)


def test_one_slice_is_a_volume(values, tmp_path):
    Image.fromarray(values[0]).save(tmp_path / "one.tif")
    assert read_volume(tmp_path / "one.tif").values.shape == (1, *values.shape[1:], 1)


def refusal(path: Path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        read_volume(path, **options)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_nan_voxels_are_refused(values, tmp_path):
    broken = values.astype(np.float32)
    broken[0, 0, :3] = np.nan
    assert "3 voxels that are NaN" in refusal(write_nifti(tmp_path / "a.nii", broken))


def test_a_missing_slice_is_refused(values, tmp_path):
    folder = write_folder(tmp_path / "a", values)
    (folder / "slice_5.png").unlink()
    assert "slice 5 is missing" in refusal(folder)


def test_slices_of_two_sizes_or_bit_depths_are_refused(values, tmp_path):
    folder = write_folder(tmp_path / "a", values)
    Image.fromarray(values[0, :-2]).save(folder / "slice_4.png")
    assert "slices of one size, got 24 x 20 (slice_3.png) and 24 x 18" in refusal(folder)
    Image.fromarray(values[0].astype(np.uint8)).save(folder / "slice_4.png")
    assert "one bit depth, got uint16 (slice_3.png) and uint8 (slice_4.png)" in refusal(folder)


def test_too_many_voxels_are_refused_from_the_header(values, tmp_path):
    cut = tmp_path / "a.nii"
    cut.write_bytes(write_nifti(tmp_path / "b.nii", values).read_bytes()[:352])
    assert f"at most 100 voxels, got {values.size:,}" in refusal(cut, max_voxels=100)
    assert "cut off" in refusal(cut)
    assert "at most 100 voxels" in refusal(write_folder(tmp_path / "c", values), max_voxels=100)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.nii", b"x" * 400, "expected a NIfTI-1 file"),
        ("a.nii.gz", b"\x1f\x8bxx", "whole gzip file"),
        ("a.tif", b"nothing", "expected a JPEG, PNG"),
        ("a.txt", b"nothing", "expected a volume: NIfTI"),
    ],
)
def test_other_content_is_refused(name, content, expected, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert expected in refusal(tmp_path / name)


def test_each_modality_gets_its_own_scale(values, tmp_path):
    both = np.stack([values, values // 7 + 300], -1)
    volume = read_volume(write_nifti(tmp_path / "a.nii", both))
    bytes_ = scaled(volume, VolumeScaling(low=0, high=100))
    for modality in range(2):
        assert bytes_[..., modality].min() == 0
        assert bytes_[..., modality].max() == 255
    constant = read_volume(write_nifti(tmp_path / "b.nii", np.full((2, 4, 4), 7, np.uint8)))
    assert not scaled(constant, VolumeScaling()).any()


def test_a_real_scan_is_read():
    if not HIPPOCAMPUS.is_dir():
        pytest.skip(f"{HIPPOCAMPUS} is not there")
    path = sorted((HIPPOCAMPUS / "images").glob("*.nii.gz"))[0]
    volume, labels = read_volume(path), read_volume(HIPPOCAMPUS / "labels" / path.name)
    assert volume.values.shape == labels.values.shape
    assert set(np.unique(labels.values)) == {0, 1, 2}
    assert volume.spacing == (1.0, 1.0, 1.0)
