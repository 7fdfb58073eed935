from __future__ import annotations

import json

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.rows import Row, digest_of, printable, row_of
from zooassist_serving.catalogue.source import Source


@pytest.fixture
def folder(tmp_path, png):
    for name in ("b.png", "a.FITS", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(png("red"))
    (tmp_path / "t.csv").write_text("id_str,image\nJ1,a.png\nJ2,b.png\n")
    entry = ["https://example.org/1.jpg", json.dumps({"subject_id": 1})]
    (tmp_path / "m.json").write_text(json.dumps([entry]))
    return tmp_path


def names(source):
    return [row.name.rsplit("/", 1)[-1] for row in source.rows()]


def test_arguments_of_every_kind_come_in_order(folder):
    arguments = ["https://example.org/x.png", "t.csv", ".", "m.json", "no*.png", "-", "b.png"]
    arguments = [a if "://" in a or a == "-" else f"{folder}/{a}" for a in arguments]
    source = Source(arguments, [b"c.png\n", b"http://example.org/d.png\n"])
    expected = ["x.png", "a.png", "b.png", "a.FITS", "b.png", "1.jpg", "no*.png", "c.png", "d.png"]
    assert names(source) == [*expected, "b.png"]
    assert names(source) == [*expected, "b.png"], "a source can be gone through again"
    assert source.has_ids
    assert source.total is None


def test_how_many_there_are_is_known_for_files(folder):
    source = Source([str(folder), f"{folder}/*.png", "-"], [b"c.png"])
    assert source.total == len(list(source.rows())) == 4
    assert not source.has_ids


def test_a_column_without_a_table(folder):
    with pytest.raises(BadInput, match="expected a table among the images"):
        Source([str(folder)], image_column="cutout")


def test_a_table_that_is_not_there_is_an_image_that_cannot_be_read(folder):
    (row,) = Source([f"{folder}/none.csv"]).rows()
    assert row.place.endswith("none.csv")


def test_digests_tell_rows_apart():
    rows = [row_of("a.png"), row_of("b.png", subject_id=1)]
    assert digest_of(rows) == digest_of(list(rows))
    changed = [
        rows[::-1],
        rows[:1],
        [rows[0], row_of("b.png", subject_id=2)],
        [rows[0], row_of("b.png", subject_id=1, id_str="J")],
        [rows[0], row_of("b.png", subject_id=1, frame=1)],
    ]
    assert len({digest_of(each) for each in [rows, *changed]}) == 6


def test_rows():
    assert row_of("HTTPS://example.org/a.png").is_remote
    assert not row_of("http.png").is_remote
    assert row_of("a\0b").error
    assert Row("", "x", error="why").error == "why"
    assert printable("galaxy.png") == "galaxy.png"
    assert printable("galaxië \x07.png") == "galaxië \\x07.png"
