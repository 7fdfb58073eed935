from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).parents[2] / "benchmarks" / "galaxy_features.py"


@pytest.fixture(scope="module")
def features():
    spec = importlib.util.spec_from_file_location("galaxy_features", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.features


def galaxy(long: float, short: float, angle: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[:64, :64] - 31.5
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    light = 200 * np.exp(-np.hypot(along / long, across / short))
    noise = np.random.default_rng(0).normal(10, 2, (64, 64, 3))
    return np.clip(light[..., None] + noise, 0, 255).astype(np.uint8)


def test_same_number_of_finite_features_whatever_the_image(features):
    blank = np.zeros((64, 64, 3), dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    tables = [features(image) for image in (blank, noise, galaxy(8, 8), blank + 255)]
    assert len({len(table) for table in tables}) == 1
    assert np.isfinite(tables).all()


def test_axis_ratio_and_asymmetry(features):
    ratio, asymmetry = 9, 20  # after 9 colours: shape; after 5 shapes and 6 concentrations
    round_one, long_one, turned = galaxy(8, 8), galaxy(12, 4), galaxy(12, 4, 0.7)
    assert features(round_one)[ratio] > 0.85
    assert features(long_one)[ratio] < 0.6
    assert features(turned)[ratio] == pytest.approx(features(long_one)[ratio], abs=0.08)
    lopsided = round_one.copy()
    lopsided[20:28, 36:44] = 255
    assert features(lopsided)[asymmetry] > 2 * features(round_one)[asymmetry]
