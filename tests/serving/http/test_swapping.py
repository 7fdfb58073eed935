"""Another version becomes active, or a folder is spoilt, while clients ask."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.app import create_app
from zooassist_serving.http.metrics import Metrics
from zooassist_serving.model_folder import load_model_folder, write_model_folder

PREDICT = "/v1/models/tiny/predict"


@pytest.fixture
def versions(tmp_path, make_onnx, make_card):
    """Two versions of one model, whose answers differ."""
    made = []
    for samples in (1, 4):
        content = make_onnx(samples=samples)
        card = make_card(content, samples=samples)
        made.append(write_model_folder(content, card, tmp_path / f"v{samples}"))
    return made


def test_no_request_is_lost_while_versions_change(versions, png):
    metrics = Metrics()
    plane = DataPlane(versions[:1], threads=1, observer=metrics)
    plane.warm_up()
    app = create_app(plane, token=None, metrics=metrics)
    picture = png("red")
    expected = {}
    for folder in versions:
        alone = create_app(DataPlane([folder], threads=1), token=None).test_client()
        body = alone.post(PREDICT, data=picture).get_json()
        expected[body["model_version"]] = body["predictions"][0]["questions"]
    assert len(expected) == 2

    def ask(_):
        client = app.test_client()
        bodies = []
        for _ in range(40):
            answer = client.post(PREDICT, data=picture)
            assert answer.status_code == 200, answer.get_data(as_text=True)
            bodies.append(answer.get_json())
        return bodies

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask, i) for i in range(6)]
        swaps = 0
        while not all(each.done() for each in asking) or swaps < 4:
            plane.swap("tiny", versions[(swaps + 1) % 2])
            swaps += 1
        bodies = [body for each in asking for body in each.result(60)]
    assert len(bodies) == 240
    for body in bodies:
        (row,) = body["predictions"]
        assert row["model_version"] == body["model_version"], "of one version, all of it"
        for name, question in expected[body["model_version"]].items():
            assert row["questions"][name]["asked"] == pytest.approx(question["asked"], rel=1e-5)


def test_rolling_back_is_swapping_what_was_there(versions):
    plane = DataPlane(versions[:1], threads=1)
    old = plane.swap("tiny", versions[1])
    assert plane.metadata("tiny").version == versions[1].card.version
    assert plane.ready(), "warmed up before it became active"
    newer = plane.swap("tiny", old)
    assert plane.at("tiny") is old
    assert newer.card.version == versions[1].card.version


def test_a_version_that_does_not_run_leaves_the_old_one(versions, tmp_path, png):
    plane = DataPlane(versions[:1], threads=1)
    plane.warm_up()
    (versions[1].path / "model.onnx").write_bytes(b"spoilt")
    with pytest.raises(BadInput, match="changed since it was verified"):
        plane.swap("tiny", versions[1])
    client = create_app(plane, token=None).test_client()
    answer = client.post(PREDICT, data=png("red"))
    assert answer.get_json()["model_version"] == versions[0].card.version


def test_names_have_to_agree(versions, sampled_folder):
    plane = DataPlane(versions[:1], threads=1)
    with pytest.raises(BadInput, match="expected a version of it, got a model 'sampled'"):
        plane.swap("tiny", sampled_folder)
    with pytest.raises(BadInput, match="expected one of tiny"):
        plane.swap("sampled", sampled_folder)
    plane.add(sampled_folder)
    with pytest.raises(BadInput, match="two models are named"):
        plane.add(sampled_folder)
    assert plane.remove("sampled").card.name == "sampled"
    assert plane.names == ("tiny",)


def test_a_folder_spoilt_while_serving(tiny_folder, tmp_path, png, check_problem, caplog):
    copy = shutil.copytree(tiny_folder.path, tmp_path / "tiny")
    plane = DataPlane([load_model_folder(copy)], threads=1)
    plane.warm_up()
    client = create_app(plane, token=None).test_client()
    (copy / "model.onnx").write_bytes(b"spoilt")
    assert client.post(PREDICT, data=png("red")).status_code == 200, "it was read at the start"
    plane.at("tiny").runtime.unload()
    answer = client.post(PREDICT, data=png("red"))
    check_problem(answer, 503, "cannot be loaded; the server's log says why")
    assert str(tmp_path) not in answer.get_data(as_text=True)
    assert "changed since it was verified" in caplog.text
    shutil.rmtree(copy)
    check_problem(client.post(PREDICT, data=png("red")), 503, "cannot be loaded")
