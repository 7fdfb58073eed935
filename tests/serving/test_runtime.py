from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.runtime import OnnxRuntime


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (7, 16, 16, 3), dtype=np.uint8)


def test_outputs_by_name_and_batch(tiny_folder, images):
    runtime = OnnxRuntime(tiny_folder.onnx_path, threads=1, sha256=tiny_folder.card.sha256)
    assert not runtime.is_loaded
    outputs = runtime.run(images)
    assert runtime.is_loaded
    assert outputs["concentrations"].shape == (7, 1, 5)
    np.testing.assert_allclose(outputs["embedding"], images.mean((1, 2)) / 255, rtol=1e-5)
    one = runtime.run(images[3:4])
    np.testing.assert_allclose(one["concentrations"][0], outputs["concentrations"][3], rtol=1e-6)


def test_one_session_however_many_threads(tiny_folder, images, monkeypatch):
    made = []
    original = onnxruntime.InferenceSession

    def counting(*args, **kwargs):
        made.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(onnxruntime, "InferenceSession", counting)
    runtime = OnnxRuntime(tiny_folder.onnx_path, threads=1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(runtime.run, [images] * 32))
    assert len(made) == 1


def _mean_in_child(runtime, images, queue):
    queue.put((runtime.is_loaded, float(runtime.run(images)["embedding"].mean())))


def test_a_forked_process_makes_its_own_session(tiny_folder, images):
    runtime = OnnxRuntime(tiny_folder.onnx_path, threads=2)
    expected = float(runtime.run(images)["embedding"].mean())
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_mean_in_child, args=(runtime, images, queue), daemon=True)
    child.start()
    assert queue.get(timeout=30) == (False, pytest.approx(expected))
    child.join(30)
    assert child.exitcode == 0


@pytest.mark.parametrize("shape", [(16, 16, 3), (1, 16, 16, 4), (1, 3, 16, 16)])
def test_arrays_of_another_shape(tiny_folder, shape):
    with pytest.raises(BadInput, match="expected a uint8 array"):
        OnnxRuntime(tiny_folder.onnx_path).run(np.zeros(shape, dtype=np.uint8))


def test_floats_are_refused(tiny_folder):
    with pytest.raises(BadInput, match="got float32"):
        OnnxRuntime(tiny_folder.onnx_path).run(np.zeros((1, 16, 16, 3), dtype=np.float32))


def test_file_changed_after_verification(tiny_folder, images):
    runtime = OnnxRuntime(tiny_folder.onnx_path, sha256="0" * 64)
    with pytest.raises(BadInput, match="changed since"):
        runtime.run(images)


def test_graph_that_onnxruntime_refuses(tmp_path, images):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a graph")
    with pytest.raises(BadInput, match="refuses this graph"):
        OnnxRuntime(path).run(images)


def test_options_are_checked(tiny_folder):
    with pytest.raises(BadInput, match="device"):
        OnnxRuntime(tiny_folder.onnx_path, device="tpu")
    with pytest.raises(BadInput, match="threads"):
        OnnxRuntime(tiny_folder.onnx_path, threads=0)


def test_threads_do_not_spin(tiny_folder):
    options = OnnxRuntime(tiny_folder.onnx_path, threads=2).session().get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_nothing_is_told_to_anybody(tiny_folder, tmp_path):
    """onnxruntime's telemetry would keep a number for this machine in the user's home."""
    script = (
        "import sys; from pathlib import Path; import numpy;"
        "from zooassist_serving.runtime import OnnxRuntime;"
        "OnnxRuntime(Path(sys.argv[1])).run(numpy.zeros((1, 16, 16, 3), dtype=numpy.uint8))"
    )
    environment = {key: v for key, v in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "CI": ""}
    command = [sys.executable, "-c", script, str(tiny_folder.onnx_path)]
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []
