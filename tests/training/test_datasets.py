from __future__ import annotations

import shutil

import numpy as np
import pytest

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_training.datasets import LabelledDataset, channel_statistics, read_labelled_images

SPEC = Preprocessing(size=24, crop=0.8)


def test_images_are_prepared_as_they_are_when_served(training_set):
    data = read_training_set(training_set)
    labelled = read_labelled_images(data, ["train", "validation"], SPEC)
    rows = np.sort(np.concatenate([data.rows_of("train"), data.rows_of("validation")]))
    assert labelled.subject_ids.tolist() == data.subject_ids[rows].tolist()
    assert np.array_equal(labelled.counts, data.counts[rows])
    served = prepare(decode_image(data.image_path(int(rows[3])).read_bytes()), SPEC)
    assert np.array_equal(labelled.images[3], served)
    image, counts, weight = LabelledDataset(labelled)[3]
    assert weight == 1
    assert np.array_equal(image.numpy(), served)
    assert counts.sum() == data.counts[rows[3]].sum()


def test_no_splits_give_no_images(training_set):
    assert len(read_labelled_images(read_training_set(training_set), [], SPEC)) == 0


def test_broken_and_missing_images_are_named_and_the_rest_goes_on(tmp_path, schema, training_set):
    sound = read_training_set(training_set)
    picture = sound.image_path(0)
    broken = tmp_path / "broken.png"
    broken.write_bytes(picture.read_bytes()[:100])
    rows = [
        SubjectRow(1, picture, split="train"),
        SubjectRow(2, broken, split="train"),
        SubjectRow(3, None, split="train"),
        SubjectRow(4, picture, split="train"),
    ]
    votes = [[3, 2, 0, 1, 1], [3, 2, 0, 1, 1], [3, 2, 0, 1, 1], [0, 0, 0, 0, 0]]
    folder = write_training_set(tmp_path / "set", rows, votes, schema)
    labelled = read_labelled_images(read_training_set(folder), ["train"], SPEC)
    assert labelled.subject_ids.tolist() == [1]
    assert labelled.without_labels == 1
    assert [problem.item for problem in labelled.problems] == ["subject 2", "subject 3"]
    assert "export again" in str(labelled.problems[1])
    shutil.rmtree(folder)  # the prepared images do not lie there
    assert labelled.images[0].sum() > 0


def test_channel_statistics():
    images = np.zeros((4, 2, 2, 3), dtype=np.uint8)
    images[..., 0] = 255
    images[:2, ..., 1] = 255
    mean, deviation = channel_statistics(images)
    assert mean == pytest.approx((1.0, 0.5, 0.0))
    assert deviation == pytest.approx((1 / 255, 0.5, 1 / 255))


def test_statistics_without_colour():
    """Pure red is as bright as a grey of 0.299, in all three channels."""
    images = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    images[..., 0] = 255
    mean, deviation = channel_statistics(images, greyscale=True)
    assert mean == pytest.approx((0.299, 0.299, 0.299))
    assert deviation == pytest.approx((1 / 255, 1 / 255, 1 / 255))
