from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def heads():
    spec = importlib.util.spec_from_file_location("bench_heads", BENCHMARKS / "heads.py")
    module = importlib.util.module_from_spec(spec)
    before = sys.path.copy()
    sys.path.insert(0, str(BENCHMARKS))
    sys.modules["bench_heads"] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = before
        del sys.modules["bench_heads"]


def test_heads_are_compared_seed_by_seed(heads):
    """Seeds differ by far more than heads do; the difference between heads is the same in all."""

    def results(behind: float):
        return [heads.Result(np.full(4, nll + behind), 0.1, 1.0) for nll in (20.0, 30.0, 40.0)]

    figures = heads.figures_of({"good": results(0.0), "sigmoid-100": results(0.5)}, seeds=3)
    assert figures["good_loss"].value == pytest.approx(30)
    assert figures["good_loss_behind_best"].value == 0
    assert figures["sigmoid_100_loss_behind_best"].value == pytest.approx(0.5)
    behind = figures["sigmoid_100_loss_behind_best_standard_error"].value
    assert behind == pytest.approx(0, abs=1e-12)


def test_one_seed_has_no_spread(heads):
    figures = heads.figures_of({"only": [heads.Result(np.ones(2), 0.1, 1.0)]}, seeds=1)
    assert not any("standard_error" in name for name in figures)
