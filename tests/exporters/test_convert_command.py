"""`zooassist export convert` from the outside: options, notes, exit codes, nothing half done."""

import json

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image
from random_training_sets import parts_of

from zooassist_exporters.command import export
from zooassist_exporters.formats import coco
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question

SCHEMA = LabelSchema(
    (
        Question(
            "ring", "T0", "single", (), (Answer("Yes", 0, "ring_y"), Answer("No", 1, "ring_n"))
        ),
        Question("bar", "T1", "single", (), (Answer("Yes", 0, "bar_y"), Answer("No", 1, "bar_n"))),
    )
)


def mark(subject_id, classification_id, x):
    return {
        "subject_id": subject_id,
        "frame": 0,
        "task": "T0",
        "tool_index": 0,
        "tool_type": "circle",
        "tool_label": "Star",
        "label": "star",
        "geometry": json.dumps({"x_center": x, "y_center": 4, "r": 2}),
        "count": 1,
        "agreement": None,
        "action": None,
        "classification_id": classification_id,
    }


@pytest.fixture
def training_set(tmp_path):
    rows = []
    for subject_id, split in ((1, "train"), (2, "validation"), (3, "test")):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"{subject_id}.png")
        image = tmp_path / f"{subject_id}.png" if subject_id < 3 else None
        rows.append(SubjectRow(subject_id, image, split=split))
    marks = [mark(1, None, 3), mark(1, 77, 3.5), mark(2, 78, 5)]
    return write_training_set(
        tmp_path / "set",
        rows,
        [[3, 1, 0, 2], [0, 4, 1, 0], [1, 0, 0, 0]],
        SCHEMA,
        marks=pa.Table.from_pylist(marks, schema=MARKS_SCHEMA),
    )


def run(*arguments):
    result = CliRunner().invoke(export, ["convert", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_there_and_back(training_set, tmp_path):
    out = tmp_path / "coco"
    result = run(training_set, "--to", "coco", "--out", out, "--marks", "all")
    assert result.exit_code == 0
    assert result.stdout == f"{out}: coco, made of 3 subjects\n"
    assert "note: 2 questions and their votes left out" in result.stderr
    record = json.loads((out / "conversion.json").read_text())
    assert record["format"] == "coco"
    assert "2 questions and their votes left out" in record["notes"]
    result = run(out, "--from", "coco", "--out", tmp_path / "again")
    assert result.stdout == f"{tmp_path / 'again'}: 3 subjects\n"
    assert parts_of(tmp_path / "again")["shapes"] == parts_of(training_set)["shapes"]


def instances(out, split):
    return json.loads((out / "annotations" / f"instances_{split}.json").read_text())


def test_marks_are_the_consensus_unless_told_otherwise(training_set, tmp_path):
    result = run(training_set, "--to", "coco", "--out", tmp_path / "consensus")
    assert "note: 2 volunteers' own marks left out beside the consensus" in result.stderr
    assert len(instances(tmp_path / "consensus", "train")["annotations"]) == 1
    assert instances(tmp_path / "consensus", "validation")["annotations"] == []
    run(training_set, "--to", "coco", "--out", tmp_path / "own", "--marks", "volunteers")
    own = instances(tmp_path / "own", "train")["annotations"]
    assert [entry["zooassist"]["classification_id"] for entry in own] == [77]


def test_splits_are_chosen(training_set, tmp_path):
    out = tmp_path / "coco"
    options = ("--split", "test", "--split", "train")
    result = run(training_set, "--to", "coco", "--out", out, *options)
    assert result.stdout == f"{out}: coco, made of 2 subjects\n"
    files = sorted(path.name for path in (out / "annotations").iterdir())
    assert files == ["instances_test.json", "instances_train.json"]


@pytest.mark.parametrize(("option", "links"), [("--copy", 1), ("--link", 2), ("--no-images", 0)])
def test_images_are_copied_linked_or_left(option, links, training_set, tmp_path):
    run(training_set, "--to", "coco", "--out", tmp_path / "coco", option)
    image = tmp_path / "coco" / "images" / "1.png"
    assert (image.stat().st_nlink if image.exists() else 0) == links


def test_a_question_is_needed_where_there_are_several(training_set, tmp_path):
    with pytest.raises(BadInput, match="--question; the set has: ring, bar"):
        run(training_set, "--to", "image-folder", "--out", tmp_path / "folder")
    result = run(
        training_set, "--to", "image-folder", "--out", tmp_path / "folder", "--question", "bar"
    )
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("folder/*/*/*"))
    assert found == ["folder/train/No/1.png", "folder/val/Yes/2.png"]
    assert "note: 1 subjects left out: they have no image" in result.stderr


def test_what_was_converted_before_can_be_replaced(training_set, tmp_path):
    out = tmp_path / "coco"
    run(training_set, "--to", "coco", "--out", out)
    with pytest.raises(BadInput, match="exists; choose another --out, or give --overwrite"):
        run(training_set, "--to", "voc", "--out", out)
    run(training_set, "--to", "voc", "--out", out, "--overwrite")
    assert (out / "Annotations").is_dir()
    assert not (out / "annotations" / "instances_train.json").exists()
    for folder in (training_set, tmp_path / "thesis"):
        folder.mkdir(exist_ok=True)
        (folder / "thesis.tex").write_text("years of work")
        with pytest.raises(BadInput, match="was not made by `export convert`"):
            run(training_set, "--to", "voc", "--out", folder, "--overwrite")
        assert (folder / "thesis.tex").exists()


def test_nothing_is_left_of_a_failure(training_set, tmp_path, monkeypatch):
    before = sorted(path.name for path in tmp_path.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(coco._InstancesFile, "finish", full)
    with pytest.raises(OSError, match="No space left"):
        run(training_set, "--to", "coco", "--out", tmp_path / "coco")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_what_a_killed_attempt_left_is_removed(training_set, tmp_path):
    (tmp_path / ".coco.partial" / "annotations").mkdir(parents=True)
    (tmp_path / ".coco.partial" / "stray.json").write_text("{}")
    run(training_set, "--to", "coco", "--out", tmp_path / "coco")
    assert not (tmp_path / "coco" / "stray.json").exists()
    assert not (tmp_path / ".coco.partial").exists()


@pytest.mark.parametrize("options", [(), ("--to", "coco", "--from", "coco")])
def test_either_to_or_from(options, training_set, tmp_path):
    result = run(training_set, *options, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "give either --to FORMAT or --from FORMAT" in result.stderr


def test_mistakes_are_explained(training_set, tmp_path):
    assert run(training_set, "--to", "tiff", "--out", tmp_path / "out").exit_code == 2
    with pytest.raises(BadInput, match="hamlet holds too little to make a training set of"):
        run(training_set, "--from", "hamlet", "--out", tmp_path / "out")
    with pytest.raises(BadInput, match="hamlet lists addresses: give --prefix"):
        run(training_set, "--to", "hamlet", "--out", tmp_path / "out")
    with pytest.raises(BadInput, match="expected a folder or file in the format coco, found none"):
        run(tmp_path / "gone", "--from", "coco", "--out", tmp_path / "out")
    with pytest.raises(BadInput, match="expected a training set folder"):
        run(tmp_path, "--to", "coco", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
