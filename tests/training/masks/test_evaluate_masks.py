from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from mask_volumes import PREDICTED, TRUTH, painted, slow_lesionwise
from PIL import Image

from zooassist_plugin.cli import main
from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.hausdorff import hd95
from zooassist_training.evaluation.masks.lesions import CHALLENGES, REGIONS
from zooassist_training.evaluation.masks.measure import measure_pair
from zooassist_training.evaluation.masks.overlap import count, dice, iou, mcc
from zooassist_training.evaluation.masks.pairs import Pair, pair_masks
from zooassist_training.evaluation.masks.request import MaskRequest, read_regions, read_relabel

nibabel = pytest.importorskip("nibabel", reason="NIfTI needs nibabel ([volumes])")
tifffile = pytest.importorskip("tifffile", reason="TIFF stacks need tifffile ([volumes])")


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", "evaluate", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def nifti(path, volume, zooms=(1.0, 1.0, 1.0)):
    image = nibabel.Nifti1Image(volume.transpose(2, 1, 0), np.diag([*zooms[::-1], 1.0]))
    nibabel.save(image, path)
    return path


def png(path, plane):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(plane).save(path)
    return path


@pytest.fixture
def volumes(tmp_path):
    """Predicted as a TIFF stack, true as NIfTI with voxels that are no cubes."""
    for name, balls in (("predicted", PREDICTED), ("truth", TRUTH)):
        (tmp_path / name).mkdir()
        volume = painted(balls)
        if name == "truth":
            nifti(tmp_path / name / "case.nii.gz", volume, (2.0, 1.0, 0.5))
        else:
            tifffile.imwrite(tmp_path / name / "case.tif", volume, photometric="minisblack")
    return tmp_path


