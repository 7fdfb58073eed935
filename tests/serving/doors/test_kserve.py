from __future__ import annotations

import json

import numpy as np
import pytest

from zooassist_serving.http.kserve.door import kserve_routes
from zooassist_serving.http.kserve.tensors import HEADER

INFER = "/v2/models/tiny/infer"


@pytest.fixture(scope="module")
def app(make_app, plane):
    return make_app(kserve_routes(plane))


@pytest.fixture(scope="module")
def address(app, serve):
    with serve(app) as address:
        yield address


@pytest.fixture(scope="module")
def client(app, bearer):
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer["Authorization"]
    return client


# The client writes its own headers into the dictionary that it is given: each call gets another.
@pytest.fixture(scope="module")
def tritonclient(address):
    http = pytest.importorskip("tritonclient.http", reason="the reference client is tritonclient")
    with http.InferenceServerClient(address) as made:
        yield http, made


def squares(*colours):
    return np.array([[[c] * 16] * 16 for c in colours], dtype=np.uint8)


RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_tritonclient_asks_about_the_server_and_its_models(tritonclient, bearer, tiny_folder):
    _, client = tritonclient
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny", headers=dict(bearer))
    assert client.is_model_ready("tiny", tiny_folder.card.version, headers=dict(bearer))
    assert not client.is_model_ready("tiny", "1", headers=dict(bearer))
    assert not client.is_model_ready("other", headers=dict(bearer))
    assert client.get_server_metadata(headers=dict(bearer))["name"] == "zooassist"
    metadata = client.get_model_metadata("tiny", headers=dict(bearer))
    assert metadata["versions"] == [tiny_folder.card.version]
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 16, 16, 3]}]
    assert metadata["outputs"][0] == {
        "name": "concentrations",
        "datatype": "FP32",
        "shape": [-1, 1, 5],
    }


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tritonclient_infers(tritonclient, plane, bearer, binary_in, binary_out):
    http, client = tritonclient
    images = squares(RED, BLUE)
    sent = http.InferInput("image", list(images.shape), "UINT8")
    sent.set_data_from_numpy(images, binary_data=binary_in)
    asked = [http.InferRequestedOutput("concentrations", binary_data=binary_out)]
    found = client.infer("tiny", [sent], outputs=asked, request_id="7", headers=dict(bearer))
    expected = plane.at("tiny").runtime.run(images)["concentrations"]
    np.testing.assert_allclose(found.as_numpy("concentrations"), expected, rtol=1e-6)
    assert found.get_response()["id"] == "7"
    assert found.as_numpy("embedding") is None, "it was not asked for"


def test_tritonclient_gets_every_output_when_it_names_none(tritonclient, bearer):
    http, client = tritonclient
    sent = http.InferInput("image", [1, 16, 16, 3], "UINT8")
    sent.set_data_from_numpy(squares(RED))
    found = client.infer("tiny", [sent], headers=dict(bearer))
    assert found.as_numpy("concentrations").shape == (1, 1, 5)
    np.testing.assert_allclose(found.as_numpy("embedding"), [[1, 0, 0]], atol=1e-6)


def test_tritonclient_sends_encoded_images(tritonclient, plane, png, bearer):
    """They are prepared as every other door prepares them."""
    http, client = tritonclient
    images = np.array([png("red"), png("blue")], dtype=np.object_)
    sent = http.InferInput("image", [2], "BYTES")
    sent.set_data_from_numpy(images)
    found = client.infer("tiny", [sent], headers=dict(bearer)).as_numpy("concentrations")
    from zooassist_serving.dataplane import Item

    items = [Item(str(place), image) for place, image in enumerate(images)]
    np.testing.assert_allclose(found, plane.answer("tiny", items).raw, rtol=1e-6)


def test_tritonclient_reads_our_errors(tritonclient, bearer):
    http, client = tritonclient
    utils = pytest.importorskip("tritonclient.utils")
    sent = http.InferInput("image", [1, 8, 8, 3], "UINT8")
    sent.set_data_from_numpy(np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(utils.InferenceServerException, match="expected the shape"):
        client.infer("tiny", [sent], headers=dict(bearer))
    with pytest.raises(utils.InferenceServerException, match="expected one of"):
        client.get_model_metadata("other", headers=dict(bearer))
    with pytest.raises(utils.InferenceServerException, match="Authorization"):
        client.get_model_metadata("tiny")


def request_of(**changes):
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 16, 16, 3], "data": [0] * 768}
    return {"inputs": [image | changes]}


def test_json_alone(client):
    body = client.post(INFER, json=request_of(data=squares(RED).tolist())).get_json()
    by_name = {each["name"]: each for each in body["outputs"]}
    assert by_name["embedding"]["shape"] == [1, 3]
    assert by_name["embedding"]["data"] == pytest.approx([1, 0, 0])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"[]", "the whole"),
        (json.dumps({"inputs": []}).encode(), "inputs"),
        (json.dumps(request_of(datatype="FP64")).encode(), "datatype"),
        (json.dumps(request_of(shape=[-1, 16, 16, 3])).encode(), "shape"),
        (json.dumps(request_of(shape=["1", 16, 16, 3])).encode(), "shape"),
        (json.dumps(request_of(shape=[2**31, 2**31, 2**31, 3])).encode(), "elements as its shape"),
        (json.dumps(request_of(shape=[0, 16, 16, 3], data=[])).encode(), "expected the shape"),
        (json.dumps(request_of(data=[0] * 767)).encode(), "got 767"),
        (json.dumps(request_of(data=[256] * 768)).encode(), "expected 0 to 255"),
        (json.dumps(request_of(data=[-1] * 768)).encode(), "expected 0 to 255"),
        (json.dumps(request_of(data=[10**30] * 768)).encode(), "image"),
        (json.dumps(request_of(data=[True] * 768)).encode(), "expected whole numbers"),
        (json.dumps(request_of(data=[0.5] * 768)).encode(), "expected whole numbers"),
        (json.dumps(request_of(data=["0"] * 768)).encode(), "expected whole numbers"),
        (json.dumps(request_of(data=None)).encode(), "expected data as a list"),
        (json.dumps(request_of(name="other")).encode(), "inputs: expected image"),
        (json.dumps(request_of(datatype="FP32")).encode(), "expected UINT8 or BYTES"),
        (json.dumps(request_of(datatype="BYTES")).encode(), "binary data"),
        (json.dumps(request_of(parameters={"binary_data_size": 5})).encode(), "not what follows"),
        (json.dumps(request_of(parameters={"binary_data_size": -1})).encode(), "not what follows"),
        (json.dumps(request_of(parameters={"binary_data_size": True})).encode(), "not what follow"),
        (
            json.dumps(request_of() | {"outputs": [{"name": "../etc"}]}).encode(),
            "output '../etc': expected one of",
        ),
        (
            b'{"inputs": [{"name": "image", "shape": [1], "datatype": "FP32", "data": [NaN]}]}',
            "JSON",
        ),
    ],
)
def test_what_is_no_request(client, body, words):
    answer = client.post(INFER, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]


def binary(client, header, rest, length=None):
    made = json.dumps(header).encode()
    headers = {HEADER: str(len(made) if length is None else length)}
    return client.post(INFER, data=made + rest, headers=headers)


@pytest.mark.parametrize(
    ("size", "rest", "words"),
    [
        (768, b"x" * 767, "not what follows"),
        (768, b"x" * 769, "1 more"),
        (767, b"x" * 767, "expected 768 bytes"),
    ],
)
def test_bytes_that_are_not_what_was_said(client, size, rest, words):
    header = request_of(parameters={"binary_data_size": size})
    answer = binary(client, header, rest)
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "99999", "1e3", "9" * 20])
def test_a_length_that_is_none(client, length):
    answer = binary(client, request_of(), b"", length)
    assert answer.status_code == 400
    assert HEADER in answer.get_json()["error"]


@pytest.mark.parametrize(
    ("elements", "shape", "words"),
    [
        (b"\x05\x00\x00\x00ab", [1], "cut short"),
        (b"\x05\x00", [1], "cut short"),
        (b"\x01\x00\x00\x00a", [2], "got 1"),
        (b"\x01\x00\x00\x00a", [1], "image 0"),
        (b"", [0], "expected 1 to 256 images"),
    ],
)
def test_encoded_images_that_are_none(client, elements, shape, words):
    header = request_of(
        datatype="BYTES", shape=shape, parameters={"binary_data_size": len(elements)}
    )
    answer = binary(client, header, elements)
    assert answer.status_code == 400
    assert words in answer.get_json()["error"]


@pytest.mark.parametrize("name", ["other", "..", "%2e%2e%2fetc", "TINY", "tiny/versions/1"])
def test_models_and_versions_that_are_not_there(client, name):
    for path in (f"/v2/models/{name}", f"/v2/models/{name}/ready"):
        assert client.get(path).status_code == 404
    assert client.post(f"/v2/models/{name}/infer", json=request_of()).status_code == 404


def test_too_many_images(client):
    answer = client.post(INFER, json=request_of(shape=[257, 16, 16, 3], data=[0] * 768 * 257))
    assert answer.status_code == 400
    assert "at most 256 images" in answer.get_json()["error"]


def test_masks_take_their_array(client):
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 8, 16, 3], "data": [255] * 384}
    body = client.post("/v2/models/colours/infer", json={"inputs": [image]}).get_json()
    (mask,) = body["outputs"]
    assert mask["shape"] == [1, 2, 8, 16]
    assert set(mask["data"]) == {1.0}


def test_only_health_is_open(app):
    anonymous = app.test_client()
    assert anonymous.get("/v2/health/live").status_code == 200
    assert anonymous.get("/v2/health/ready").status_code == 200
    for path in ("/v2", "/v2/models/tiny", "/v2/models/tiny/ready"):
        assert anonymous.get(path).status_code == 401
    assert anonymous.post(INFER, json=request_of()).status_code == 401
