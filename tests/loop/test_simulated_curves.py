from __future__ import annotations

import math

import numpy as np
import pytest
from volume_slices import made_slices

from zooassist_loop.simulation.curves import at_shares, qualities_by_sent, share_reaching
from zooassist_loop.slice_risk import needed_share
from zooassist_plugin.errors import BadInput


def perfect(counts):
    after = counts.copy()
    after[:, 0] += after[:, 2]
    after[:, 1:3] = 0
    return after


def slow(before, after, volumes, order, sent):
    """Volume by volume, as one would say it."""
    counts = before.copy()
    counts[order[:sent]] = after[order[:sent]]
    dices = []
    for name in np.unique(volumes):
        both, false, missed, _ = counts[volumes == name].sum(axis=0)
        dices.append(1.0 if both + false + missed == 0 else 2 * both / (2 * both + false + missed))
    return np.mean(dices)


def test_every_number_of_slices_is_that_of_the_volumes_put_together():
    random = np.random.default_rng(0)
    table = made_slices(random, volumes=4, slices=6)
    after = perfect(table.known)
    after[:, 1] += random.integers(0, 9, len(after))  # people err, too
    order = random.permutation(len(table))
    curve = qualities_by_sent(table.known, after, table.volumes, order)
    found = [slow(table.known, after, table.volumes, order, sent) for sent in range(len(table) + 1)]
    np.testing.assert_allclose(curve, found, rtol=1e-12)


def test_the_share_agrees_with_that_of_perfect_corrections():
    table = made_slices(np.random.default_rng(2))
    for feature in ("entropy", "area"):
        scores = table.features[feature]
        order = np.argsort(-scores, kind="stable")
        curve = qualities_by_sent(table.known, perfect(table.known), table.volumes, order)
        assert share_reaching(curve, 0.97) == needed_share(table, scores, 0.97)


def test_a_volume_of_nothing_counts_as_perfect():
    counts = np.array([[0, 0, 0, 9], [2, 0, 2, 5]])
    curve = qualities_by_sent(counts, perfect(counts), np.array(["a", "b"]), np.array([1, 0]))
    assert curve.tolist() == pytest.approx([(1 + 4 / 6) / 2, 1, 1])


def test_a_target_is_reached_only_when_it_is_kept():
    assert share_reaching(np.array([0.96, 0.97, 0.98]), 0.95) == 0
    assert share_reaching(np.array([0.5, 0.96, 0.94, 0.97]), 0.95) == 1
    assert share_reaching(np.array([0.5, 0.9, 0.96]), 0.95) == 1
    assert math.isinf(share_reaching(np.array([0.5, 0.9]), 0.95))


def test_curves_are_read_between_their_slices():
    assert at_shares(np.array([0.5, 0.7, 0.9]), np.array([0, 0.25, 1])).tolist() == pytest.approx(
        [0.5, 0.6, 0.9]
    )


def test_corrections_of_other_slices_are_refused():
    with pytest.raises(BadInput, match="expected as many"):
        qualities_by_sent(np.ones((2, 4)), np.ones((3, 4)), np.array(["a", "a"]), np.arange(2))
