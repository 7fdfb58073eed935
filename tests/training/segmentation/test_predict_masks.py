"""`zooassist predict` with models that draw, and what `model` says of them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from mask_networks import folder_of, network_of
from mask_sets import draw_image, draw_volume, write_nifti
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposed_masks import text_to_masks
from zooassist_plugin.stacks.opening import open_stack
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_command import model
from zooassist_serving.predict_command import predict


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    made = {kind: folder_of(network_of(kind), path / kind, 32) for kind in ("mask", "volume")}
    one = network_of("volume", 1, channels=1)
    return made | {"one": folder_of(one, path / "one", 32)}


def run(*arguments: object):
    return CliRunner().invoke(predict, [str(each) for each in arguments], catch_exceptions=False)


def test_images_get_rows_and_label_maps(folders, tmp_path):
    random = np.random.default_rng(0)
    for name, size in (("a", (48, 40)), ("b", (90, 70))):
        Image.fromarray(draw_image(random, *size)[0]).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"nothing")
    out, masks = tmp_path / "out.parquet", tmp_path / "masks"
    result = run(folders["mask"].path, tmp_path, "--out", out, "--masks", masks)
    assert result.exit_code == 1
    assert "c.png: expected a JPEG" in result.stderr
    assert "2 of 3 images drawn" in result.output
    rows = pq.read_table(out).to_pylist()
    assert [row["error"] is None for row in rows] == [True, True, False]
    for row, name in zip(rows, "ab", strict=False):
        labels = np.array(Image.open(masks / f"{name}.png"))
        assert labels.shape == {"a": (48, 40), "b": (90, 70)}[name]
        assert row["a_area"] == (labels == 1).sum()
        assert row["b_area"] == (labels == 5).sum()
        drawn = sum(int(mask.pixels().sum()) for mask in text_to_masks(row["mask"]))
        assert drawn == (labels > 0).sum()
        assert 0 < row["realness_worst"] <= row["realness_mean"] < 1
    assert rows[2]["mask"] is None
    assert sorted(path.name for path in masks.iterdir()) == ["a.png", "b.png"]


def test_volumes_get_a_row_per_slice_and_stacks_to_choose_slices_by(folders, tmp_path):
    values, _ = draw_volume(np.random.default_rng(0), 21)
    write_nifti(tmp_path / "in.nii", values)
    write_nifti(tmp_path / "two.nii", np.stack([values, values], -1))
    out = tmp_path / "out.parquet"
    into = {name: tmp_path / name for name in ("masks", "probabilities", "realness")}
    options = [part for name, path in into.items() for part in (f"--{name}", path)]
    result = run(
        *(folders["one"].path, tmp_path / "in.nii", tmp_path / "two.nii", "--out", out, *options)
    )
    assert result.exit_code == 1
    assert "1 of 2 volumes drawn" in result.output
    rows = pq.read_table(out).to_pylist()
    assert [row["frame"] for row in rows] == [*range(21), 0]
    assert "1 modalities, got [21, 20, 24, 2]" in rows[-1]["error"]
    for name, path in into.items():
        assert [file.name for file in path.iterdir()] == ["in.tif"]
        with open_stack(path / "in.tif") as stack:
            assert len(stack) == 21, name
            planes = np.stack(list(stack.planes()))
        if name == "realness":
            np.testing.assert_allclose(
                [row["realness_mean"] for row in rows[:-1]], planes.mean((1, 2)), rtol=1e-5
            )
            continue
        assert planes.shape == values.shape
        areas = (planes >= 0.5).sum((1, 2))
        assert [row["a_area"] for row in rows[:-1]] == areas.tolist()


def test_options_that_do_not_fit_the_model_are_refused(folders, tmp_path):
    out = tmp_path / "out.parquet"
    with pytest.raises(BadInput, match="these are of volumes"):
        run(folders["mask"].path, tmp_path, "--out", out, "--realness", tmp_path / "r")
    with pytest.raises(BadInput, match="draws none"):
        run("galaxy-zoo", tmp_path, "--out", out, "--masks", tmp_path / "m")
    with pytest.raises(BadInput, match="found none"):
        run(folders["one"].path, tmp_path, "--out", out)
    with pytest.raises(BadInput, match="got kind 'mask'"):
        next(iter(DataPlane([folders["mask"]]).predict("mask", [])), None)


@pytest.mark.parametrize("kind", ["mask", "volume"])
def test_model_folders_are_verified_and_described(kind, folders):
    folder = folders[kind]
    done = CliRunner().invoke(model, ["verify", str(folder.path)], catch_exceptions=False)
    assert "sound" in done.output
    said = CliRunner().invoke(model, ["inspect", str(folder.path)], catch_exceptions=False)
    assert "class 5 b: from a probability of 0.5 on" in said.output
    card = json.loads((folder.path / "model.json").read_text())
    assert card["classes"] == [{"number": 1, "name": "a"}, {"number": 5, "name": "b"}]
    DataPlane([folder], threads=1).warm_up()
