from __future__ import annotations

import json
import re

import numpy as np
import pytest

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.cli import main
from zooassist_training.evaluation.report.value_charts import MOST_DOTS, nice_ticks, scatter
from zooassist_training.fit_options import FitOptions
from zooassist_training.target_values import Wish
from zooassist_training.train_votes import VotesRecipe, train_votes

FIT = FitOptions(epochs=3, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1)


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def model(blob_set, tmp_path_factory):
    recipe = VotesRecipe(
        name="blobs",
        encoder="tiny",
        size=32,
        samples=3,
        fit=FIT,
        regress=(Wish("radius", "px"), Wish("tilt")),
    )
    return train_votes(blob_set, tmp_path_factory.mktemp("models") / "blobs", recipe).folder


def renamed(blob_set, out, names: dict[str, str], keep=lambda row: True, without_images=()):
    """The same pictures with other metadata; everything in the test split."""
    data = read_training_set(blob_set)
    rows = []
    for row in filter(keep, range(len(data))):
        metadata = {names[key]: x for key, x in data.metadata(row).items() if key in names}
        path = None if row in without_images else data.image_path(row)
        subject = 5000 + int(data.subject_ids[row])
        rows.append(SubjectRow(subject, path, split="test", metadata=metadata))
    return write_training_set(out, rows, [[1, 2, 0, 1, 1]] * len(rows), data.schema)


def test_writes_a_page_and_every_figure(model, blob_set, tmp_path, monkeypatch, capsys):
    out = tmp_path / "evaluation"
    assert run(monkeypatch, "evaluate", model.path, blob_set, "--out", out, "--threads", 1) == 0
    shown = capsys.readouterr().out
    assert "radius (px)" in shown
    assert "coverage at 50, 80, 95 %" in shown
    content = json.loads((out / "metrics.json").read_text())
    assert (content["encoding-type"], content["kind"]) == ("zooassist-evaluation", "values")
    radius = content["targets"]["radius"]
    for figure in ("rmse", "mae", "bias", "r2"):
        # What training measured on this very split.
        assert radius[figure] == pytest.approx(model.card.metrics[f"radius/{figure}"], rel=1e-4)
    assert radius["unit"] == "px"
    assert [at["level"] for at in radius["coverage"]][-1] == 0.95
    page = (out / "report.html").read_text()
    # Five worst and five best of either target.
    assert len(re.findall('<img src="data:image/jpeg', page)) == 20
    assert "radius (px): predicted against true" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert read_training_set(blob_set).sha256 in page
    assert [path.name for path in sorted(out.iterdir())] == ["metrics.json", "report.html"]


def test_a_split_that_was_learnt_from_is_said_to(model, blob_set, tmp_path, monkeypatch, capsys):
    out = tmp_path / "page.html"
    arguments = ("evaluate", model.path, blob_set, "--split", "train", "--out", out)
    assert run(monkeypatch, *arguments) == 0
    assert "learnt from these subjects" in capsys.readouterr().out
    assert "remembers" in out.read_text()


def test_another_set_names_its_metadata_otherwise(model, blob_set, tmp_path, monkeypatch, capsys):
    """One image is missing, and one target."""
    other = renamed(blob_set, tmp_path / "set", {"radius": "r50"}, without_images=(1,))
    arguments = ("evaluate", model.path, other, "--map", "r50=radius", "--out", tmp_path / "e")
    assert run(monkeypatch, *arguments) == 1
    shown = capsys.readouterr()
    assert "not compared: tilt" in shown.out
    assert "error: subject 5001" in shown.err
    content = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert content["targets_not_compared"] == ["tilt"]
    assert list(content["targets"]) == ["radius"]
    assert content["learnt_from"] == "no"
    assert len(content["problems"]) == 1


def test_only_some_subjects(model, blob_set, tmp_path, monkeypatch):
    names = {"radius": "radius", "tilt": "tilt", "name": "name"}
    other = renamed(blob_set, tmp_path / "set", names)
    arguments = ("evaluate", model.path, other, "--where", "name=blob 7", "--out", tmp_path / "e")
    assert run(monkeypatch, *arguments) == 0
    content = json.loads((tmp_path / "e" / "metrics.json").read_text())
    assert content["subjects"] == 1
    value = read_training_set(blob_set).metadata(7)["radius"]
    assert f"true {float(value):.3g}" in (tmp_path / "e" / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--map", "r50=size"), "the model predicts no 'size'; expected one of radius, tilt"),
        (("--map", "r50=radius", "--map", "x=tilt"), "no subject has metadata 'r50', 'x'"),
        (("--fit-calibration",), "predicts values, and only votes are calibrated"),
        (("--where", "name=nobody"), "expected subjects with name=nobody"),
    ],
)
def test_what_cannot_be_measured(model, blob_set, tmp_path, monkeypatch, capsys, options, message):
    out = tmp_path / "e"
    assert run(monkeypatch, "evaluate", model.path, blob_set, "--out", out, *options) == 2
    assert message in capsys.readouterr().err
    assert not (out / "report.html").exists()


def test_a_set_without_any_value_in_the_split(model, blob_set, tmp_path, monkeypatch, capsys):
    data = read_training_set(blob_set)
    empty = [row for row in range(len(data)) if data.metadata(row)["radius"] == ""]
    other = renamed(blob_set, tmp_path / "set", {"radius": "radius"}, lambda row: row in empty)
    assert run(monkeypatch, "evaluate", model.path, other, "--out", tmp_path / "e") == 2
    assert f"subjects without any value: {len(empty)}" in capsys.readouterr().err


def test_ticks_are_round_numbers():
    assert nice_ticks(-0.03, 1.03) == [0, 0.25, 0.5, 0.75, 1]
    assert nice_ticks(0.05, 0.31) == [0.1, 0.2, 0.3]
    assert nice_ticks(9e9, 1.2e10) == [9e9, 1e10, 1.1e10, 1.2e10]
    for low, high in ((-3.7, 12.9), (1e-9, 3e-9), (99.99, 100.01)):
        ticks = nice_ticks(low, high)
        assert 2 <= len(ticks) <= 6
        assert all(low <= tick <= high for tick in ticks)


def test_a_page_stays_light():
    many = np.linspace(0, 1, 3 * MOST_DOTS)
    drawn = scatter(many, many, many / 10, ["subject"] * len(many), "z")
    assert MOST_DOTS / 2 < drawn.count("<circle") <= MOST_DOTS
    one = scatter(np.array([3.0]), np.array([3.0]), np.array([0.1]), ["subject <1>"], "z")
    assert "subject &lt;1&gt;: true 3, predicted 3 ± 0.1" in one
