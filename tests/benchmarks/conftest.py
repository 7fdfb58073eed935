from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="session")
def benchmark_module():
    """Load a module of the benchmarks, which are no package, as Python would from their folder."""
    before = sys.path.copy()
    sys.path.insert(0, str(BENCHMARKS))

    def load(name: str):
        known = sys.modules.get(name)
        if known is not None and Path(known.__file__ or "").parent == BENCHMARKS:
            return known
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    yield load
    sys.path[:] = before
