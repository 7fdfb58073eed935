from __future__ import annotations

import json

import numpy as np
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.predictions import Prediction, arrow_schema, json_of


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


def test_a_file_has_the_documented_columns(tiny_folder):
    card = tiny_folder.card
    schema = arrow_schema(card)
    assert schema.names[:5] == ["subject_id", "image", "frame", "model", "model_version"]
    assert schema.names[5:8] == [
        "smooth-or-featured_smooth_fraction",
        "smooth-or-featured_smooth_lower90",
        "smooth-or-featured_smooth_upper90",
    ]
    assert schema.names[-4:] == ["smooth-or-featured_asked", "bar_asked", "uncertainty", "error"]
    assert schema.metadata[b"encoding-type"] == b"zooassist-predictions"
    assert json.loads(schema.metadata[b"label_schema"]) == card.label_schema.to_json()


def test_ids_and_embeddings_are_columns_where_they_are_wanted(tiny_folder):
    schema = arrow_schema(tiny_folder.card, 3, with_ids=True)
    assert schema.names[:3] == ["subject_id", "image", "id_str"]
    assert schema.field("embedding").type.list_size == 3


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
