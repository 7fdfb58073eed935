from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from mask_sets import draw_volume, write_nifti
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import VolumeScaling
from zooassist_serving.masks.volume_files import read_volume, scaled

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
        np.testing.assert_array_equal(read_volume(path).values[..., 0], values)
    assert read_volume(plain).spacing == (3.0, 1.5, 1.0)  # slices lie three times as far apart


def test_a_fourth_axis_are_modalities(values, tmp_path):
    both = np.stack([values, values[::-1]], -1)
    np.testing.assert_array_equal(read_volume(write_nifti(tmp_path / "a.nii", both)).values, both)


def test_slope_and_intercept_are_applied(values, tmp_path):
    path = write_nifti(tmp_path / "a.nii", values, slope=0.5, intercept=-10)
    np.testing.assert_allclose(read_volume(path).values[..., 0], values * 0.5 - 10)


def test_a_folder_with_a_file_per_modality(values, tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    write_nifti(folder / "t2.nii", values // 2)
    write_nifti(folder / "t1.nii", values)
    found = read_volume(folder).values
    np.testing.assert_array_equal(found, np.stack([values, values // 2], -1))
    write_nifti(folder / "t3.nii", values[:-1])
    assert "t3.nii: expected 9 x 20 x 24 voxels as in t1.nii, got 8" in refusal(folder)


def test_one_slice_is_a_volume(values, tmp_path):
    Image.fromarray(values[0]).save(tmp_path / "one.tif")
    assert read_volume(tmp_path / "one.tif").values.shape == (1, *values.shape[1:], 1)


def refusal(path: Path, **options) -> str:
    with pytest.raises(BadInput) as caught:
        read_volume(path, **options)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    return text


def test_nan_voxels_are_refused(values, tmp_path):
    broken = values.astype(np.float32)
    broken[0, 0, :3] = np.nan
    assert "3 voxels are NaN" in refusal(write_nifti(tmp_path / "a.nii", broken))


def test_a_missing_slice_is_refused(values, tmp_path):
    folder = write_folder(tmp_path / "a", values)
    (folder / "slice_5.png").unlink()
    assert "missing: 5" in refusal(folder)


def test_slices_of_two_sizes_or_bit_depths_are_refused(values, tmp_path):
    folder = write_folder(tmp_path / "a", values)
    Image.fromarray(values[0, :-2]).save(folder / "slice_4.png")
    assert "24 x 20 pixels of uint16 as in slice_3.png, got 24 x 18" in refusal(folder)
    Image.fromarray(values[0].astype(np.uint8)).save(folder / "slice_4.png")
    assert "got 24 x 20 pixels of uint8; all slices need one size and one bit" in refusal(folder)


def test_too_many_voxels_are_refused_from_the_header(values, tmp_path):
    cut = tmp_path / "a.nii"
    cut.write_bytes(write_nifti(tmp_path / "b.nii", values).read_bytes()[:352])
    assert f"at most 100 voxels, got {values.size:,}" in refusal(cut, max_voxels=100)
    assert "damaged data" in refusal(cut)
    assert "at most 100 voxels" in refusal(write_folder(tmp_path / "c", values), max_voxels=100)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.nii", b"x" * 400, "expected a whole NIfTI volume"),
        ("a.nii.gz", b"\x1f\x8bxx", "expected a whole NIfTI volume"),
        ("a.tif", b"nothing", "expected a whole TIFF file"),
        ("a.txt", b"nothing", "expected a file that ends with"),
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
