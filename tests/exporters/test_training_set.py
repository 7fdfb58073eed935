import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooassist_exporters.digests import Source
from zooassist_exporters.splits import SPLITS, split_of
from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_exporters.training_set_rows import metadata_json
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.trees import TREES

SCHEMA = LabelSchema(
    (
        Question(
            "ring",
            "T0",
            "single",
            (),
            (Answer("Yes", 0, "ring_yes"), Answer("No", 1, "ring_no")),
            "Is there a ring?",
        ),
        Question(
            "odd",
            "T1",
            "multiple",
            ("ring_yes",),
            (Answer("Arc", 0, "odd_arc"), Answer("Merger", 1, "odd_merger")),
        ),
    )
)


def write(out, **changes):
    image = out.parent / "any.PNG"
    image.write_bytes(b"not looked at here")
    arguments = {
        "subjects": [
            SubjectRow(12, image, metadata={"ra": 1.5, "split": "mine"}),
            SubjectRow(3, inclusion_probability=0.25),
        ],
        "votes": [[3, 1, 2, 1], [0, 2, 0, 0]],
        "schema": SCHEMA,
        "totals": [[4, 3], [2, 1]],
        "sources": [Source("votes.csv", "ab" * 32, 10)],
        "options": {"repeats": "first"},
    }
    return write_training_set(out, **(arguments | changes))


def test_round_trip(tmp_path):
    out = write(tmp_path / "set")
    read = read_training_set(out)
    assert read.schema == SCHEMA
    assert read.subject_ids.tolist() == [3, 12], "rows are in the order of the ids"
    assert read.counts.tolist() == [[0, 2, 0, 0], [3, 1, 2, 1]]
    assert read.totals.tolist() == [[2, 1], [4, 3]]
    assert read.inclusion_probability.tolist() == [0.25, 1.0]
    assert read.metadata(1) == {"ra": 1.5, "split": "mine"}
    assert [read.has_image(row) for row in (0, 1)] == [False, True]
    assert read.image_path(1) == out / "images" / "12.png"
    assert read.subjects["split"].to_pylist() == [split_of(3), split_of(12)]
    assert read.manifest["encoding-type"] == "zooassist-training-set"
    assert read.manifest["encoding-version"] == "0.1.1"
    assert read.manifest["sources"] == [{"name": "votes.csv", "sha256": "ab" * 32, "bytes": 10}]
    assert read.manifest["rows"] == {
        "subjects": 2,
        "images": 1,
        "votes": 10,
        "splits": {name: [split_of(3), split_of(12)].count(name) for name in SPLITS},
    }
    assert pq.read_table(out / "votes.parquet").column_names == [
        "subject_id",
        "ring_yes",
        "ring_no",
        "odd_arc",
        "odd_merger",
        "ring_total-votes",
        "odd_total-votes",
    ]
    with pytest.raises(BadInput, match="subject 3 has no image"):
        read.image_path(0)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_same_input_makes_the_same_bytes(tmp_path):
    first, second = write(tmp_path / "one"), write(tmp_path / "two")
    assert read_training_set(first).sha256 == read_training_set(second).sha256


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_random_sets_come_back_equal(tmp_path_factory, data):
    schema = data.draw(st.sampled_from([SCHEMA, *TREES.values(), LabelSchema(())]))
    ids = data.draw(st.lists(st.integers(1, 2**62), unique=True, max_size=8))
    cell = st.integers(0, 10_000)
    votes = np.array(
        [[data.draw(cell) for _ in schema.columns] for _ in ids], dtype=np.int64
    ).reshape(len(ids), len(schema.columns))
    words = st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.none(), max_size=3)
    rows = [SubjectRow(each, metadata=data.draw(words)) for each in ids]
    out = tmp_path_factory.mktemp("random") / "set"
    read = read_training_set(write_training_set(out, rows, votes, schema))
    order = np.argsort(ids)
    assert read.schema == schema
    assert read.subject_ids.tolist() == sorted(ids)
    assert np.array_equal(read.counts, votes[order])
    assert [read.metadata(row) for row in range(len(read))] == [rows[i].metadata for i in order]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(metadata=st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3))
def test_any_json_metadata_is_encoded_as_it_is(metadata):
    exact = json.dumps(metadata, sort_keys=True)
    assert json.dumps(json.loads(metadata_json(metadata)), sort_keys=True) == exact


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"b": 1, "a": {"d": "é", "c": [1.5, True]}}, '{"a":{"c":[1.5,true],"d":"é"},"b":1}'),
        ({"b": math.nan, "a": None}, '{"a":null,"b":NaN}'),
        ({"b": 2**70, "a": -math.inf}, '{"a":-Infinity,"b":1180591620717411303424}'),
    ],
)
def test_metadata_is_compact_in_order_and_loses_nothing(metadata, text):
    assert metadata_json(metadata) == text


