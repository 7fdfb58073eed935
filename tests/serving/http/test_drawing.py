from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="the tiny test model is made with onnx ([train])")

from mask_model import mask_folder

from zooassist_plugin.proposed_masks import ProposedMask
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.answers import PredictionsBody
from zooassist_serving.http.app import create_app

PREDICT = "/v1/models/colours/predict"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = mask_folder(tmp_path_factory.mktemp("masks") / "colours")
    return create_app(DataPlane([folder], threads=1), token=None).test_client()


@pytest.fixture(scope="module")
def cells(encode):
    """A red and a green square on black, 60 wide and 40 high."""
    image = np.zeros((40, 60, 3), dtype=np.uint8)
    image[5:15, 5:20, 0] = 255
    image[20:35, 30:50, 1] = 255
    return image, encode(image)


def test_masks_as_run_lengths(client, cells):
    image, content = cells
    body = client.post(PREDICT, data=content).get_json()
    (row,) = PredictionsBody.model_validate(body).predictions
    assert row.error is None
    assert 0.9 < row.confidence <= 1
    found = {mask.label: mask.pixels() for mask in row.masks}
    np.testing.assert_array_equal(found["red cell"], image[..., 0] > 127)
    np.testing.assert_array_equal(found["green cell"], image[..., 1] > 127)
    assert ProposedMask.model_validate(body["predictions"][0]["masks"][0]).size == (40, 60)


def test_a_label_map_as_png(client, cells):
    image, content = cells
    answer = client.post(PREDICT, data=content, headers={"Accept": "image/png"})
    assert answer.content_type == "image/png"
    labels = np.asarray(Image.open(io.BytesIO(answer.get_data())))
    np.testing.assert_array_equal(labels, (image[..., 0] > 127) + 2 * (image[..., 1] > 127))


def test_several_images_line_by_line_and_one_of_them_bad(client, cells):
    files = {"images": [(io.BytesIO(cells[1]), "a.png"), (io.BytesIO(b"no"), "b.png")]}
    answer = client.post(PREDICT, data=files, headers={"Accept": "application/x-ndjson"})
    good, bad = (json.loads(line) for line in answer.get_data().splitlines())
    assert len(good["masks"]) == 2
    assert "starting with" in bad["error"]
    assert "masks" not in bad


def test_no_png_of_several_images(client, cells, check_problem):
    files = {"images": [(io.BytesIO(cells[1]), f"{i}.png") for i in range(2)]}
    answer = client.post(PREDICT, data=files, headers={"Accept": "image/png"})
    check_problem(answer, 406, "expected one image for a PNG answer")


def test_no_mask_of_what_is_no_image(client, check_problem):
    for headers in ({}, {"Accept": "image/png"}):
        check_problem(client.post(PREDICT, data=b"no", headers=headers), 422, "starting with")
