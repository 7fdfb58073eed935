"""The formats of others are read here as their own tools read them, from the description alone."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from scipy import stats

from zooassist_plugin.errors import BadInput, MissingExtra
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.predict_command import predict

COLOURS = ("red", "lime", "blue", "white", "black")
COLUMNS = (
    "smooth-or-featured_smooth",
    "smooth-or-featured_featured",
    "smooth-or-featured_artifact",
    "bar_yes",
    "bar_no",
)


@pytest.fixture
def table(tmp_path, png):
    """Five good images and one that is not there."""
    for colour in COLOURS:
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    lines = [f"{100 + i},J{i},{colour}.png" for i, colour in enumerate(COLOURS)]
    lines.insert(2, "999,J9,missing.png")
    path = tmp_path / "galaxies.csv"
    path.write_text("subject_id,id_str,image\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def concentrations(png):
    """(images, samples, columns) as the graph gives them."""

    def _concentrations(folder):
        plane = DataPlane([folder], threads=1)
        items = [Item(colour, png(colour)) for colour in COLOURS]
        return plane.answer(folder.card.name, items).raw

    return _concentrations


def run(folder, table, out, *options):
    arguments = [str(folder.path), str(table), "--out", str(out), *options]
    return CliRunner().invoke(predict, arguments)


@pytest.fixture(params=["tiny", "sampled"])
def folder(request, tiny_folder, sampled_folder):
    return {"tiny": tiny_folder, "sampled": sampled_folder}[request.param]


def test_zoobot_csv(folder, table, tmp_path, concentrations):
    pandas = pytest.importorskip("pandas", reason="read as Zoobot's users read it, with pandas")
    out = tmp_path / "zoobot.csv"
    result = run(folder, table, out, "--format", "zoobot-csv")
    assert result.exit_code == 1
    assert "missing.png: cannot be read" in result.stderr
    frame = pandas.read_csv(out, dtype={"id_str": str})
    assert list(frame.columns) == ["id_str", *(f"{column}_pred" for column in COLUMNS)]
    assert list(frame["id_str"]) == ["J0", "J1", "J2", "J3", "J4"]
    expected = concentrations(folder)
    for i, column in enumerate(COLUMNS):
        cells = frame[f"{column}_pred"]
        if expected.shape[1] == 1:
            assert cells.dtype.kind in "fi"
            np.testing.assert_array_equal(cells.astype(np.float32), expected[:, 0, i])
        else:
            lists = np.array([json.loads(cell) for cell in cells], dtype=np.float32)
            np.testing.assert_array_equal(lists, expected[:, :, i])


def test_zoobot_hdf5(folder, table, tmp_path, concentrations):
    h5py = pytest.importorskip("h5py", reason="HDF5 needs h5py ([hdf5])")
    out = tmp_path / "zoobot.hdf5"
    assert run(folder, table, out).exit_code == 1
    expected = concentrations(folder)
    with h5py.File(out, "r") as file:
        assert set(file) == {"predictions", "id_str", "label_cols"}
        predictions = file["predictions"]
        assert predictions.dtype == np.float32
        assert predictions.compression == "gzip"
        assert predictions.shape == (5, 5, expected.shape[1])
        np.testing.assert_array_equal(predictions[...], expected.transpose(0, 2, 1))
        assert h5py.check_string_dtype(file["id_str"].dtype).encoding == "utf-8"
        assert list(file["id_str"].asstr()[...]) == ["J0", "J1", "J2", "J3", "J4"]
        assert tuple(file["label_cols"].asstr()[...]) == COLUMNS


def test_hdf5_of_nothing_but_failures(tiny_folder, tmp_path):
    h5py = pytest.importorskip("h5py", reason="HDF5 needs h5py ([hdf5])")
    out = tmp_path / "zoobot.h5"
    assert run(tiny_folder, tmp_path / "no.png", out).exit_code == 1
    with h5py.File(out, "r") as file:
        assert file["predictions"].shape == (0, 5, 1)


@pytest.mark.parametrize("bound", [0.2, 0.5])
def test_kade_json(folder, table, tmp_path, concentrations, bound):
    out = tmp_path / "predictions.json"
    assert run(folder, table, out, "--featured-bound", str(bound)).exit_code == 1
    content = json.loads(out.read_text())
    assert content["schema"]["version"] == 1
    assert content["schema"]["type"] == "zooniverse/subject_assistant"
    assert content["schema"]["data"]["model_version"] == folder.card.version
    assert list(content["data"]) == ["100", "101", "102", "103", "104"]
    expected = concentrations(folder)[:, :, :3].astype(float)
    for rows, samples in zip(expected, content["data"].values(), strict=True):
        assert list(samples) == [str(i) for i in range(len(rows))]
        for alphas, (chance, listed) in zip(rows, samples.values(), strict=True):
            assert listed == list(alphas)
            beta = stats.beta(alphas[1], alphas[0] + alphas[2])
            assert chance == pytest.approx(1 - beta.cdf(bound), abs=1e-9)


def test_kade_keeps_the_first_image_of_a_subject(tiny_folder, tmp_path, png):
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    table = tmp_path / "t.csv"
    table.write_text("subject_id,image\n7,red.png\n7,blue.png\n8,blue.png\n")
    result = run(tiny_folder, table, tmp_path / "p.json")
    assert result.exit_code == 0
    assert "1 images are of a subject that came before" in result.stderr
    data = json.loads((tmp_path / "p.json").read_text())["data"]
    assert list(data) == ["7", "8"]
    assert data["7"]["0"][1][0] == 32.0


def test_kade_needs_a_model_that_asks_for_features(tmp_path, make_onnx, make_card, png):
    from zooassist_plugin.label_schema import LabelSchema
    from zooassist_serving.model_folder import write_model_folder

    questions = [
        {
            "name": "ring",
            "task": "T0",
            "type": "single",
            "asked_after": [],
            "answers": [
                {"label": str(i), "index": i, "column": f"ring_{name}"}
                for i, name in enumerate(("yes", "no", "half", "double", "odd"))
            ],
        }
    ]
    data = make_onnx()
    card = make_card(data, label_schema=LabelSchema.from_json({"questions": questions}))
    folder = write_model_folder(data, card, tmp_path / "rings")
    (tmp_path / "a.png").write_bytes(png("red"))
    result = run(folder, tmp_path / "a.png", tmp_path / "p.json")
    assert isinstance(result.exception, BadInput)
    assert "asks whether a galaxy is featured, got tiny with ring_yes" in str(result.exception)


def test_csv_says_what_parquet_says(folder, table, tmp_path):
    assert run(folder, table, tmp_path / "p.csv").exit_code == 1
    assert run(folder, table, tmp_path / "p.parquet").exit_code == 1
    expected = pq.read_table(tmp_path / "p.parquet").to_pylist()
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(expected) == 6
    for row, whole in zip(rows, expected, strict=True):
        assert list(row) == list(whole)
        for name, value in whole.items():
            if isinstance(value, float):
                assert np.float32(row[name]) == np.float32(value)
            else:
                assert row[name] == ("" if value is None else str(value))


def test_parquet_keeps_ids_and_names(folder, table, tmp_path):
    assert run(folder, table, tmp_path / "p.parquet").exit_code == 1
    found = pq.read_table(tmp_path / "p.parquet")
    assert found.column_names[:6] == [
        "subject_id",
        "image",
        "id_str",
        "frame",
        "model",
        "model_version",
    ]
    third = found.to_pylist()[2]
    assert (third["subject_id"], third["id_str"]) == (999, "J9")
    assert third["image"] == str(tmp_path / "missing.png")
    assert "No such file" in third["error"]
    assert third["bar_yes_lower90"] is None


@pytest.mark.parametrize("out", ["p.csv", "p.json"])
def test_features_go_into_parquet_only(tiny_folder, table, tmp_path, out):
    result = run(tiny_folder, table, tmp_path / out, "--embedding")
    assert isinstance(result.exception, BadInput)
    assert "write parquet" in str(result.exception)


def test_a_format_and_a_name_that_do_not_fit(tiny_folder, table, tmp_path):
    result = run(tiny_folder, table, tmp_path / "p.parquet", "--format", "zoobot-csv")
    assert "ends with .csv" in str(result.exception)


def test_without_h5py_the_pip_command_is_named(tiny_folder, table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    result = run(tiny_folder, table, tmp_path / "p.hdf5")
    assert isinstance(result.exception, MissingExtra)
    assert 'pip install "zooassist[hdf5]"' in str(result.exception)
    assert not (tmp_path / ".p.hdf5.parts").exists()


def test_a_model_that_answers_no_questions_is_refused_before_any_work(
    tmp_path, make_onnx, make_card, table
):
    from zooassist_serving.model_folder import write_model_folder

    data = make_onnx()
    card = make_card(data, kind="embedding", label_schema=None)
    folder = write_model_folder(data, card, tmp_path / "features")
    result = run(folder, table, tmp_path / "p.parquet")
    assert "expected a model that answers questions" in str(result.exception)
    assert not (tmp_path / ".p.parquet.parts").exists()
