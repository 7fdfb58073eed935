from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from zooassist_plugin.shapes import Ellipse, Line, RotateRectangle
from zooassist_serving.http.label_studio.addresses import TaskImages
from zooassist_serving.http.label_studio.brush import mask_to_brush
from zooassist_serving.http.label_studio.door import label_studio_routes
from zooassist_serving.http.label_studio.label_config import read_label_config
from zooassist_serving.http.label_studio.regions import value_of
from zooassist_serving.http.media import MediaFetcher

CONFIG = """
<View>
  <Image name="image" value="$picture"/>
  <Choices name="smooth-or-featured" toName="image" choice="single">
    <Choice value="Featured"/><Choice value="Smooth"/><Choice value="Artifact" alias="star"/>
  </Choices>
  <Choices name="bar" toName="image"><Choice value="Yes"/><Choice value="No"/></Choices>
  <EllipseLabels name="outline" toName="image"><Label value="Galaxy"/></EllipseLabels>
</View>
"""
CELLS = """
<View>
  <Image name="image" value="$image"/>
  {control}
</View>
"""
LABELS = '<Label value="Red cell"/><Label value="Green cell"/>'


@pytest.fixture(scope="module")
def sdk():
    return pytest.importorskip(
        "label_studio_sdk", reason="Label Studio's own checks are in label-studio-sdk"
    )


@pytest.fixture(scope="module")
def app(make_app, plane):
    images = TaskImages(MediaFetcher((), 1_000_000), 1_000_000)
    return make_app(label_studio_routes(plane, images))


@pytest.fixture(scope="module")
def client(app, bearer):
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer["Authorization"]
    return client


