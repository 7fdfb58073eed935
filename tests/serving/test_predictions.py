from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving import predictions
from zooassist_serving.predictions import Prediction, PredictionWriter, json_of


def make(card, i=0, **changes):
    columns = len(card.label_schema.columns)
    fields = {
        "model": card.name,
        "model_version": card.version,
        "image": f"{i}.png",
        "fractions": np.linspace(0.1, 0.5, columns),
        "lower90": np.zeros(columns),
        "upper90": np.ones(columns),
        "asked": np.array([1.0, 0.25]),
        "uncertainty": 0.5,
        "embedding": np.full(3, i, dtype=np.float32),
    }
    return Prediction(**(fields | changes))


def failed(card, i=0):
    return Prediction(card.name, card.version, image=f"{i}.png", error="broken; fetch it again")


def test_file_has_the_documented_columns(tiny_folder, tmp_path):
    card = tiny_folder.card
    path = tmp_path / "p.parquet"
    with PredictionWriter(path, card) as writer:
        writer.write(make(card, image=None, subject_id=5678, frame=1))
        writer.write(failed(card, 1))
        assert not path.exists()
    table = pq.read_table(path)
    assert table.column_names[:5] == ["subject_id", "image", "frame", "model", "model_version"]
    assert table.column_names[5:8] == [
        "smooth-or-featured_smooth_fraction",
        "smooth-or-featured_smooth_lower90",
        "smooth-or-featured_smooth_upper90",
    ]
    assert table.column_names[-4:] == [
        "smooth-or-featured_asked",
        "bar_asked",
        "uncertainty",
        "error",
    ]
    first, second = table.to_pylist()
    assert (first["subject_id"], first["frame"], first["image"]) == (5678, 1, None)
    assert first["bar_asked"] == 0.25
    assert first["error"] is None
    assert second["error"] == "broken; fetch it again"
    assert second["bar_yes_fraction"] is None
    metadata = table.schema.metadata
    assert metadata[b"encoding-type"] == b"zooassist-predictions"
    assert json.loads(metadata[b"label_schema"]) == card.label_schema.to_json()


def test_rows_are_written_in_groups(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "ROWS_PER_GROUP", 10)
    path = tmp_path / "p.parquet"
    with PredictionWriter(path, tiny_folder.card, embedding=True) as writer:
        for i in range(25):
            writer.write(make(tiny_folder.card, i))
    assert pq.ParquetFile(path).num_row_groups == 3
    assert pq.read_table(path)["image"].to_pylist() == [f"{i}.png" for i in range(25)]
    assert pq.read_table(path)["embedding"].to_pylist()[7] == [7, 7, 7]


def test_an_interrupted_file_never_appears(tiny_folder, tmp_path):
    def interrupted():
        with PredictionWriter(tmp_path / "p.parquet", tiny_folder.card) as writer:
            writer.write(make(tiny_folder.card))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_a_file(tiny_folder, tmp_path):
    with PredictionWriter(tmp_path / "p.parquet", tiny_folder.card):
        pass
    assert pq.read_table(tmp_path / "p.parquet").num_rows == 0


def test_missing_folder(tiny_folder, tmp_path):
    writer = PredictionWriter(tmp_path / "no" / "p.parquet", tiny_folder.card)
    with pytest.raises(BadInput, match="expected a folder"):
        writer.__enter__()


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tiny_folder, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine, others = tmp_path / f".p.parquet.{ended.pid}", tmp_path / f".other.parquet.{ended.pid}"
    living = tmp_path / f".p.parquet.{os.getppid()}"
    for path in (mine, others, living):
        path.write_bytes(b"half")
    with PredictionWriter(tmp_path / "p.parquet", tiny_folder.card):
        pass
    assert set(tmp_path.iterdir()) == {others, living, tmp_path / "p.parquet"}


def test_json_form(tiny_folder):
    card = tiny_folder.card
    content = json.loads(json.dumps(json_of(make(card), card.label_schema)))
    assert content["model_version"] == card.version
    assert content["questions"]["bar"]["asked"] == 0.25
    assert content["questions"]["bar"]["answers"][1] == {
        "label": "No",
        "column": "bar_no",
        "fraction": 0.5,
        "lower90": 0.0,
        "upper90": 1.0,
    }
    assert "questions" not in json_of(failed(card), card.label_schema)


@pytest.mark.parametrize(
    "changes", [{"error": "also failed"}, {"asked": None}, {"image": None}, {"uncertainty": None}]
)
def test_predictions_that_contradict_themselves(tiny_folder, changes):
    with pytest.raises(BadInput, match=r"expected either|needs an image"):
        make(tiny_folder.card, **changes)
