from __future__ import annotations

import gzip
import resource

import numpy as np
import pytest
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.opening import open_stack, stem_of

nibabel = pytest.importorskip("nibabel", reason="NIfTI needs nibabel ([volumes])")
tifffile = pytest.importorskip("tifffile", reason="TIFF stacks need tifffile ([volumes])")

VOLUME = np.random.default_rng(0).integers(0, 300, (5, 6, 7)).astype(np.uint16)


def write_nifti(path, volume, zooms=(1.0, 1.0, 1.0)):
    """(slices, rows, columns) -> x, y, z."""
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.diag([*zooms[::-1], 1.0]))
    nibabel.save(image, path)
    return path


def write_folder(folder, volume, name="s_{:03d}.png"):
    folder.mkdir()
    for at, plane in enumerate(volume):
        Image.fromarray(plane).save(folder / name.format(at))
    return folder


def write_tiff(path, volume, **how):
    tifffile.imwrite(path, volume, **how)
    return path


WRITERS = {
    "nifti": lambda at, v: write_nifti(at / "v.nii", v),
    "packed nifti": lambda at, v: write_nifti(at / "v.nii.gz", v),
    "folder of png": lambda at, v: write_folder(at / "v", v),
    "folder of tiff": lambda at, v: write_folder(at / "v", v, "{}.tif"),
    "tiff": lambda at, v: write_tiff(at / "v.tif", v, photometric="minisblack"),
    "packed tiff": lambda at, v: write_tiff(
        at / "v.tiff", v, photometric="minisblack", compression="zlib"
    ),
    "imagej": lambda at, v: write_tiff(at / "v.tif", v, imagej=True),
    "big-endian tiff": lambda at, v: write_tiff(
        at / "v.tif", v, photometric="minisblack", byteorder=">"
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_format_gives_the_same_slices(writer, tmp_path):
    with open_stack(WRITERS[writer](tmp_path, VOLUME)) as stack:
        assert stack.shape == VOLUME.shape
        assert (np.stack(list(stack.planes())) == VOLUME).all()
        assert (stack.read_labels(4) == VOLUME[4]).all()
        assert stack.read(0).dtype == np.uint16  # in the machine's byte order
        assert stem_of(stack.path) == "v"


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_picture_is_a_stack_of_one_slice(kind, tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(VOLUME[0].astype(kind)).save(path)
    with open_stack(path) as stack:
        assert stack.shape == (1, 6, 7)
        assert (stack.read(0) == VOLUME[0].astype(kind)).all()


def test_palette_pictures_count_by_index_and_two_valued_ones_by_0_and_1(tmp_path):
    picture = Image.fromarray((VOLUME[0] % 3).astype(np.uint8), "P")
    picture.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 250])
    picture.save(tmp_path / "p.png")
    with open_stack(tmp_path / "p.png") as stack:
        assert (stack.read(0) == VOLUME[0] % 3).all()
    Image.fromarray(VOLUME[0] > 100).save(tmp_path / "b.png")
    with open_stack(tmp_path / "b.png") as stack:
        assert (stack.read(0) == (VOLUME[0] > 100)).all()


@pytest.mark.parametrize("shape", [(3, 1, 4), (1, 5, 6), (1, 1, 1), (1, 1, 4)])
@pytest.mark.parametrize("writer", ["tiff", "packed tiff", "nifti", "folder of png"])
def test_sides_of_one_pixel_stay(shape, writer, tmp_path):
    volume = VOLUME.ravel()[: int(np.prod(shape))].reshape(shape)
    with open_stack(WRITERS[writer](tmp_path, volume)) as stack:
        assert stack.shape == shape
        assert (np.stack(list(stack.planes())) == volume).all()


def test_spacing_is_that_of_the_file(tmp_path):
    with open_stack(write_nifti(tmp_path / "v.nii", VOLUME, (4.0, 0.7, 0.5))) as stack:
        assert stack.spacing == pytest.approx((4.0, 0.7, 0.5))
        assert stack.affine is not None
    path = write_tiff(
        tmp_path / "v.tif", VOLUME, imagej=True, resolution=(2, 4), metadata={"spacing": 3.0}
    )
    with open_stack(path) as stack:
        assert stack.spacing == pytest.approx((3.0, 0.25, 0.5))
    with open_stack(write_folder(tmp_path / "v", VOLUME)) as stack:
        assert stack.spacing is None


def test_slices_are_in_the_order_of_their_numbers(tmp_path):
    folder = write_folder(tmp_path / "v", np.stack([VOLUME[0]] * 12), "z{}.png")
    Image.fromarray(VOLUME[1]).save(folder / "z10.png")
    with open_stack(folder) as stack:
        assert (stack.read(10) == VOLUME[1]).all()


def damaged(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def mixed(at, other):
    folder = write_folder(at / "m", VOLUME)
    Image.fromarray(other).save(folder / "s_005.png")
    return folder


def gap(at):
    folder = write_folder(at / "g", VOLUME)
    (folder / "s_002.png").unlink()
    return folder


def doubled(at):
    folder = write_folder(at / "d", VOLUME)
    Image.fromarray(VOLUME[0]).save(folder / "s_2.png")
    return folder


def nameless(at):
    folder = write_folder(at / "n", VOLUME)
    Image.fromarray(VOLUME[0]).save(folder / "last.png")
    return folder


def colours(at):
    Image.new("RGB", (4, 4)).save(at / "c.png")
    return at / "c.png"


def of_two_kinds(at):
    with tifffile.TiffWriter(at / "t.tif") as file:
        file.write(VOLUME[0], photometric="minisblack")
        file.write(VOLUME[1].astype(np.uint8), photometric="minisblack")
    return at / "t.tif"


BAD = {
    "missing slice": (gap, "expected slices 0 to 4, missing: 2"),
    "mixed bit depth": (lambda at: mixed(at, VOLUME[0].astype(np.uint8)), "uint16 as in .*uint8"),
    "mixed size": (lambda at: mixed(at, VOLUME[0][:5]), "7 x 6 pixels.*7 x 5"),
    "two of a number": (doubled, "both slice 2"),
    "no number": (nameless, "last.png: expected a number"),
    "colours": (colours, "RGB colours"),
    "colour tiff": (
        lambda at: write_tiff(at / "c.tif", np.zeros((8, 8, 3), np.uint8), photometric="rgb"),
        "3 colours",
    ),
    "tiff of two kinds": (of_two_kinds, "one bit depth"),
    "tiff of channels": (
        lambda at: write_tiff(
            at / "c.tif", np.zeros((2, 3, 8, 8), np.uint8), imagej=True, metadata={"axes": "ZCYX"}
        ),
        "one file per channel",
    ),
    "nifti over time": (
        lambda at: write_nifti4(at / "t.nii"),
        "one file per time",
    ),
    "empty folder": (lambda at: at, "found none"),
    "jpeg": (lambda at: jpeg(at), "JPEG changes class numbers"),
    "nothing there": (lambda at: at / "no.png", "no such file"),
    "broken png": (lambda at: broken(at / "b.png"), "damaged"),
    "broken tiff": (lambda at: broken(at / "b.tif"), "damaged"),
    "broken nifti": (lambda at: broken(at / "b.nii"), "damaged"),
}


def write_nifti4(path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 3, 3, 2), np.uint8), np.eye(4)), path)
    return path


