from __future__ import annotations

import json

import pytest

from zooassist_exporters.label_schema_file import read_label_schema
from zooassist_plugin.bundled import bundled_folders
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.trees import TREES


def test_a_model_is_a_bundled_name_or_a_folder():
    name = "galaxy-zoo"
    folder = bundled_folders()[name]
    expected = ModelCard.read(folder).schema_of_votes
    assert read_label_schema(name) == expected
    assert read_label_schema(str(folder)) == expected


def test_a_tree_and_a_file(tmp_path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(TREES["gz2"].to_json()))
    assert read_label_schema(str(path)) == read_label_schema("gz2") == TREES["gz2"]


def test_what_is_none_of_these(tmp_path):
    with pytest.raises(BadInput, match=r"no-such: .*galaxy-zoo.* found nothing there") as caught:
        read_label_schema("no-such")
    assert "Errno" not in str(caught.value)
    with pytest.raises(BadInput, match="found another folder"):
        read_label_schema(str(tmp_path))
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(BadInput, match="it is no JSON"):
        read_label_schema(str(tmp_path / "a.json"))
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(BadInput, match="expected a label schema"):
        read_label_schema(str(tmp_path / "a.json"))
