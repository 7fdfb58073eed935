"""A model of values at every door: data plane, predictions file, HTTP, model command."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.http.app import create_app
from zooassist_serving.model_command import model
from zooassist_serving.model_folder import write_model_folder
from zooassist_serving.predict_command import predict
from zooassist_serving.predictions import Prediction
from zooassist_serving.served_model import NOT_FINITE

RED = {"redshift": 0.05 + 0.4 + 0.1, "mag": 18.0 + 0.1}
# Three samples, 0.1 apart.
EPISTEMIC = 0.1 * np.std([0, 1, 2])


@pytest.fixture
def plane(values_folder):
    return DataPlane([values_folder], threads=1)


def test_every_image_has_its_values(plane, png):
    red, broken, blue = plane.predict(
        "numbers", [Item("red", png("red")), Item("broken", b"x"), Item("blue", png("blue"))]
    )
    assert red.means == pytest.approx([RED["redshift"], RED["mag"]], abs=1e-6)
    expected = np.hypot([0.02, 0.5], EPISTEMIC)
    assert red.deviations == pytest.approx(expected, abs=1e-6)
    assert red.fractions is None
    assert red.asked is None
    assert blue.means == pytest.approx([0.15, 15.1], abs=1e-6)
    assert broken.error is not None
    assert broken.means is None


def test_predictions_file(values_folder, png, tmp_path):
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(colour))
    (tmp_path / "broken.png").write_bytes(b"x")
    out = tmp_path / "values.parquet"
    result = CliRunner().invoke(
        predict, [str(values_folder.path), str(tmp_path), "--out", str(out), "--embedding"]
    )
    assert result.exit_code == 1, "one image is broken"
    table = pq.read_table(out)
    assert table.column_names == [
        "subject_id",
        "image",
        "frame",
        "model",
        "model_version",
        *(f"redshift_{part}" for part in ("mean", "std", "lower90", "upper90")),
        *(f"mag_{part}" for part in ("mean", "std", "lower90", "upper90")),
        "uncertainty",
        "error",
        "embedding",
    ]
    targets = json.loads(table.schema.metadata[b"targets"])
    assert [each["name"] for each in targets] == ["redshift", "mag"]
    assert b"label_schema" not in table.schema.metadata
    rows = {row["image"].rpartition("/")[2]: row for row in table.to_pylist()}
    assert rows["red.png"]["redshift_mean"] == pytest.approx(RED["redshift"], abs=1e-6)
    assert rows["red.png"]["mag_lower90"] < RED["mag"] < rows["red.png"]["mag_upper90"]
    assert rows["broken.png"]["redshift_mean"] is None
    assert rows["broken.png"]["error"]


@pytest.mark.parametrize("form", ["zoobot-csv", "kade-json"])
def test_formats_of_votes_refuse_values(values_folder, png, tmp_path, form):
    (tmp_path / "red.png").write_bytes(png("red"))
    out = tmp_path / ("p.json" if form == "kade-json" else "p.csv")
    arguments = [str(values_folder.path), str(tmp_path / "red.png"), "--out", str(out)]
    result = CliRunner().invoke(predict, [*arguments, "--format", form])
    assert isinstance(result.exception, BadInput)
    assert "got kind 'values'" in str(result.exception)


def test_csv(values_folder, png, tmp_path):
    (tmp_path / "red.png").write_bytes(png("red"))
    arguments = [str(values_folder.path), str(tmp_path / "red.png")]
    result = CliRunner().invoke(predict, [*arguments, "--out", str(tmp_path / "p.csv")])
    assert result.exit_code == 0
    assert '"redshift_mean","redshift_std"' in (tmp_path / "p.csv").read_text()


def test_http_answers_with_values_and_units(plane, png):
    client = create_app(plane, token=None).test_client()
    answer = client.post("/v1/models/numbers/predict", data=png("red"), content_type="image/png")
    assert answer.status_code == 200
    (prediction,) = answer.json["predictions"]
    assert "questions" not in prediction
    redshift, mag = prediction["values"]["redshift"], prediction["values"]["mag"]
    assert redshift["mean"] == pytest.approx(RED["redshift"], abs=1e-6)
    assert (redshift["unit"], mag["unit"]) == (None, "mag")
    assert mag["lower90"] < mag["mean"] < mag["upper90"]
    assert client.get("/v1/models").json["models"][0]["kind"] == "values"


def test_nothing_is_proposed_of_values(plane, png):
    with pytest.raises(BadInput, match="got kind 'values'"):
        next(iter(plane.propose("numbers", [Item("red", png("red"), subject_id=1)], None, None)))


def test_answers_that_are_no_numbers_fail_alone(make_values_onnx, make_values_card, tmp_path, png):
    """A graph that divides by the amount of blue."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load_model_from_string(make_values_onnx())
    nodes = graph.graph.node
    nodes[-1].output[0] = "before"
    blue = onnx.numpy_helper.from_array(np.array([0, 0, 1], dtype=np.float32), "blue")
    shape = onnx.numpy_helper.from_array(np.array([-1, 1, 1, 1]), "each")
    graph.graph.initializer.extend([blue, shape])
    nodes.extend(
        [
            onnx.helper.make_node("MatMul", ["embedding", "blue"], ["amount"]),
            onnx.helper.make_node("Reshape", ["amount", "each"], ["divisor"]),
            onnx.helper.make_node("Div", ["before", "divisor"], ["values"]),
        ]
    )
    graph_bytes = graph.SerializeToString()
    folder = write_model_folder(graph_bytes, make_values_card(graph_bytes), tmp_path / "m")
    plane = DataPlane([folder], threads=1)
    items = [Item("red", png("red")), Item("blue", png("blue"))]
    red, blue_one = plane.predict("numbers", items)
    assert red.error == NOT_FINITE
    assert blue_one.error is None
    assert plane.answer("numbers", items).errors == (NOT_FINITE, None)


def test_a_graph_of_other_targets_is_no_model(make_values_onnx, make_values_card, tmp_path):
    graph = make_values_onnx()
    card = make_values_card(graph)
    one = make_values_card(graph, targets=card.targets[:1])
    with pytest.raises(BadInput, match="for the targets redshift, the graph has"):
        write_model_folder(graph, one, tmp_path / "m")


def test_inspect_and_verify(values_folder):
    result = CliRunner().invoke(model, ["inspect", str(values_folder.path)])
    assert "target mag (mag): 12 to 20 in training, mean 17, deviation 2" in result.output
    assert "calibrated" not in result.output
    assert CliRunner().invoke(model, ["verify", str(values_folder.path)]).exit_code == 0


def test_a_prediction_is_of_votes_or_values():
    one = np.zeros(1)
    whole = {"lower90": one, "upper90": one, "uncertainty": 0.0}
    Prediction("m", "v", image="a", means=one, deviations=one, **whole)
    with pytest.raises(BadInput, match="either all values or an error"):
        Prediction("m", "v", image="a", means=one, **whole)
    with pytest.raises(BadInput, match="got both"):
        Prediction("m", "v", image="a", means=one, deviations=one, fractions=one, **whole)
