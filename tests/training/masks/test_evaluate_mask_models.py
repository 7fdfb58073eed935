"""`zooassist evaluate MODEL TRAINING_SET` of models that draw masks."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from mask_networks import folder_of, network_of
from mask_sets import write_mask_set, write_volume_pairs
from PIL import Image

from zooassist_plugin.cli import main
from zooassist_plugin.model_card import MaskClass
from zooassist_training.evaluation.masks.model_run import common_classes
from zooassist_training.evaluation.report.masks_page import edges
from zooassist_training.segmentation.scores import score_test_split
from zooassist_training.segmentation.sources import open_source


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", "evaluate", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_mask_set(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return folder_of(network_of("mask", classes=1), tmp_path_factory.mktemp("m") / "discs", 32)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return write_volume_pairs(tmp_path_factory.mktemp("volumes"), volumes=14)


def test_a_model_of_images_is_measured_as_it_is_served(
    images, model, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "out"
    arguments = (model.path, images, "--metric", "dice", "--metric", "f1", "--metric", "hd95")
    assert run(monkeypatch, *arguments, "--out", out) == 0
    said = capsys.readouterr().out
    assert model.card.version in said
    assert "4 images" in said
    content = json.loads((out / "metrics.json").read_text())
    assert content["model"]["version"] == model.card.version
    assert content["learnt_from"] == "no"
    test = open_source(images, "mask").read(("test",), model.card.preprocessing)
    expected = score_test_split(model.onnx_path.read_bytes(), model.card, test)["dice"]
    dice = next(each for each in content["summary"] if each["column"] == "dice")
    assert dice["mean"] == pytest.approx(expected)
    assert dice["region"] == "a"
    assert {each["column"] for each in content["summary"]} == {"dice", "f1", "hd95"}
    page = (out / "report.html").read_text()
    assert len(re.findall('src="data:image/jpeg', page)) == 4
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_two_objects_that_are_drawn_as_one_are_one_at_most(tmp_path, monkeypatch):
    """The model calls all bright pixels an object; each disc of the truth is two of them."""

    def halved(mask):
        labels = np.array(Image.open(mask))
        columns = np.flatnonzero(labels.any(0))
        right = np.arange(labels.shape[1]) > columns.mean()
        objects = np.where(labels > 0, 3 + right, 0).astype(np.uint16)
        Image.fromarray(objects).save(mask.with_name(f"{mask.stem}.instances.png"))

    network = network_of("mask", classes=1)
    with torch.no_grad():
        for weight in network.generator.head.parameters():
            weight.zero_()
        network.generator.head.weight[0, -3:, 1, 1] = 20.0  # the image itself
        network.generator.head.bias.fill_(-20.0)
    model = folder_of(network, tmp_path / "bright", 32)
    found = {}
    for told in (False, True):
        given = write_mask_set(tmp_path / str(told), change=halved if told else None)
        out = tmp_path / f"out-{told}"
        assert run(monkeypatch, model.path, given, "--metric", "f1", "--out", out) == 0
        rows = json.loads((out / "metrics.json").read_text())["pairs"]
        found[told] = [sum(row[c] for row in rows) for c in ("found_objects", "missed_objects")]
    images = 4
    assert found[False] == [images, 0]
    assert found[True][0] <= images
    assert sum(found[True]) == 2 * images


def test_a_model_of_another_scale_is_measured_in_the_images_own_pixels(tmp_path, monkeypatch):
    given = write_mask_set(tmp_path / "set")
    network = network_of("mask", classes=1)
    counted = {}
    for scale in (1.0, 2.0):
        model = folder_of(network, tmp_path / f"model-{scale:g}", 32, scale=scale)
        out = tmp_path / f"out-{scale:g}"
        assert run(monkeypatch, model.path, given, "--metric", "dice", "--out", out) == 0
        rows = json.loads((out / "metrics.json").read_text())["pairs"]
        counted[scale] = [sum(row["pixels"].values()) for row in rows]
    assert counted[1.0] == counted[2.0]


def test_a_model_of_volumes_is_measured_on_a_folder(volumes, tmp_path, monkeypatch, capsys):
    network = network_of("volume", classes=1, channels=1)
    made = folder_of(network, tmp_path / "balls")
    # Two labels, and the model knows one class of another number: nothing to compare.
    assert run(monkeypatch, made.path, volumes, "--out", tmp_path / "out") == 2
    assert "could not be used" in capsys.readouterr().err
    both = folder_of(network_of("volume", channels=1), tmp_path / "both")
    for path in (volumes / "labels").iterdir():
        content = bytearray(path.read_bytes())
        values = np.frombuffer(content, np.uint8, offset=352).copy()
        values[values == 2] = 5  # the second class of the model
        path.write_bytes(bytes(content[:352]) + values.tobytes())
    arguments = (both.path, volumes, "--split", "all", "--out", tmp_path / "out")
    assert run(monkeypatch, *arguments) == 0
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["kind"] == "volume"
    assert content["images"] == 14
    assert {each["region"] for each in content["summary"]} == {"a", "b"}
    assert "learnt from this split of another set" in capsys.readouterr().out


def test_a_page_by_name_and_damaged_images(images, model, tmp_path, monkeypatch, capsys):
    damaged = write_mask_set(tmp_path / "set", seed=4)
    next((damaged / "images").glob("2.*")).write_bytes(b"no image")
    page = tmp_path / "look.html"
    assert run(monkeypatch, model.path, damaged, "--out", page) == 1
    said = capsys.readouterr()
    assert "subject 2" in said.err
    assert "3 images" in said.out
    assert json.loads((tmp_path / "look-metrics.json").read_text())["problems"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--map", "a=b"), "--map"),
        (("--class", "1"), "--class"),
        (("--where", "kind=x"), "no subject has metadata"),
        (("--metric", "dice", "--spacing", "1", "0", "1"), "--spacing"),
    ],
)
def test_what_says_nothing_of_masks_is_refused(
    images, model, options, said, tmp_path, monkeypatch, capsys
):
    assert run(monkeypatch, model.path, images, *options, "--out", tmp_path / "out") == 2
    assert said in capsys.readouterr().err


def test_classes_are_matched_by_name():
    def named(**numbers):
        return tuple(MaskClass(number=number, name=name) for name, number in numbers.items())

    assert common_classes(named(cell=1), named(nucleus=7)) == ([("cell", 0, 0)], ())
    common, alone = common_classes(named(a=1, b=2, c=3), named(c=1, b=9, d=4))
    assert common == [("b", 1, 1), ("c", 2, 0)]
    assert alone == ("a", "d")


def test_edges_are_inside_of_classes():
    labels = np.zeros((5, 5), dtype=np.uint8)
    labels[1:4, 1:4] = 2
    found = edges(labels)
    assert found.sum() == 8
    assert not found[2, 2]
