from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooassist_exporters.digests import sha256_of
from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_training.fit_options import FitOptions
from zooassist_training.label_checks import check_votes
from zooassist_training.surveys import read_surveys
from zooassist_training.train_votes import VotesRecipe, train_votes

RECIPE = VotesRecipe(
    name="m", encoder="tiny", size=32, fit=FitOptions(epochs=1, batch_size=8, threads=1)
)


def test_questions_that_teach_nothing_are_named(schema):
    counts = np.array([[3, 1, 0, 2, 0], [1, 1, 0, 1, 0]])
    assert check_votes(counts, schema) == ("question 'bar': everybody answered 'Yes'",)
    counts[:, 3] = 0
    assert check_votes(counts, schema) == ("question 'bar': nobody answered it; it is not learnt",)


def rewritten(training_set, folder, schema, votes, **changes):
    data = read_training_set(training_set)
    rows = [SubjectRow(i + 1, data.image_path(i), **changes) for i in range(len(votes))]
    return write_training_set(folder, rows, votes, schema)


def test_one_class_only_is_refused_before_training(training_set, schema, tmp_path):
    folder = rewritten(training_set, tmp_path / "one", schema, [[1, 0, 0, 0, 0]] * 12)
    with pytest.raises(BadInput, match=r"got none; first: .* everybody answered 'Smooth'"):
        train_votes(folder, tmp_path / "m", RECIPE)


def test_votes_that_are_all_zero(training_set, schema, tmp_path):
    folder = rewritten(training_set, tmp_path / "none", schema, [[0, 0, 0, 0, 0]] * 12)
    with pytest.raises(BadInput, match="at least 2 images with votes to train on, got 0"):
        train_votes(folder, tmp_path / "m", RECIPE)


def test_subjects_without_votes_are_counted_and_images_without_labels_too(
    training_set, schema, tmp_path, caplog
):
    caplog.set_level("INFO")
    votes = [[1, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]] * 6
    data = read_training_set(training_set)
    rows = [SubjectRow(i + 1, data.image_path(i), split="train") for i in range(17)]
    rows.append(SubjectRow(18, None, split="train"))
    votes[17] = [1, 0, 0, 0, 0]
    folder = write_training_set(tmp_path / "set", rows, votes, schema)
    trained = train_votes(folder, tmp_path / "m", RECIPE)
    assert (trained.images, trained.without_labels) == (12, 5)
    assert [problem.item for problem in trained.problems] == ["subject 18"]
    assert any(line.endswith("subjects without votes: 5") for line in caplog.messages)


def test_a_subject_listed_twice_is_named(training_set, schema, tmp_path):
    """The writer refuses this; a set from elsewhere may still have it."""
    folder = rewritten(training_set, tmp_path / "set", schema, [[1, 1, 0, 0, 0]] * 6)
    manifest = json.loads((folder / "training-set.json").read_text())
    for name in ("subjects.parquet", "votes.parquet"):
        table = pq.read_table(folder / name)
        pq.write_table(pa.concat_tables([table, table.slice(2, 1)]), folder / name)
        manifest["files"][name]["sha256"] = sha256_of(folder / name)
    (folder / "training-set.json").write_text(json.dumps(manifest))
    with pytest.raises(BadInput, match="each subject once, 1 are listed more often: 3; merge"):
        read_surveys([folder])


def test_one_set_must_not_train_on_what_another_tests_on(training_set, schema, tmp_path):
    votes = [[1, 1, 0, 0, 0]] * 5
    first = rewritten(training_set, tmp_path / "a", schema, votes, split="train")
    second = rewritten(training_set, tmp_path / "b", schema, votes, split="test")
    with pytest.raises(BadInput, match=r"5 subjects are in the test split.*: 1, 2, 3, …;"):
        read_surveys([first, second])


@pytest.mark.parametrize("name", ["weights.pt", "last.ckpt", "model.pkl"])
def test_a_pickle_is_never_gone_on_from(training_set, tmp_path, name):
    folder = tmp_path / "start"
    trained = train_votes(training_set, folder, RECIPE)
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(BadInput, match=f"{name}: a pickle does not belong in a model folder"):
        train_votes(training_set, tmp_path / "m", replace(RECIPE, start=trained.folder.path))
    (folder / name).rename(tmp_path / name)
    with pytest.raises(BadInput, match="found a file"):
        train_votes(training_set, tmp_path / "m", replace(RECIPE, start=tmp_path / name))
