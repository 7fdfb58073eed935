"""The bulk CSV appears whole, and every cell is JSON that Caesar can read."""

from __future__ import annotations

import csv
import json

import pytest

from zooassist_plugin.extracts_csv import COLUMNS, EXTRACTOR_KEY, write_extracts
from zooassist_plugin.presenters.presented import Unpresentable


def test_rows_come_back_through_a_csv_reader(tmp_path):
    payloads = {
        5678: {"data": [{"x": 1.5, "label": 'a "quoted", comma\nand line'}], "model": "é"},
        5679: {"data": [], "max_conf": 0.0},
    }
    path = tmp_path / "p.csv"
    assert write_extracts(path, payloads.items()) == 2
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(row) for row in rows] == [COLUMNS, COLUMNS]
    assert {int(row["subject_id"]): json.loads(row["data"]) for row in rows} == payloads
    assert {row["extractor_key"] for row in rows} == {EXTRACTOR_KEY}


def test_a_payload_that_is_not_json_leaves_no_file(tmp_path):
    with pytest.raises(Unpresentable):
        write_extracts(tmp_path / "p.csv", [(1, {"data": [{"x": float("nan")}]})])
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("old", encoding="utf-8")

    def rows():
        yield 1, {"data": []}
        assert path.read_text(encoding="utf-8") == "old"
        yield 2, {"data": []}

    write_extracts(path, rows())
    assert path.read_text(encoding="utf-8").count("\n") == 3
