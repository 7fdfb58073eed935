from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.drift import REFERENCE_FILE, DriftWatch, Moments, Reference, Running
from zooassist_serving.drift_command import drift
from zooassist_serving.model_folder import load_model_folder


def test_moments_of_all_alike():
    values = np.random.default_rng(0).normal([1, 5], [2, 0.5], (500, 2))
    running = Running()
    for each in values:
        running.add(each)
    np.testing.assert_allclose(running.mean, values.mean(0))
    np.testing.assert_allclose(running.deviation, values.std(0))


def test_recent_ones_count_more():
    running = Running(memory=50)
    for value in [0.0] * 500 + [1.0] * 200:
        running.add(np.array([value]))
    assert running.mean[0] > 0.95
    # A constant has no spread, however long ago it was another one.
    for _ in range(1000):
        running.add(np.array([1.0]))
    assert running.deviation[0] < 0.01


@pytest.fixture
def watched(tiny_folder, tmp_path):
    card = tiny_folder.card
    columns = {column: Moments(mean=0.5, std=0.1) for column in card.answers.columns}
    reference = Reference(
        version=card.version,
        images=100,
        predictions={**columns, "uncertainty": Moments(mean=0.4, std=0.2)},
        embedding=(Moments(mean=0.5, std=0.25),) * 3,
    )
    (tmp_path / REFERENCE_FILE).write_text(reference.to_json())
    watch = DriftWatch()
    watch.watch(tmp_path, card)
    return watch, DataPlane([tiny_folder], threads=1), reference


def test_distances_are_in_deviations_of_the_training_set(watched, png):
    watch, plane, _ = watched
    assert watch.distances() == {}
    for prediction in plane.predict("tiny", [Item(str(i), png("red")) for i in range(3)]):
        watch.see("tiny", prediction)
    found = watch.distances()["tiny"]
    assert found["smooth-or-featured_smooth"] == pytest.approx((32 / 35 - 0.5) / 0.1, rel=1e-4)
    # Features 1, 0, 0 are two deviations off, each.
    assert found["embedding"] == pytest.approx(2, rel=1e-4)
    assert set(found) == {*plane.metadata("tiny").answers.columns, "uncertainty", "embedding"}


def test_errors_and_other_versions_say_nothing(watched, png):
    watch, plane, _ = watched
    (bad,) = plane.predict("tiny", [Item("x", b"")])
    watch.see("tiny", bad)
    watch.see("unknown", bad)
    assert watch.distances() == {}


def test_what_the_file_says(watched, tiny_folder, sampled_folder, tmp_path):
    _, _, reference = watched
    assert Reference.read(tmp_path, tiny_folder.card) == reference
    assert Reference.read(tmp_path, sampled_folder.card) is None, "of another version"
    assert Reference.read(tmp_path / "nowhere", tiny_folder.card) is None
    (tmp_path / REFERENCE_FILE).write_text('{"version": "x", "images": 1, "predictions": {}}')
    with pytest.raises(BadInput, match=r"reference\.json: images"):
        Reference.read(tmp_path, tiny_folder.card)


def test_the_command_writes_what_serve_reads(tiny_folder, png, tmp_path):
    copy = shutil.copytree(tiny_folder.path, tmp_path / "tiny")
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(png((60 * i, 0, 100)))
    (tmp_path / "bad.png").write_bytes(b"no")
    names = sorted(str(path) for path in tmp_path.glob("*.png"))
    result = CliRunner().invoke(drift, [str(copy), *names])
    assert result.exit_code == 1
    assert "bad.png" in result.stderr
    assert "4 images" in result.stdout
    folder = load_model_folder(copy)
    reference = Reference.read(copy, folder.card)
    assert reference.images == 4
    assert reference.embedding[0].mean == pytest.approx(np.mean([0, 60, 120, 180]) / 255, abs=1e-3)
    watch = DriftWatch()
    watch.watch(copy, folder.card)
    plane = DataPlane([folder], threads=1)
    for prediction in plane.predict(
        "tiny", [Item(name, Path(name).read_bytes()) for name in names]
    ):
        watch.see("tiny", prediction)
    for distance in watch.distances()["tiny"].values():
        assert distance == pytest.approx(0, abs=1e-6), "the same images are no drift"


def test_one_image_has_no_deviation(tiny_folder, png, tmp_path):
    (tmp_path / "a.png").write_bytes(png("red"))
    out = tmp_path / "reference.json"
    result = CliRunner().invoke(drift, [str(tiny_folder.path), str(tmp_path), "--out", str(out)])
    assert "expected two images at least" in str(result.exception)
    assert not out.exists()
