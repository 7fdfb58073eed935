"""Volumes whose slices are wrong by a known amount, with scores that see it well or badly."""

from __future__ import annotations

import numpy as np

from zooassist_loop.slice_table import SliceTable


def made_slices(random: np.random.Generator, volumes: int = 12, slices: int = 30) -> SliceTable:
    """Errors come in stretches; entropy sees them well, area only the object's size."""
    count = volumes * slices
    names = np.repeat([f"v{n:02d}" for n in range(volumes)], slices)
    size = np.tile(300 * np.sin(np.linspace(0.1, 3.0, slices)), volumes) + 20
    trouble = np.clip(random.normal(0, 1, count), 0, None)
    missed = np.minimum(random.poisson(trouble * size / 5), size.astype(int))
    false = random.poisson(trouble * size / 8)
    both = size.astype(int) - missed
    features = {
        "entropy": (missed + false) * random.lognormal(0, 0.25, count) + 1,
        "area": (both + false).astype(float),
        "inconsistency": np.clip(0.1 * trouble + random.normal(0, 0.05, count), 0, 1),
    }
    counts = np.stack([both, false, missed, np.full(count, 9000) - both - false - missed], axis=1)
    return SliceTable(names, np.tile(np.arange(slices), volumes), features, counts)
