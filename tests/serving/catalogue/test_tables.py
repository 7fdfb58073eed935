from __future__ import annotations

import os
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.tables import open_table


def places(table):
    return [row.place for row in table.rows()]


@pytest.mark.parametrize("name", ["image", "file_loc", "PATH", "url", "Location", "filename"])
def test_the_image_column_is_known_by_its_name(tmp_path, name):
    path = tmp_path / "t.csv"
    path.write_text(f"ra,{name},dec\n1,a.png,2\n3,/data/b.png,4\n")
    assert places(open_table(path)) == [str(tmp_path / "a.png"), "/data/b.png"]


def test_urls_stay_and_ids_are_kept(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text(
        "subject_id\tid_str\timage\n"
        "12\tJ0001+01\thttps://example.org/a.png\n"
        "13.0\t\tb.png\n"
        "\tJ0003\tc.png\n"
    )
    rows = list(open_table(path).rows())
    assert rows[0].place == "https://example.org/a.png"
    assert [(row.subject_id, row.id_str) for row in rows] == [
        (12, "J0001+01"),
        (13, None),
        (None, "J0003"),
    ]


@pytest.mark.parametrize("ids", [pa.array([12, None]), pa.array(["12", None])])
def test_parquet_of_any_column_types(tmp_path, ids):
    path = tmp_path / "t.parquet"
    images = pa.array(["a.png", "b.png"]).dictionary_encode()
    pq.write_table(pa.table({"id_str": pa.array([7, 8]), "image": images, "subject_id": ids}), path)
    table = open_table(path)
    assert table.total == 2
    assert [(row.name, row.subject_id, row.id_str) for row in table.rows()] == [
        (str(tmp_path / "a.png"), 12, "7"),
        (str(tmp_path / "b.png"), None, "8"),
    ]


def test_the_column_can_be_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,cutout\na.png,b.png\n")
    assert places(open_table(path, "cutout")) == [str(tmp_path / "b.png")]
    with pytest.raises(BadInput, match=r"expected a column 'nothing', got 'image', 'cutout'"):
        open_table(path, "nothing")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ra,dec\n1,2\n", "expected a column of images, named image"),
        ("image,image\na,b\n", "once, got 'image', 'image'"),
        ("", "cannot be read as a table"),
        ("image,id_str,id_str\na,b,c\n", "each column once, got 'id_str' twice"),
    ],
)
def test_tables_without_a_column_of_images_are_refused(tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(BadInput, match=message):
        open_table(path)


def test_damaged_parquet(tmp_path):
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(BadInput, match="cannot be read as a table"):
        open_table(path)


def test_bad_lines_are_rows_with_an_error_and_the_rest_goes_on(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("subject_id,image\n1,a.png\n2\n3,\nfour,d.png\n5,e.png\n")
    rows = list(open_table(path).rows())
    good = [row.subject_id for row in rows if row.error is None]
    assert good == [1, 5]
    errors = sorted(row.error for row in rows if row.error)
    assert "expected 2 cells, got 1" in errors[0]
    assert "got 'four'" in errors[1]
    assert "got an empty cell" in errors[2]
    assert all(row.name.startswith("t.csv") for row in rows if row.error)


def test_names_that_are_no_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"image\ncaf\xe9.png\na\0b.png\n")
    first, second = open_table(path).rows()
    assert os.fsencode(first.place) == os.fsencode(tmp_path) + b"/caf\xe9.png"
    assert first.name.endswith("caf\\xe9.png")
    assert "zero byte" in second.error


def test_a_quoted_cell_may_hold_anything(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('note,image\n"two\nlines, a comma","a, b.png"\n')
    assert places(open_table(path)) == [str(tmp_path / "a, b.png")]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_long_tables_are_streamed(tmp_path, suffix):
    """Memory for 100,000 rows is that of a batch."""
    path = tmp_path / f"t{suffix}"
    names = [f"folder/{i:030}.jpg" for i in range(100_000)]
    if suffix == ".csv":
        path.write_text("image\n" + "\n".join(names) + "\n")
    else:
        pq.write_table(pa.table({"image": names}), path, row_group_size=20_000)
    del names
    table = open_table(path)
    tracemalloc.start()
    arrow = pa.total_allocated_bytes()
    most = count = 0
    for row in table.rows():  # noqa: B007
        count += 1
        if count % 10_000 == 0:
            most = max(most, pa.total_allocated_bytes() - arrow)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (count, row.name[-8:]) == (100_000, "9999.jpg")
    assert peak < 8e6
    assert most < 8e6
