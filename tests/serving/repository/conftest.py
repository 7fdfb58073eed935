"""Three versions of one model, and a repository to put them in."""

from __future__ import annotations

import pytest

from zooassist_serving.model_folder import write_model_folder
from zooassist_serving.repository.local_store import LocalStore


@pytest.fixture(scope="session")
def make_version(tmp_path_factory, make_onnx, make_card):
    """Number of samples -> a version of the model `tiny`; each number gives another answer."""
    made = {}

    def _make(samples: int, name: str = "tiny", **changes):
        key = (samples, name, repr(changes))
        if key not in made:
            onnx_bytes = make_onnx(samples=samples)
            card = make_card(onnx_bytes, samples=samples, name=name, **changes)
            out = tmp_path_factory.mktemp("versions") / f"{name}-{samples}"
            made[key] = write_model_folder(onnx_bytes, card, out)
        return made[key]

    return _make


@pytest.fixture(scope="session")
def versions(make_version):
    return tuple(make_version(samples) for samples in (1, 2, 3))


@pytest.fixture
def store(tmp_path, versions):
    """A repository with three versions, none active."""
    made = LocalStore(tmp_path / "models")
    for folder in versions:
        assert made.add(folder)
    return made