def jpeg(at):
    Image.new("L", (4, 4)).save(at / "m.jpg")
    return at / "m.jpg"


def broken(path):
    path.write_bytes(b"none of that")
    return path


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_stack_is_refused_with_one_line_that_names_it(case, tmp_path):
    make, text = BAD[case]
    path = make(tmp_path)
    with pytest.raises(BadInput, match=text) as error:
        open_stack(path)
    assert "\n" not in str(error.value)
    assert str(path.name) in str(error.value)


@pytest.mark.parametrize("writer", ["packed nifti", "nifti", "tiff", "packed tiff"])
def test_a_file_cut_short_is_refused_when_opened_or_read(writer, tmp_path):
    rng = np.random.default_rng(1)
    path = damaged(WRITERS[writer](tmp_path, rng.integers(0, 9999, (9, 40, 40)).astype(np.uint16)))
    with pytest.raises(BadInput, match="damaged"):
        read_whole(path)


def read_whole(path):
    with open_stack(path) as stack:
        return list(stack.planes())


def test_labels_have_to_be_whole_numbers(tmp_path):
    volume = np.zeros((3, 4, 4), dtype=np.float32)
    volume[1, 2, 2], volume[1, 0, 0], volume[2, 1, 1] = np.nan, np.inf, 0.5
    with open_stack(write_nifti(tmp_path / "v.nii", volume)) as stack:
        assert stack.read_labels(0).sum() == 0
        with pytest.raises(BadInput, match="slice 1: expected class numbers, 2 voxels are NaN"):
            stack.read_labels(1)
        with pytest.raises(BadInput, match=r"slice 2: expected class numbers, got 0\.5; threshold"):
            stack.read_labels(2)
        with pytest.raises(BadInput, match="slice 1: expected numbers, 2 voxels are NaN"):
            stack.read_finite(1)
    with (
        open_stack(write_nifti(tmp_path / "n.nii", volume[:1].astype(np.int16) - 1)) as stack,
        pytest.raises(BadInput, match="from 0, got -1"),
    ):
        stack.read_labels(0)


def test_a_stack_of_4_gb_is_read_slice_by_slice(tmp_path):
    # Both files are holes on the disk but for their headers, so that nothing is written.
    side, slices = 2048, 1024
    header = nibabel.Nifti1Header()
    header.set_data_shape((side, side, slices))
    header.set_data_dtype(np.uint8)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path = tmp_path / "v.nii"
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        file.truncate(352 + side * side * slices)
    tiff = tmp_path / "v.tif"
    tifffile.memmap(tiff, shape=(slices, side, side), dtype=np.uint8, bigtiff=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for each in (path, tiff):
        with open_stack(each) as stack:
            assert stack.shape == (slices, side, side)
            assert stack.read(0).sum() + stack.read(slices - 1).sum() == 0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300 * 1024  # kilobytes, of 4 GB


def test_a_gzipped_nifti_is_unpacked_once(tmp_path):
    path = write_nifti(tmp_path / "v.nii.gz", VOLUME)
    assert gzip.decompress(path.read_bytes())[344:347] == b"n+1"
    with open_stack(path) as stack:
        assert (np.stack([stack.read(at) for at in reversed(range(5))])[::-1] == VOLUME).all()
