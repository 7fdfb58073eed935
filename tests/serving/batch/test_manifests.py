import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.manifests import rows_of_manifest
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.reading_rules import ReadingRules

SOURCE = Place("survey", "lists/tonight.csv")
RULES = ReadingRules(frozenset({"survey"}), frozenset({"panoptes-uploads.zooniverse.org"}))


def rows(path, source=SOURCE, rules=RULES):
    return list(rows_of_manifest(path, source, rules))


def test_a_csv_with_all_kinds_of_places(tmp_path):
    path = tmp_path / "tonight.csv"
    path.write_text(
        "image,subject_id\n"
        "a b+é.png,1\n"
        "../images/c.png,2\n"
        "s3://survey/d%20.png,3\n"
        "https://panoptes-uploads.zooniverse.org/e.png?sig=1,4\n"
    )
    found = rows(path)
    assert [row.place for row in found] == [
        "s3://survey/lists/a b+é.png",
        "s3://survey/images/c.png",
        "s3://survey/d%20.png",
        "https://panoptes-uploads.zooniverse.org/e.png?sig=1",
    ]
    assert [row.subject_id for row in found] == [1, 2, 3, 4]
    assert all(row.error is None for row in found)
    assert found[3].name.endswith("/e.png"), "a signature belongs into no table"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("s3://others/a.png", "read_buckets"),
        ("../../../a.png", "inside the bucket"),
        ("/etc/passwd", "inside the bucket"),
        ("http://169.254.169.254/latest", "read_hosts"),
        ("https://panoptes-uploads.zooniverse.org@evil.org/a.png", "http"),
        ("s3://survey/", "got a bucket"),
    ],
)
def test_what_a_manifest_may_not_read_is_a_row_with_an_error(tmp_path, place, says):
    path = tmp_path / "tonight.csv"
    path.write_text(f"image\n{place}\ngood.png\n")
    bad, good = rows(path)
    assert says in bad.error
    assert good.error is None


def test_empty_cells_and_bad_numbers_are_rows_with_their_place_in_the_manifest(tmp_path):
    path = tmp_path / "tonight.csv"
    path.write_text('image,subject_id\n"",1\na.png,x\n')
    assert [(row.name, row.error is None) for row in rows(path)] == [
        ("s3://survey/lists/tonight.csv#row 1", False),
        ("s3://survey/lists/tonight.csv#row 2", False),
    ]


def test_parquet(tmp_path):
    path = tmp_path / "tonight.parquet"
    pq.write_table(pa.table({"file_loc": ["x/a.png"], "id_str": ["J1"]}), path)
    [row] = rows(path, Place("survey", "lists/tonight.parquet"))
    assert (row.place, row.id_str) == ("s3://survey/lists/x/a.png", "J1")


def test_kades_manifest_may_name_objects(tmp_path):
    path = tmp_path / "m.json"
    meta = json.dumps({"subject_id": "12", "frame_id": "1"})
    path.write_text(
        json.dumps(
            [
                ["https://panoptes-uploads.zooniverse.org/a.png", meta],
                ["s3://survey/b.png", meta],
                ["c.png", meta],
                ["https://elsewhere.org/d.png", meta],
                "nonsense",
            ]
        )
    )
    found = rows(path, Place("survey", "m.json"))
    assert [row.place for row in found[:3]] == [
        "https://panoptes-uploads.zooniverse.org/a.png",
        "s3://survey/b.png",
        "s3://survey/c.png",
    ]
    assert {(row.subject_id, row.frame) for row in found[:3]} == {(12, 1)}
    assert [row.error is None for row in found] == [True, True, True, False, False]


def test_errors_name_the_object_and_not_our_copy_of_it(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match=r"s3://survey/lists/tonight\.csv: expected a column"):
        rows(path)


def test_a_persons_own_list_may_name_any_file(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("image\n/data/a.png\nb.png\nhttps://elsewhere.org/c.png\n")
    found = rows(path, Place("", str(path)), ReadingRules())
    assert [row.place for row in found] == [
        "/data/a.png",
        f"{tmp_path}/b.png",
        "https://elsewhere.org/c.png",
    ]
