from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.splits import split_of
from zooassist_exporters.votes_csv import read_votes_csv

INDEX = "name,question_title,answer_text,original_sha1_prefix\n"
CANDIDATES = "file,zooid,expert_grade\n"


@pytest.fixture(scope="module")
def tasks(benchmark_module):
    return benchmark_module("transfer_tasks")


def challenge(tmp_path, rows):
    """A votes CSV of the challenge's form; rows say the fractions of the answers that matter."""
    answers = [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    names = [f"Class{q}.{a}" for q, width in enumerate(answers, 1) for a in range(1, width + 1)]
    lines = ["GalaxyID,file," + ",".join(names)]
    for number, fractions in rows.items():
        cells = [str(fractions.get(name, 0.0)) for name in names]
        lines.append(f"{number},images/{number}.jpg," + ",".join(cells))
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_votes_csv(path)


BARRED = {"Class1.2": 1.0, "Class2.2": 1.0, "Class3.1": 0.75, "Class3.2": 0.25}
ROUND = {"Class1.1": 0.6, "Class1.2": 0.4, "Class2.2": 0.4, "Class3.2": 0.4}


def test_a_question_counts_where_most_were_asked(tmp_path, tasks):
    rows = tasks.question_rows("bar", challenge(tmp_path, {7: BARRED, 8: ROUND, 9: BARRED}))
    assert rows.files == ("images/7.jpg", "images/9.jpg")
    assert rows.counts.tolist() == [[30, 10], [30, 10]]
    assert rows.schema.questions[0].asked_after == ()
    assert rows.splits.tolist() == [split_of(7), split_of(9)]
    assert rows.volunteers
    assert not rows.overlaps


def test_examples_are_taken_once_and_only_of_one_kind(tmp_path, tasks):
    path = tmp_path / "index.csv"
    path.write_text(
        INDEX
        + "one,Spiral,Tight,aa\n"
        + "one-again,Spiral,2,aa\n"
        + "two,Odd,Ring,bb\n"
        + "two-again,Spiral,Loose,bb\n"  # of two kinds
        + "three,Shape,Star or artifact,cc\n"
        + "four,Spiral,No spiral,dd\n"  # says what it is not
    )
    rows = tasks.example_rows(path)
    assert rows.files == ("images/one.jpg", "images/three.jpg")
    labels = [answer.label for answer in rows.schema.questions[0].answers]
    assert [labels[place] for place in rows.counts.argmax(1)] == ["spiral", "artifact"]
    assert rows.counts.sum() == 2
    assert rows.overlaps


def test_grades_from_1_7_are_lenses_and_a_subject_is_in_one_split(tmp_path, tasks):
    path = tmp_path / "candidates.csv"
    lines = [f"images/{n}.jpg,Z{n // 2},{grade}\n" for n, grade in enumerate([1.7, 1.6] * 30)]
    path.write_text(CANDIDATES + "".join(lines))
    rows = tasks.grade_rows(path)
    assert rows.counts.tolist() == [[1, 0], [0, 1]] * 30
    assert rows.splits[::2].tolist() == rows.splits[1::2].tolist()
    assert set(rows.splits) == {"train", "validation", "test"}
    assert not rows.overlaps


def test_group_splits_do_not_depend_on_the_order(tasks):
    groups = [f"g{number % 40}" for number in range(100)]
    splits = tasks.group_splits(groups)
    assert tasks.group_splits(groups[::-1]).tolist() == splits[::-1].tolist()
    train = len({g for g, s in zip(groups, splits, strict=True) if s == "train"})
    assert train == round(40 * tasks.TRAIN_SHARE)


def test_training_images_have_a_margin_around_what_is_tested(tmp_path, tasks):
    path = tmp_path / "candidates.csv"
    path.write_text(CANDIDATES + "".join(f"images/{n}.png,Z{n},{n % 3}\n" for n in range(30)))
    (tmp_path / "images").mkdir()
    for number in range(30):
        pixels = np.zeros((64, 64, 3), dtype=np.uint8)
        pixels[24:40, 24:40] = 5 * number + 50
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        (tmp_path / "images" / f"{number}.png").write_bytes(file.getvalue())
    rows = tasks.grade_rows(path)
    task = tasks.read_tasks([rows], path, size=24)["space_warps"]
    assert task.test.images.shape[1:] == (24, 24, 3)
    assert task.training.images.shape[1] > 24
    parts = (task.training, task.validation, task.test)
    assert sum(len(part) for part in parts) == 30
    for part, split in zip(parts, ("train", "validation", "test"), strict=True):
        chosen = np.flatnonzero(rows.splits == split)
        middle = part.images.shape[1] // 2
        assert part.images[:, middle, middle, 0].tolist() == [5 * n + 50 for n in chosen]
        assert part.counts.tolist() == rows.counts[chosen].tolist()
    assert task.majority_error == (task.test.counts[:, 0] == 1).mean()
