from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
import tifffile

from zooassist_loop.slice_features import volume_features
from zooassist_loop.slice_table import joined
from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.opening import open_stack


@pytest.fixture
def stack(tmp_path):
    with ExitStack() as opened:

        def write(name, volume):
            path = tmp_path / f"{name}.tif"
            tifffile.imwrite(path, volume, photometric="minisblack")
            return opened.enter_context(open_stack(path))

        yield write


def square(shape, top, left, side):
    plane = np.full(shape, 0.1, np.float32)
    plane[top : top + side, left : left + side] = 0.9
    return plane


def test_features_are_what_they_say(stack):
    p = np.stack([square((12, 14), 2, 2, 6), square((12, 14), 2, 4, 6), square((12, 14), 2, 4, 6)])
    other = 1 - p
    realness = np.array([[[0.5, 0.5]], [[0.9, 0.1]], [[0.0, 1.0]]], np.float32)
    truth = (p > 0.5).astype(np.uint8)
    truth[1] = truth[0] * 2
    table = volume_features(
        "v",
        stack("p", p),
        realness=stack("r", realness),
        members=[stack("m", other)],
        truth=stack("t", truth),
    )
    found = table.features
    per_pixel = -(0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    assert found["entropy"] == pytest.approx([168 * per_pixel] * 3, rel=1e-5)
    assert found["edge_entropy"] == pytest.approx([per_pixel] * 3, rel=1e-5)
    assert found["area"].tolist() == [36, 36, 36]
    overlap = 2 * 24 / 72
    assert found["inconsistency"] == pytest.approx([1 - overlap, 1 - (overlap + 1) / 2, 0])
    assert found["realness_mean"][0] == pytest.approx(-np.log(0.5))
    assert found["realness_worst"][1] == pytest.approx(-np.log(0.1), rel=1e-5)
    assert np.isfinite(found["realness_worst"]).all()
    assert found["disagreement"] == pytest.approx([168 * 0.16] * 3, rel=1e-5)
    assert table.counts.tolist()[0] == [36, 0, 0, 132]
    assert table.wrong.tolist() == [0, 24, 0]
    assert table.places.tolist() == [0, 1, 2]


def test_whole_numbers_are_shares_of_their_largest(stack):
    p = (np.stack([square((9, 9), 2, 2, 4)]) * 255).astype(np.uint8)
    table = volume_features("v", stack("p", p))
    assert table.features["area"].tolist() == [16]
    # One slice has no neighbours to jump from.
    assert table.features["inconsistency"].tolist() == [0]
    assert table.counts is None


def test_an_empty_slice_is_certain_and_has_no_edge(stack):
    table = volume_features("v", stack("p", np.zeros((2, 5, 5), np.float32)))
    assert table.features["edge_entropy"].tolist() == [0, 0]
    assert table.features["entropy"] == pytest.approx([0, 0], abs=1e-3)


def test_bad_volumes_are_refused_with_the_slice(stack):
    good = stack("good", np.full((2, 4, 4), 0.5, np.float32))
    logits = np.full((2, 4, 4), 0.5, np.float32)
    logits[1, 0, 0] = 7
    with pytest.raises(BadInput, match=r"slice 1: expected probabilities .* got 0.5 to 7"):
        volume_features("v", stack("logits", logits))
    logits[1, 0, 0] = np.nan
    with pytest.raises(BadInput, match="slice 1: expected numbers, 1 voxels are NaN"):
        volume_features("v", stack("nan", logits))
    with pytest.raises(BadInput, match=r"expected the size of .*2 x 4 x 4, got 2 x 5 x 4"):
        volume_features("v", good, truth=stack("truth", np.zeros((2, 5, 4), np.uint8)))
    with pytest.raises(BadInput, match="expected 2 slices"):
        volume_features("v", good, realness=stack("short", np.full((3, 1, 2), 0.5, np.float32)))
    with pytest.raises(BadInput, match="threshold"):
        volume_features("v", good, threshold=1.0)


def test_volumes_of_other_features_are_not_joined(stack):
    p = stack("p", np.full((2, 4, 4), 0.5, np.float32))
    plain = volume_features("a", p)
    more = volume_features("b", p, members=[p])
    with pytest.raises(BadInput, match="volume b: expected the features"):
        joined([plain, more])
    with pytest.raises(BadInput, match="truth of all volumes or of none"):
        joined([plain, volume_features("c", p, truth=stack("t", np.zeros((2, 4, 4), np.uint8)))])
    both = joined([plain, volume_features("d", p)])
    assert both.volumes.tolist() == ["a", "a", "d", "d"]
