"""Whatever happens, every image is there exactly once. A hundred days: ZOOASSIST_CHAOS_RUNS=100."""

from __future__ import annotations

import os

import pytest
from batch_chaos import bad_day

RUNS = int(os.environ.get("ZOOASSIST_CHAOS_RUNS", "2"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
def test_every_image_exactly_once(moto, tiny_folder, tmp_path, seed):
    day = bad_day(moto, tiny_folder.path, tmp_path, seed)
    assert day.found == day.expected
    assert set(day.dead_letters) == {"hello"}
    assert day.kills > 0
    assert day.looks > 0
    assert day.faults > 0
