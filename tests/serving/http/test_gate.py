"""Admission, draining, deadlines, and what is logged and counted."""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from zooassist_serving.batcher import Limits
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.app import create_app
from zooassist_serving.http.express import retry_after
from zooassist_serving.http.gate import Drain
from zooassist_serving.http.metrics import Metrics
from zooassist_serving.http.request_log import JsonLines, begin

PREDICT = "/v1/models/tiny/predict"


class Held:
    """Lets a graph wait until it is told to go on."""

    def __init__(self, runtime) -> None:
        self.runtime, self.entered, self.go = runtime, threading.Semaphore(0), threading.Event()
        self.images = 0

    def __getattr__(self, name):
        return getattr(self.runtime, name)

    def run(self, images):
        self.entered.release()
        assert self.go.wait(30)
        self.images += len(images)
        return self.runtime.run(images)


def held_app(folder, **limits):
    metrics = Metrics()
    plane = DataPlane([folder], threads=1, limits=Limits(**limits), observer=metrics)
    plane.warm_up()
    model = plane.at("tiny")
    model.runtime = Held(model.runtime)
    return create_app(plane, token=None, metrics=metrics), model.runtime, plane


def value_of(client, name: str, **labels) -> float:
    for line in client.get("/metrics").get_data(as_text=True).splitlines():
        if line.startswith(name + "{") or line.startswith(name + " "):
            head, _, value = line.rpartition(" ")
            if all(f'{key}="{text}"' in head for key, text in labels.items()):
                return float(value)
    return 0.0


def test_a_full_queue_answers_429_before_the_body_is_read(tiny_folder, png, check_problem):
    app, graph, plane = held_app(tiny_folder, queue=1)
    client = app.test_client()
    with ThreadPoolExecutor(4) as pool:

        def ask():
            return app.test_client().post(PREDICT, data=png("red")).status_code

        running = pool.submit(ask)
        assert graph.entered.acquire(timeout=30)
        waiting = pool.submit(ask)
        end = time.monotonic() + 30
        while plane.at("tiny").waiting < 1:
            assert time.monotonic() < end
            time.sleep(0.001)
        answer = client.post(PREDICT, data=b"no image, and never looked at")
        check_problem(answer, 429, "ask again in")
        assert int(answer.headers["Retry-After"]) >= 1
        assert client.get("/live").status_code == 200
        assert client.get("/v1/models").status_code == 200
        graph.go.set()
        assert (running.result(30), waiting.result(30)) == (200, 200)
    assert client.post(PREDICT, data=png("red")).status_code == 200
    assert value_of(client, "zooassist_refused_total", model="tiny") >= 1
    assert value_of(client, "zooassist_requests_total", status="429") >= 1
    assert value_of(client, "zooassist_queue_images", model="tiny") == 0


def test_a_deadline_that_passes_in_the_queue_is_503_and_never_run(tiny_folder, png, check_problem):
    app, graph, _ = held_app(tiny_folder)
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(lambda: app.test_client().post(PREDICT, data=png("red")).status_code)
        assert graph.entered.acquire(timeout=30)
        late = app.test_client().post(
            PREDICT, data=png("red"), headers={"X-Request-Timeout": "0.02"}
        )
        check_problem(late, 503, "after the deadline")
        assert late.headers["Retry-After"] == "1"
        graph.go.set()
        assert running.result(30) == 200
    assert graph.images == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "", "1e9"])
def test_deadlines_that_are_none(plane, png, seconds, check_problem):
    client = create_app(plane, token=None).test_client()
    answer = client.post(PREDICT, data=png("red"), headers={"X-Request-Timeout": seconds})
    check_problem(answer, 422, "X-Request-Timeout: expected seconds")


def test_draining_sends_clients_elsewhere_and_still_answers(plane, png, check_problem):
    drain = Drain()
    client = create_app(plane, token=None, drain=drain).test_client()
    assert client.get("/ready").status_code == 200
    assert "Connection" not in client.get("/live").headers
    told = []
    drain.tell(lambda: told.append(1))
    drain.begin()
    assert told == [1]
    check_problem(client.get("/ready"), 503, "the server ends")
    assert client.get("/live").status_code == 200
    answer = client.post(PREDICT, data=png("red"))
    assert answer.status_code == 200
    assert answer.headers["Connection"] == "close"


def test_what_is_counted(tiny_folder, sampled_folder, png):
    metrics = Metrics()
    plane = DataPlane([tiny_folder, sampled_folder], threads=1, observer=metrics)
    plane.warm_up()
    client = create_app(plane, token=None, metrics=metrics).test_client()
    for _ in range(3):
        client.post(PREDICT, data=png("red"))
    client.post(PREDICT, data=b"no image")
    client.get("/nowhere/secret")
    for name in ("tiny", "sampled"):
        assert value_of(client, "zooassist_model_loads_total", model=name) == 1
    assert value_of(client, "zooassist_predictions_total", model="tiny", outcome="ok") == 3
    assert value_of(client, "zooassist_predictions_total", model="tiny", outcome="error") == 1
    assert value_of(client, "zooassist_batch_images_count", model="tiny") == 3
    for stage in ("decode", "graph", "summarise"):
        name = "zooassist_stage_seconds_count"
        assert value_of(client, name, model="tiny", stage=stage) == 3
    route = "/v1/models/<name>/predict"
    assert value_of(client, "zooassist_requests_total", route=route, status="200") == 3
    assert value_of(client, "zooassist_requests_total", route=route, status="422") == 1
    # A path that is not ours makes no label of its own: a scanner would fill the memory.
    assert value_of(client, "zooassist_requests_total", route="none", status="404") == 1
    assert "secret" not in client.get("/metrics").get_data(as_text=True)


def test_two_cards_of_one_graph_load_it_once(tiny_folder, tmp_path):
    import shutil

    from zooassist_serving.model_folder import load_model_folder

    other = shutil.copytree(tiny_folder.path, tmp_path / "other")
    card = json.loads((other / "model.json").read_text())
    (other / "model.json").write_text(json.dumps(card | {"name": "twin"}))
    metrics = Metrics()
    plane = DataPlane([tiny_folder, load_model_folder(other)], threads=1, observer=metrics)
    plane.warm_up()
    client = create_app(plane, token=None, metrics=metrics).test_client()
    assert value_of(client, "zooassist_model_loads_total", model="tiny") == 1
    assert value_of(client, "zooassist_model_loads_total", model="twin") == 0


def test_the_log_is_json_with_the_requests_id(plane, png, caplog):
    client = create_app(plane, token=None).test_client()
    with caplog.at_level(logging.INFO, "zooassist_serving.requests"):
        client.post(PREDICT, data=png("red"), headers={"X-Request-Id": "abc"})
    (record,) = [each for each in caplog.records if each.name == "zooassist_serving.requests"]
    begin("abc")
    line = json.loads(JsonLines().format(record))
    begin(None)
    assert line["request_id"] == "abc"
    assert (line["method"], line["path"], line["status"]) == ("POST", PREDICT, 200)
    assert line["ms"] > 0
    assert line["level"] == "info"


def test_a_fault_is_logged_with_its_traceback_on_one_line():
    try:
        raise ZeroDivisionError("two\nlines")
    except ZeroDivisionError:
        import sys

        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "failed %s", ("a\nb",), sys.exc_info()
        )
    text = JsonLines().format(record)
    assert "\n" not in text
    assert "ZeroDivisionError" in json.loads(text)["traceback"]


def test_retry_after_is_in_whole_seconds():
    assert [retry_after(each) for each in (0.01, 1.0, 1.2)] == ["1", "1", "2"]