def inline(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def galaxy() -> bytes:
    y, x = np.mgrid[:120, :160]
    light = 220 * np.exp(-(((x - 70) / 24) ** 2) - ((y - 50) / 12) ** 2)
    return encoded(np.repeat(light[..., None].astype(np.uint8), 3, axis=2))


def encoded(pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def predict(client, tasks, config=CONFIG, model="tiny"):
    """Ask as Label Studio's api_connector.py does."""
    return client.post(
        f"/label-studio/{model}/predict",
        json={
            "tasks": tasks,
            "project": "12.1700000000",
            "label_config": config,
            "params": {"login": None, "password": None, "context": None},
        },
    )


def check_with_sdk(sdk, config, result):
    from label_studio_sdk.label_interface import LabelInterface

    regions = [{"id": f"r{place}", **each} for place, each in enumerate(result["result"])]
    prediction = {**result, "result": regions}
    assert LabelInterface(config).validate_prediction(prediction, return_errors=True) == []


def test_health_setup_and_versions(client, tiny_folder):
    version = f"tiny {tiny_folder.card.version}"
    for path in ("", "/", "/health"):
        answer = client.get(f"/label-studio/tiny{path}")
        assert answer.status_code == 200
        assert answer.get_json()["status"] == "UP"
    assert client.get("/label-studio/tiny/versions").get_json() == {"versions": [version]}
    for schema in (CONFIG, "<View></View>", "", None):
        body = {"project": "12.17", "schema": schema, "hostname": "http://ls", "access_token": "t"}
        answer = client.post("/label-studio/tiny/setup", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.get_json() == {"model_version": version}
    webhook = client.post("/label-studio/tiny/webhook", json={"action": "ANNOTATION_CREATED"})
    assert webhook.status_code == 200


def test_choices_and_an_outline(client, sdk, tiny_folder):
    tasks = [{"id": 1, "data": {"picture": inline(galaxy())}}]
    (result,) = predict(client, tasks).get_json()["results"]
    assert result["model_version"] == f"tiny {tiny_folder.card.version}"
    assert 0 < result["score"] <= 1
    by_name = {each["from_name"]: each for each in result["result"]}
    answers = by_name["smooth-or-featured"]
    assert answers["type"] == "choices"
    assert answers["to_name"] == "image"
    assert len(answers["value"]["choices"]) == 1
    assert 0 < answers["score"] <= 1
    outline = by_name["outline"]
    assert outline["value"]["ellipselabels"] == ["Galaxy"]
    assert (outline["original_width"], outline["original_height"]) == (160, 120)
    assert outline["value"]["x"] == pytest.approx(100 * 70 / 160, abs=2)
    assert outline["value"]["y"] == pytest.approx(100 * 50 / 120, abs=2)
    check_with_sdk(sdk, CONFIG, result)


def test_an_alias_is_what_is_stored(client, png):
    tasks = [{"id": 1, "data": {"picture": inline(png("blue"))}}]
    (result,) = predict(client, tasks).get_json()["results"]
    first = result["result"][0]
    assert first["value"]["choices"] == ["star"]


def test_answers_fit_whatever_the_control_is_called(client, png):
    config = CONFIG.replace('name="smooth-or-featured"', 'name="choice"')
    tasks = [{"id": 1, "data": {"picture": inline(png("red"))}}]
    (result,) = predict(client, tasks, config).get_json()["results"]
    assert result["result"][0]["from_name"] == "choice"
    assert result["result"][0]["value"]["choices"] == ["Smooth"]


@pytest.mark.parametrize(
    ("tag", "key"),
    [("RectangleLabels", "rectanglelabels"), ("PolygonLabels", "polygonlabels"),
     ("BrushLabels", "brushlabels"), ("KeyPointLabels", "keypointlabels")],
)  # fmt: skip
def test_the_outline_as_other_controls_draw_it(client, sdk, tag, key):
    config = CONFIG.replace("EllipseLabels", tag)
    tasks = [{"id": 1, "data": {"picture": inline(galaxy())}}]
    (result,) = predict(client, tasks, config).get_json()["results"]
    (drawn,) = [each for each in result["result"] if each["from_name"] == "outline"]
    assert drawn["type"] == key
    assert drawn["value"][key] == ["Galaxy"]
    check_with_sdk(sdk, config, result)


def cells() -> bytes:
    picture = Image.new("RGB", (60, 40))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((5, 5, 20, 30), fill=(255, 0, 0))
    draw.rectangle((30, 10, 50, 25), fill=(0, 255, 0))
    return encoded(np.asarray(picture))


def test_masks_as_a_brush(client, sdk):
    config = CELLS.format(control=f'<BrushLabels name="cell" toName="image">{LABELS}</BrushLabels>')
    tasks = [{"id": 1, "data": {"image": inline(cells())}}]
    (result,) = predict(client, tasks, config, "colours").get_json()["results"]
    check_with_sdk(sdk, config, result)
    from label_studio_sdk.converter.brush import decode_rle

    painted = {each["value"]["brushlabels"][0]: each["value"] for each in result["result"]}
    assert set(painted) == {"Red cell", "Green cell"}
    channels = decode_rle(painted["Red cell"]["rle"]).reshape(40, 60, 4)
    expected = np.zeros((40, 60), bool)
    expected[5:31, 5:21] = True
    assert np.array_equal(channels[..., 3] > 0, expected)


def test_masks_as_polygons(client, sdk):
    control = f'<PolygonLabels name="cell" toName="image">{LABELS}</PolygonLabels>'
    config = CELLS.format(control=control)
    tasks = [{"id": 1, "data": {"image": inline(cells())}}]
    (result,) = predict(client, tasks, config, "colours").get_json()["results"]
    check_with_sdk(sdk, config, result)
    labels = sorted(each["value"]["polygonlabels"][0] for each in result["result"])
    assert labels == ["Green cell", "Red cell"]
    for each in result["result"]:
        points = np.array(each["value"]["points"])
        assert points.min() >= 0
        assert points.max() <= 100


def test_numbers(client, png):
    config = CELLS.format(control='<Number name="redshift" toName="image"/>')
    tasks = [{"id": 1, "data": {"image": inline(png("red"))}}]
    (result,) = predict(client, tasks, config, "numbers").get_json()["results"]
    (number,) = result["result"]
    assert number["type"] == "number"
    assert number["value"]["number"] == pytest.approx(0.55, abs=0.02)


def test_a_bad_task_is_empty_and_the_others_go_on(client, png):
    tasks = [
        {"id": 1, "data": {"picture": inline(png("red"))}},
        {"id": 2, "data": {"picture": inline(b"no image")}},
        {"id": 3, "data": {"other": "x"}},
        {"id": 4, "data": {"picture": "http://169.254.169.254/latest/meta-data"}},
        {"id": 5, "data": {"picture": "file:///etc/passwd"}},
        {"id": 6, "data": {"picture": "/data/upload/1/a.png"}},
        {"id": 7, "data": {"picture": "data:image/png;base64,###"}},
        {"id": 8, "data": {"picture": 5}},
        {"data": {"picture": inline(png("blue"))}},
    ]
    results = predict(client, tasks).get_json()["results"]
    assert len(results) == len(tasks)
    assert [bool(each["result"]) for each in results] == [True, *[False] * 7, True]
    words = [each.get("error", "") for each in results]
    assert "does not fetch from http://169.254.169.254" in words[3]
    assert "expected an http(s) URL" in words[4]
    assert "--label-studio-url" in words[5]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "expected JSON"),
        (b"[" * 100_000, 400, "expected JSON"),
        (b"[]", 422, "the whole"),
        (b"{}", 422, "tasks"),
        (json.dumps({"tasks": []}).encode(), 422, "label_config"),
        (json.dumps({"tasks": [{"id": 1}], "label_config": CONFIG}).encode(), 422, "data"),
        (json.dumps({"tasks": [], "label_config": "<View>"}).encode(), 422, "expected XML"),
        (json.dumps({"tasks": [], "label_config": "<View></View>"}).encode(), 422, "no control"),
        (
            json.dumps({"tasks": [{"data": {}}] * 1001, "label_config": CONFIG}).encode(),
            422,
            "1000",
        ),
    ],
)
def test_what_is_no_request(client, body, status, words):
    answer = client.post("/label-studio/tiny/predict", data=body, content_type="application/json")
    assert answer.status_code == status
    assert words in answer.get_json(force=True)["detail"]