def test_all_metrics_of_a_volume_of_two_formats(volumes, monkeypatch, capsys):
    out = volumes / "out"
    wanted = ("dice", "iou", "mcc", "hd95", "lesionwise", "f1")
    metrics = [text for name in wanted for text in ("--metric", name)]
    assert (
        run(
            monkeypatch,
            *("--predicted", volumes / "predicted", "--truth", volumes / "truth"),
            *(*metrics, "--challenge", "MEN", "--out", out),
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "BraTS 2023 MEN: dilation 1, lesions over 50 mm3" in said
    content = json.loads((out / "mask-metrics.json").read_text())
    assert content["parameters"]["dilation"] == 1
    assert [row["region"] for row in content["pairs"]] == list(REGIONS)
    for row in content["pairs"]:
        ours, theirs = (np.isin(painted(b), REGIONS[row["region"]]) for b in (PREDICTED, TRUTH))
        counts = count(ours, theirs)
        assert row["spacing"] == [2.0, 1.0, 0.5]
        assert row["dice"] == dice(counts)
        assert row["iou"] == iou(counts)
        assert row["mcc"] == pytest.approx(mcc(counts))
        assert row["hd95"] == hd95(ours, theirs, (2.0, 1.0, 0.5))
        assert row["found_objects"] + row["false_objects"] > 0
    row = content["pairs"][2]
    slow = slow_lesionwise(ours, theirs, (2.0, 1.0, 0.5), CHALLENGES["MEN"])
    assert (row["lesionwise_dice"], row["lesionwise_hd95"]) == pytest.approx(slow, abs=1e-6)


def test_pictures_and_their_summary(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    expected = []
    for name in "abc":
        ours, theirs = rng.random((2, 9, 9)) > 0.5
        png(tmp_path / "p" / f"{name}.png", ours.astype(np.uint8) * 255)
        png(tmp_path / "t" / f"{name}.png", theirs.astype(np.uint8))  # 1 and 255 both mean inside
        expected.append(dice(count(ours, theirs)))
    png(tmp_path / "p" / "empty.png", np.zeros((9, 9), np.uint8))
    png(tmp_path / "t" / "empty.png", np.ones((9, 9), np.uint8))
    out = tmp_path / "m.json"
    arguments = ("--predicted", tmp_path / "p", "--truth", tmp_path / "t", "--out", out)
    assert run(monkeypatch, *arguments, "--metric", "dice", "--metric", "hd95") == 0
    summary = {each["column"]: each for each in json.loads(out.read_text())["summary"]}
    assert summary["dice"]["mean"] == pytest.approx(np.mean([*expected, 0]))
    assert summary["dice"]["worst"] == "empty"
    assert summary["hd95"]["infinite"] == 1
    assert "1 of 4 have no distance" in capsys.readouterr().out


def test_objects_by_number_count_where_they_touch(tmp_path, monkeypatch):
    ids = np.zeros((8, 8), dtype=np.uint16)
    ids[1:7, 1:4], ids[1:7, 4:7] = 300, 2
    png(tmp_path / "p" / "a.png", ids)
    png(tmp_path / "t" / "a.png", ids[:, ::-1].copy())
    arguments = ("--predicted", tmp_path / "p", "--truth", tmp_path / "t", "--metric", "f1")
    out = tmp_path / "m.json"
    assert run(monkeypatch, *arguments, "--instances", "--iou", "0.9", "--out", out) == 0
    [row] = json.loads(out.read_text())["pairs"]
    assert (row["found_objects"], row["f1"]) == (2, 1)
    assert run(monkeypatch, *arguments, "--out", out) == 0
    [row] = json.loads(out.read_text())["pairs"]
    assert row["found_objects"] == 1


def test_a_folder_of_slices_is_one_volume_when_asked(tmp_path, monkeypatch):
    volume = (painted(TRUTH)[::6] > 0).astype(np.uint8)
    for at, plane in enumerate(volume):
        png(tmp_path / "p" / f"{at}.png", plane)
    tifffile.imwrite(tmp_path / "t.tif", volume, photometric="minisblack")
    arguments = ("--predicted", tmp_path / "p", "--truth", tmp_path / "t.tif")
    out = tmp_path / "m.json"
    assert run(monkeypatch, *arguments, "--out", out) == 2
    assert run(monkeypatch, *arguments, "--as-volume", "--metric", "hd95", "--out", out) == 0
    [row] = json.loads(out.read_text())["pairs"]
    assert row["pixels"]["both"] == volume.sum()
    assert row["hd95"] == 0


def bad_size(at):
    return png(at / "p.png", np.zeros((4, 5), np.uint8)), png(at / "t.png", np.zeros((5, 5), "u1"))


def bad_label(at):
    ours = np.zeros((2, 4, 4), np.uint8)
    ours[1, 2, 2] = 4
    return nifti(at / "p.nii", ours), nifti(at / "t.nii", ours // 4)


def bad_voxels(at):
    ours = np.zeros((2, 4, 4), np.uint8)
    return nifti(at / "p.nii", ours, (1, 1, 2)), nifti(at / "t.nii", ours)


def nan(at):
    ours = np.zeros((2, 4, 4), np.float32)
    ours[1, 0, 0] = np.nan
    return nifti(at / "p.nii", ours), nifti(at / "t.nii", np.zeros_like(ours))


def turned(at):
    ours = np.zeros((2, 4, 4), np.uint8)
    return nifti(at / "p.nii", ours, (1, -1, 1)), nifti(at / "t.nii", ours)


BAD = {
    "size": (bad_size, {}, r"p\.png: expected the size of .*t\.png, 1 x 5 x 5.*got 1 x 4 x 5"),
    "label": (bad_label, {"regions": {"1": (1,)}}, "slice 1: expected the labels 0, 1, got 4"),
    "brats 2021": (bad_label, {"metrics": ("lesionwise",)}, "--relabel 4="),
    "voxels": (bad_voxels, {}, "expected voxels of 1 x 1 x 1 .*got 1 x 1 x 2"),
    "nan": (nan, {}, "slice 1: expected class numbers, 1 voxels are NaN"),
    "axes": (turned, {}, "axes run another way"),
    "box": (bad_label, {"metrics": ("hd95",), "most_voxels": 0}, "expected at most 0; raise"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_pairs_are_refused_with_one_line(case, tmp_path):
    make, options, text = BAD[case]
    predicted, truth = make(tmp_path)
    with pytest.raises(BadInput, match=text) as error:
        measure_pair(Pair("p", predicted, truth), MaskRequest(**options))
    assert "\n" not in str(error.value)


def test_the_rest_is_measured_when_one_is_bad(tmp_path, monkeypatch, capsys):
    for name, height in (("good", 5), ("odd", 4)):
        png(tmp_path / "p" / f"{name}.png", np.ones((height, 5), np.uint8))
        png(tmp_path / "t" / f"{name}.png", np.ones((5, 5), np.uint8))
    png(tmp_path / "p" / "alone.png", np.ones((5, 5), np.uint8))
    out = tmp_path / "m.json"
    arguments = ("--predicted", tmp_path / "p", "--truth", tmp_path / "t", "--out", out)
    assert run(monkeypatch, *arguments) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(lines) == 2
    assert any("alone: no mask of that name" in line for line in lines)
    assert [row["name"] for row in json.loads(out.read_text())["pairs"]] == ["good"]


def test_labels_can_be_read_as_others(tmp_path):
    predicted, truth = bad_label(tmp_path)
    request = MaskRequest(regions={"x": (1,)}, relabel={4: 1})
    [row] = measure_pair(Pair("p", predicted, truth), request)
    assert row.values["dice"] == 1


def test_large_volumes_are_counted_slice_by_slice(tmp_path):
    volume = np.zeros((30, 50, 50), np.uint8)
    volume[10, 20:24, 20:24] = 1
    paths = [nifti(tmp_path / f"{name}.nii", volume) for name in "pt"]
    # Only the box around what is set counts for the limit.
    request = MaskRequest(metrics=("dice", "hd95"), most_voxels=16)
    [row] = measure_pair(Pair("p", *paths), request)
    assert row.values == {"dice": 1.0, "hd95": 0.0}


def test_one_slice_is_a_picture(tmp_path):
    plane = np.zeros((1, 9, 9), np.uint8)
    plane[0, 2:6, 2:6] = 1
    paths = nifti(tmp_path / "p.nii", np.roll(plane, 1, 2)), nifti(tmp_path / "t.nii", plane)
    [row] = measure_pair(Pair("p", *paths), MaskRequest(metrics=("hd95",)))
    assert row.values["hd95"] == hd95(np.roll(plane, 1, 2)[0] > 0, plane[0] > 0, (1, 1)) == 1


def test_classes_on_the_command_line():
    assert read_regions(("1,core=1+3", "2")) == {"1": (1,), "core": (1, 3), "2": (2,)}
    assert read_regions(()) is None
    assert read_relabel(("4=3",)) == {4: 3}
    for wrong in ("0", "a", "1,1", "x=", "1+0"):
        with pytest.raises(BadInput, match="--class"):
            read_regions((wrong,))
    with pytest.raises(BadInput, match="--relabel"):
        read_relabel(("4",))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"metrics": ("jaccard",)}, "--metric: expected some of dice"),
        ({"challenge": "BRATS"}, "--challenge"),
        ({"at": 0}, "--iou"),
        ({"instances": True}, "--metric f1 only"),
        ({"spacing": (1, 0, 1)}, "--spacing"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(options, text):
    with pytest.raises(BadInput, match=text):
        MaskRequest(**options)


def test_pairs_need_a_name_in_common(tmp_path):
    png(tmp_path / "p" / "a.png", np.ones((2, 2), np.uint8))
    png(tmp_path / "t" / "b.png", np.ones((2, 2), np.uint8))
    with pytest.raises(BadInput, match="same names, got a and b"):
        pair_masks(tmp_path / "p", tmp_path / "t")
    nifti(tmp_path / "p" / "a.nii", np.ones((1, 2, 2), np.uint8))
    with pytest.raises(BadInput, match="both 'a'"):
        pair_masks(tmp_path / "p", tmp_path / "t")
    with pytest.raises(BadInput, match="no such file"):
        pair_masks(tmp_path / "x", tmp_path / "t")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--predicted", "p"), "both --predicted and --truth"),
        (("galaxy-zoo", "set", "--iou", "0.4"), "--iou: expected either"),
        (("model", "--predicted", "p", "--truth", "t"), "model: expected either"),
        (("--predicted", "p", "--truth", "t", "--fit-calibration"), "--fit-calibration: exp"),
        ((), "expected MODEL and TRAINING_SET, or --predicted and --truth"),
    ],
)
def test_options_of_the_other_kind_are_not_passed_over(arguments, text, monkeypatch, capsys):
    assert run(monkeypatch, *arguments) == 2
    assert text in capsys.readouterr().err


def test_masks_need_no_network_library(tmp_path):
    png(tmp_path / "a.png", np.ones((4, 4), np.uint8))
    code = (
        "import sys\n"
        "from zooassist_plugin.cli import main\n"
        f"sys.argv = ['zooassist', 'evaluate', '--predicted', {str(tmp_path / 'a.png')!r}, "
        f"'--truth', {str(tmp_path / 'a.png')!r}, '--out', {str(tmp_path / 'm.json')!r}]\n"
        "main.__globals__['cli'](standalone_mode=False)\n"
        "assert not {'torch', 'onnxruntime', 'scipy', 'tifffile'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), timeout=60)
