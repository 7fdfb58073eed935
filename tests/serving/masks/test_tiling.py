from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zooassist_serving.masks.label_maps import StackWriter, class_places
from zooassist_serving.masks.tiling import covering, mirrored, next_multiple, padded
from zooassist_serving.masks.volume_files import read_volume


@given(st.integers(1, 300), st.integers(1, 64), st.floats(0, 0.9))
def test_windows_cover_an_axis_without_a_gap(size, window, overlap):
    starts = covering(size, window, overlap)
    seen = np.zeros(max(size, window), dtype=bool)
    for start in starts:
        seen[start : start + window] = True
    assert seen.all()
    assert starts[-1] + window == max(size, window)
    step = max(1, int(window * (1 - overlap)))
    assert all(b - a <= step for a, b in itertools.pairwise(starts))


@given(st.integers(-50, 50), st.integers(1, 80), st.integers(1, 20))
def test_a_mirrored_axis_has_no_jumps(start, length, size):
    places = mirrored(start, length, size)
    assert len(places) == length
    assert places.min() >= 0
    assert places.max() < size
    assert np.abs(np.diff(places)).max(initial=0) <= 1
    inside = [k for k in range(start, start + length) if 0 <= k < size]
    assert [places[k - start] for k in inside] == inside


def test_padding_is_cropped_back():
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    larger = padded(image, next_multiple(5, 8), next_multiple(7, 8))
    assert larger.shape == (8, 8, 3)
    np.testing.assert_array_equal(larger[:5, :7], image)
    np.testing.assert_array_equal(larger[5], np.concatenate([image[4], image[4, -1:]]))


def test_the_most_probable_class_over_its_threshold_is_drawn():
    probabilities = np.array([[[0.1, 0.6, 0.3, 0.5]], [[0.2, 0.55, 0.4, 0.5]]], np.float32)
    np.testing.assert_array_equal(class_places(probabilities, (0.5, 0.4)), [[0, 1, 2, 1]])
    np.testing.assert_array_equal(class_places(probabilities[None], (0.7, 0.5)), [[[0, 2, 0, 2]]])


@pytest.mark.parametrize("slices", [1, 4])
def test_label_stacks_come_back_from_their_file(slices, tmp_path):
    labels = np.random.default_rng(1).integers(0, 3, (slices, 6, 5), dtype=np.uint8)
    with StackWriter(tmp_path / "labels.tif") as writer:
        writer.add(labels[:1])
        writer.add(labels[1:])
    np.testing.assert_array_equal(read_volume(tmp_path / "labels.tif").values[..., 0], labels)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]