def test_a_config_that_the_model_does_not_answer_is_refused_with_the_reason(client):
    config = CELLS.format(
        control='<Choices name="kind" toName="image"><Choice value="Cat"/><Choice value="Dog"/>'
        "</Choices>"
    )
    answer = client.post("/label-studio/tiny/setup", json={"schema": config})
    assert answer.status_code == 422
    assert "kind" in answer.get_json(force=True)["detail"]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><View>&b;</View>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><View/>',
        "<View>" * 5_000,
        "no xml",
        "<View>\0</View>",
        "<View>" + " " * 300_000 + "</View>",
    ],
)
def test_configs_that_are_none(client, text):
    answer = client.post("/label-studio/tiny/setup", json={"schema": text})
    assert answer.status_code == 422
    assert "label config: expected" in answer.get_json(force=True)["detail"]


def test_a_config_with_a_comment():
    config = read_label_config("<View><!-- a <b> --><Image name='i' value='$x'/></View>")
    assert dict(config.images) == {"i": "x"}


@pytest.mark.parametrize("name", ["other", "..", "TINY"])
def test_models_that_are_not_there(client, name):
    assert client.get(f"/label-studio/{name}/health").status_code == 404
    assert predict(client, [], model=name).status_code == 404


def test_label_studio_logs_in_with_a_password(app, bearer):
    anonymous = app.test_client()
    token = bearer["Authorization"].removeprefix("Bearer ")
    assert anonymous.get("/label-studio/tiny/health").status_code == 401
    assert anonymous.get("/label-studio/tiny/health", auth=("x", "wrong")).status_code == 401
    assert anonymous.get("/label-studio/tiny/health", auth=("anybody", token)).status_code == 200


def test_uploads_come_from_the_label_studio_that_was_named(make_app, plane, bearer, png, serve):
    from flask import Flask, Response, request

    seen = []
    project = Flask("label-studio")

    @project.get("/data/upload/1/<name>")
    def upload(name):
        seen.append(request.headers.get("Authorization"))
        return Response(png("red"), content_type="image/png")

    with serve(project) as address:
        images = TaskImages(MediaFetcher((), 10**6), 10**6, f"http://{address}", "secret")
        client = make_app(label_studio_routes(plane, images)).test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = bearer["Authorization"]
        addresses = ["/data/upload/1/a.png", "/data/../api/users", "/data/%2e%2e/api", "/api/users"]
        tasks = [{"id": 1, "data": {"picture": each}} for each in addresses]
        results = predict(client, tasks).get_json()["results"]
    assert [bool(each["result"]) for each in results] == [True, False, False, False]
    assert seen == ["Token secret"]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_brush_is_read_back_by_label_studio(height, width, random):
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="the reader is label-studio-sdk's"
    )
    density = random.random()
    mask = np.array([[random.random() < density for _ in range(width)] for _ in range(height)])
    read = brush.decode_rle(mask_to_brush(mask)).reshape(height, width, 4)
    assert np.array_equal(read, np.repeat(mask[..., None], 4, axis=2) * 255)


def test_a_brush_of_a_large_picture():
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    mask = np.zeros((300, 400), bool)
    mask[100:250] = True
    assert np.array_equal(brush.decode_rle(mask_to_brush(mask))[3::4] > 0, mask.ravel())


def test_a_turned_rectangle_turns_about_its_corner():
    shape = RotateRectangle(x_center=50, y_center=20, width=20, height=10, angle=90)
    value = value_of(shape, (200, 100))
    # Turned a quarter clockwise its top left corner comes to the top right.
    assert (value["x"], value["y"]) == (pytest.approx(27.5), pytest.approx(10))
    assert (value["width"], value["height"], value["rotation"]) == (10, 10, 90)


def test_percent_are_of_each_side():
    value = value_of(Ellipse(x_center=100, y_center=50, rx=20, ry=10, angle=30), (200, 100))
    assert value == {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 30}


def test_a_shape_that_has_no_region():
    from zooassist_plugin.errors import BadInput

    with pytest.raises(BadInput, match="no region"):
        value_of(Line(x1=0, y1=0, x2=1, y2=1), (10, 10))
