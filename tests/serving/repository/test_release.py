from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zooassist_plugin.errors import BadInput
from zooassist_serving.repository.release import (
    HISTORY,
    Release,
    activated,
    place_of,
    read_release,
    rolled_back,
    with_shadow,
    with_shares,
)

A, B, C = "a" * 16, "b" * 16, "c" * 16


def test_activating_and_rolling_back():
    first = activated(None, A)
    second = activated(first, B)
    third = activated(second, C)
    assert (third.active, third.history) == (C, (A, B))
    assert rolled_back(third) == second
    assert rolled_back(rolled_back(third)) == first
    with pytest.raises(BadInput, match="expected an earlier version"):
        rolled_back(first)


def test_activating_what_is_active_changes_nothing():
    release = activated(activated(None, A), B)
    assert activated(release, B) == release


def test_shares_end_with_a_change_and_a_shadow_does_not():
    release = with_shadow(with_shares(activated(activated(None, A), B), {A: 0.5}), C)
    assert activated(release, A) == Release(active=A, history=(A, B), shadow=C)
    assert rolled_back(release) == Release(active=A, shadow=C)
    assert activated(release, C).shadow is None


@given(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=80))
def test_rolling_back_retraces_what_was_active(order):
    releases = [activated(None, order[0])]
    for version in order[1:]:
        releases.append(activated(releases[-1], version))
    distinct = [r.active for i, r in enumerate(releases) if i == 0 or r != releases[i - 1]]
    release = releases[-1]
    assert len(release.history) <= HISTORY
    for expected in list(reversed(distinct))[1 : HISTORY + 1]:
        release = rolled_back(release)
        assert release.active == expected


@pytest.mark.parametrize(
    "content",
    [
        {"active": "..", "encoding-type": "zooassist-release"},
        {"active": A, "shares": {A: 0.5}},
        {"active": A, "shares": {B: 0.6, C: 0.4}},
        {"active": A, "shares": {B: 0.0}},
        {"active": A, "shares": {B: "NaN"}},
        {"active": A, "shares": {"../b": 0.5}},
        {"active": A, "shadow": A},
        {"active": A, "shares": {B: 0.1}, "shadow": B},
        {"active": A, "unknown": 1},
        {"active": A, "encoding-version": "9.0.0"},
        {},
        [],
    ],
)
def test_what_is_no_release(content):
    with pytest.raises(BadInput, match=r"release.json: expected a release"):
        read_release(json.dumps(content).encode(), "release.json")


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b'{"active": NaN}', b"[" * 60_000])
def test_what_is_no_json(content):
    with pytest.raises(BadInput, match="expected a release"):
        read_release(content, "release.json")


def test_a_release_that_never_ends():
    with pytest.raises(BadInput, match="expected at most"):
        read_release(b" " * 70_000, "release.json")


def test_bytes_and_back():
    release = Release(active=A, history=(B,), shares={C: 0.25}, shadow="d" * 16)
    assert read_release(release.to_bytes(), "release.json") == release


def test_subjects_are_shared_out_evenly_and_for_ever():
    release = with_shares(activated(None, A), {B: 0.2, C: 0.1})
    given_to = [release.version_for("galaxy-zoo", subject) for subject in range(1, 20_001)]
    assert given_to.count(B) / 20_000 == pytest.approx(0.2, abs=0.01)
    assert given_to.count(C) / 20_000 == pytest.approx(0.1, abs=0.01)
    # The hash is part of the promise: another one would move subjects between versions.
    assert place_of("galaxy-zoo", 1) == pytest.approx(0.434758, abs=1e-6)
    assert release.version_for("galaxy-zoo", None) == A


def test_a_growing_share_keeps_its_subjects():
    small = with_shares(activated(None, A), {B: 0.1})
    large = with_shares(activated(None, A), {B: 0.3})
    had = {s for s in range(5000) if small.version_for("m", s) == B}
    assert had <= {s for s in range(5000) if large.version_for("m", s) == B}
    other = {s for s in range(5000) if small.version_for("n", s) == B}
    assert 20 < len(had & other) < 100, "another model shares out other subjects"