def test_metadata_that_is_no_json_is_refused():
    with pytest.raises(TypeError, match="not JSON serializable"):
        metadata_json({"a": {1, 2}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"votes": [[1, 2, 3]]}, r"votes: expected an array of shape \(2, 4\), got \(1, 3\)"),
        ({"votes": [[1, 2, 0, -1], [0] * 4]}, "votes: expected whole numbers from 0"),
        ({"votes": [[1, 2, 0, 0.5], [0] * 4]}, "votes: expected whole numbers from 0"),
        (
            {"totals": [[5, 3], [2, 1]]},
            r"totals: row 0, question 'ring': expected the sum of its votes \(4\), got 5",
        ),
        (
            {"totals": [[4, 1], [2, 1]]},
            r"question 'odd': expected at least its most chosen answer \(2\), got 1",
        ),
        ({"subjects": [SubjectRow(3), SubjectRow(3)]}, "subject 3: listed twice"),
    ],
)
def test_refuses_what_does_not_fit(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        write(tmp_path / "set", **changes)
    assert not (tmp_path / "set").exists()


def test_missing_image_file_is_named(tmp_path):
    rows = [SubjectRow(3), SubjectRow(7, tmp_path / "gone.png")]
    with pytest.raises(BadInput, match=r"subject 7: cannot copy image .*gone\.png: No such file"):
        write(tmp_path / "set", subjects=rows)


@pytest.mark.parametrize("probability", [0.0, -0.5, 1.5, float("nan")])
def test_inclusion_probability_is_checked(probability):
    with pytest.raises(BadInput, match=r"subject 3: expected an inclusion probability in \(0, 1\]"):
        SubjectRow(3, inclusion_probability=probability)


def test_existing_output(tmp_path):
    out = write(tmp_path / "set")
    with pytest.raises(BadInput, match="exists; choose another --out, or give --overwrite"):
        write(out)
    write(out, votes=[[1, 1, 0, 0], [0, 2, 0, 0]], totals=None, overwrite=True)
    assert read_training_set(out).counts.tolist() == [[0, 2, 0, 0], [1, 1, 0, 0]]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(BadInput, match="exists and is no training set"):
        write(other, overwrite=True)
    assert (other / "thesis.tex").exists()


def _edit_manifest(out, **changes):
    path = out / "training-set.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda out: (out / "training-set.json").unlink(), "holding training-set.json, found none"),
        (lambda out: (out / "training-set.json").write_text("{"), "expected JSON, got"),
        (
            lambda out: _edit_manifest(out, **{"encoding-type": "zooassist-model"}),
            "expected encoding-type 'zooassist-training-set', got 'zooassist-model'",
        ),
        (
            lambda out: _edit_manifest(out, **{"encoding-version": "0.2.0"}),
            "written in format 0.2.0, this zooassist reads 0.1.x",
        ),
        (lambda out: (out / "votes.parquet").unlink(), "votes.parquet: missing"),
        (
            lambda out: (out / "votes.parquet").write_bytes(
                (out / "subjects.parquet").read_bytes()
            ),
            "its sha256 is not the one in training-set.json",
        ),
        (
            lambda out: _edit_manifest(out, label_schema={"questions": [{}]}),
            "label schema: expected",
        ),
    ],
)
def test_damaged_sets_are_explained(tmp_path, damage, message):
    out = write(tmp_path / "set")
    damage(out)
    with pytest.raises(BadInput, match=message):
        read_training_set(out)


def test_an_image_that_got_lost_fails_alone(tmp_path):
    out = write(tmp_path / "set")
    (out / "images" / "12.png").unlink()
    found = read_training_set(out)
    lost = found.subject_ids.tolist().index(12)
    with pytest.raises(BadInput, match=r"images/12\.png is not there; copy the folder whole"):
        found.image_path(lost)
    others = [row for row in range(len(found)) if row != lost and found.has_image(row)]
    assert all(found.image_path(row).is_file() for row in others)


def test_images_of_an_interrupted_attempt_are_used_or_removed(tmp_path):
    from zooassist_exporters.training_set_writer import staging_folder

    staging = staging_folder(tmp_path / "set")
    (staging / "images" / "3.jpg").write_bytes(b"fetched before")
    (staging / "images" / "999.jpg").write_bytes(b"of a subject that is gone")
    rows = [SubjectRow(3, staging / "images" / "3.jpg"), SubjectRow(12)]
    out = write(tmp_path / "set", subjects=rows, votes=np.zeros((2, 4), int), totals=None)
    assert [path.name for path in (out / "images").iterdir()] == ["3.jpg"]
