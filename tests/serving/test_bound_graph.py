from __future__ import annotations

import numpy as np
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.bound_graph import BoundGraph
from zooassist_serving.devices import Device
from zooassist_serving.runtime import OnnxRuntime


@pytest.fixture(scope="module")
def session(tiny_folder):
    return OnnxRuntime(tiny_folder.onnx_path, threads=1).session()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 9, 21])
def test_any_number_of_images_through_buffers_of_a_few_sizes(session, count):
    bound = BoundGraph(session, (1, 4, 8), device="cpu")
    bound.prepare()
    images = np.random.default_rng(count).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(names, {"image": images}), strict=True))
    found = bound.run(images)
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_an_answer_stays_when_the_next_is_computed(session):
    bound = BoundGraph(session, (2,), device="cpu")
    first = bound.run(np.zeros((2, 16, 16, 3), dtype=np.uint8))
    kept = first["embedding"].copy()
    bound.run(np.full((2, 16, 16, 3), 255, dtype=np.uint8))
    np.testing.assert_array_equal(first["embedding"], kept)


def test_a_batch_that_is_filled_up_shows_nothing_of_the_one_before(session):
    bound = BoundGraph(session, (4,), device="cpu")
    bound.run(np.full((4, 16, 16, 3), 255, dtype=np.uint8))
    found = bound.run(np.zeros((1, 16, 16, 3), dtype=np.uint8))
    assert found["embedding"].shape == (1, 3)
    np.testing.assert_array_equal(found["embedding"], 0)


def test_which_graphs_fit(session):
    assert BoundGraph.fits(session)


def test_devices_are_checked():
    with pytest.raises(BadInput, match="expected one of cpu, cuda, tensorrt"):
        Device("tpu")
    with pytest.raises(BadInput, match="expected the device 'tensorrt'"):
        Device("cuda", half=True)
    for buckets in ((), (4, 2), (2, 2), (0, 1)):
        with pytest.raises(BadInput, match="buckets"):
            Device("cuda", buckets=buckets)


def test_what_onnxruntime_is_told(tmp_path):
    assert Device("cpu").providers({}) == ["CPUExecutionProvider"]
    (cuda, options), cpu = Device("cuda").providers({"image": ("batch", 96, 96, 3)})
    assert (cuda, cpu) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["enable_cuda_graph"] == "1"
    device = Device("tensorrt", half=True, cache=tmp_path, buckets=(1, 8, 64))
    shapes = {"image": ("batch", 96, 96, 3)}
    (name, options), (_, cuda_options), _ = device.providers(shapes)
    assert name == "TensorrtExecutionProvider"
    assert options["trt_fp16_enable"] == "1"
    assert options["trt_profile_min_shapes"] == "image:1x96x96x3"
    assert options["trt_profile_opt_shapes"] == "image:8x96x96x3"
    assert options["trt_profile_max_shapes"] == "image:64x96x96x3"
    assert options["trt_engine_cache_path"] == str(tmp_path)
    assert cuda_options["enable_cuda_graph"] == "0"
    (_, full), *_ = device.providers(shapes, half=False)
    assert full["trt_fp16_enable"] == "0"
    (_, free), *_ = device.providers({"image": ("batch", "height", "width", 3)})
    assert not [key for key in free if "profile" in key]


def test_a_gpu_that_is_not_there_is_said_with_the_remedy(tiny_folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime knows GPUs")
    runtime = OnnxRuntime(tiny_folder.onnx_path, device="cuda")
    assert runtime.threads == 1
    with pytest.raises(BadInput, match=r'pip install "zooassist\[gpu\]"'):
        runtime.session()


def test_a_session_can_be_let_go_and_comes_back(tiny_folder):
    loads = []
    runtime = OnnxRuntime(tiny_folder.onnx_path, threads=1, on_load=loads.append)
    images = np.zeros((1, 16, 16, 3), dtype=np.uint8)
    first = runtime.run(images)
    runtime.unload()
    assert not runtime.is_loaded
    np.testing.assert_array_equal(runtime.run(images)["embedding"], first["embedding"])
    assert len(loads) == 2
    assert all(seconds > 0 for seconds in loads)
