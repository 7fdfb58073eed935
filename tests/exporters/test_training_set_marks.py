"""Marks and masks in a training set: additions of format 0.1.1."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

NO_QUESTIONS = LabelSchema(())


def mark(subject_id, **changes):
    return {
        "subject_id": subject_id,
        "frame": 0,
        "task": "T0",
        "tool_index": 0,
        "tool_type": "point",
        "tool_label": "Star",
        "label": "star",
        "geometry": json.dumps({"x": 1.5, "y": 2}),
        "count": 3,
        "agreement": 0.75,
        "action": None,
        "classification_id": None,
    } | changes


def table(*rows):
    return pa.Table.from_pylist(list(rows), schema=MARKS_SCHEMA)


def write(out, **given):
    rows = [SubjectRow(12), SubjectRow(3)]
    return write_training_set(out, rows, np.zeros((2, 0)), NO_QUESTIONS, **given)


@pytest.fixture
def maps(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(folder / "a.png")
    Image.fromarray(np.eye(4, dtype=np.uint8) * 200).save(folder / "a.agreement.png")
    Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4)).save(folder / "a.instances.png")
    Image.fromarray(np.eye(5, dtype=np.uint8)).save(folder / "b.png")
    return folder


def test_marks_come_back_ordered_by_subject_and_frame(tmp_path):
    rows = [
        mark(12, frame=1, label="second"),
        mark(12, label="first"),
        mark(3, tool_label=None, agreement=None, action="kept", classification_id=2**40),
        mark(12, frame=1, label="third"),
    ]
    read = read_training_set(write(tmp_path / "set", marks=table(*rows)))
    assert read.marks.to_pylist() == [rows[2], rows[1], rows[0], rows[3]]
    assert read.manifest["rows"]["marks"] == 4
    assert read.masks is None


def test_masks_come_back_with_the_maps_beside_them(tmp_path, maps):
    out = write(
        tmp_path / "set",
        masks={(12, 0): maps / "a.png", (3, 2): maps / "b.png"},
        mask_classes={1: "cell"},
    )
    read = read_training_set(out)
    assert read.mask_path(12) == out / "masks" / "12_0.png"
    assert read.mask_path(12).read_bytes() == (maps / "a.png").read_bytes()
    assert read.mask_path(12, 0, "agreement").name == "12_0.agreement.png"
    with Image.open(read.mask_path(12, 0, "instances")) as picture:
        assert np.asarray(picture).max() == 15
    assert [read.has_mask(3, 2), read.has_mask(3), read.has_mask(3, 2, "agreement")] == [
        True,
        False,
        False,
    ]
    assert read.mask_classes == {1: "cell"}
    assert read.masks["subject_id"].to_pylist() == [3, 12]
    with pytest.raises(BadInput, match="subject 3, frame 0 has no label map"):
        read.mask_path(3)
    with pytest.raises(BadInput, match="subject 3, frame 2 has no instances map"):
        read.mask_path(3, 2, "instances")


def test_a_set_without_marks_is_as_before(tmp_path):
    read = read_training_set(write(tmp_path / "set"))
    assert read.marks is None
    assert read.mask_classes == {}
    assert not read.has_mask(3)
    assert set(read.manifest["files"]) == {"subjects.parquet", "votes.parquet"}
    assert "marks" not in read.manifest["rows"]


def test_no_marks_differ_from_none_drawn(tmp_path):
    read = read_training_set(write(tmp_path / "set", marks=table(), masks={}))
    assert read.marks.num_rows == 0
    assert read.masks.num_rows == 0


def test_what_an_interrupted_attempt_left_is_removed(tmp_path, maps):
    staging = tmp_path / ".set.partial"
    (staging / "masks").mkdir(parents=True)
    (staging / "masks" / "99_0.png").write_bytes(b"old")
    (staging / "marks.parquet").write_bytes(b"old")
    out = write(tmp_path / "set")
    assert sorted(path.name for path in out.iterdir()) == [
        "images",
        "subjects.parquet",
        "training-set.json",
        "votes.parquet",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"marks": table().drop_columns("label")}, "'label' is missing"),
        ({"marks": table(mark(4))}, "subject 4 is not in the set"),
        ({"marks": table(mark(3, tool_type="fan"))}, "tool 'fan' has no canonical geometry"),
        ({"marks": table(mark(3, frame=-1))}, "expected frames counted from 0"),
        ({"marks": table(mark(3, label=None))}, "Casting field 'label' with null values"),
        (
            {"marks": table(mark(3)).set_column(1, "frame", pa.array(["first"]))},
            "a column does not hold what it should",
        ),
        ({"mask_classes": {0: "sky"}}, "expected a number from 1 to 255"),
        ({"mask_classes": {1: "sky", 2: "sky"}}, "two numbers have one name"),
    ],
)
def test_refuses_what_does_not_fit(tmp_path, given, message):
    with pytest.raises(BadInput, match=message):
        write(tmp_path / "set", **given)
    assert not (tmp_path / "set").exists()


def test_masks_of_strangers_and_missing_files_are_refused(tmp_path, maps):
    with pytest.raises(BadInput, match="mask of subject 4, frame 0: expected a subject of the set"):
        write(tmp_path / "set", masks={(4, 0): maps / "a.png"})
    with pytest.raises(BadInput, match=r"cannot copy .*gone\.png: No such file"):
        write(tmp_path / "set", masks={(3, 0): maps / "gone.png"})


def test_damage_is_explained(tmp_path, maps):
    out = write(tmp_path / "set", marks=table(mark(3)), masks={(3, 0): maps / "b.png"})
    (out / "masks" / "3_0.png").unlink()
    with pytest.raises(BadInput, match=r"masks/3_0\.png is not there"):
        read_training_set(out)
    pq.write_table(table(), out / "marks.parquet")
    with pytest.raises(BadInput, match=r"marks\.parquet: its sha256 is not the one"):
        read_training_set(out)


def test_same_input_makes_the_same_bytes(tmp_path, maps):
    given = {"marks": table(mark(3), mark(12)), "masks": {(3, 0): maps / "a.png"}}
    first, second = write(tmp_path / "one", **given), write(tmp_path / "two", **given)
    assert read_training_set(first).sha256 == read_training_set(second).sha256
