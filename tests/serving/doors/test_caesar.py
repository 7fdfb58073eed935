"""The doors as the sandbox's Caesar calls them, over HTTP on 127.0.0.1."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
import requests
from prefill_model import model_folder
from prefill_project import galaxy_png, prefill_project

from zooassist_loop.keeping import open_keeper
from zooassist_loop.ledger import Ledger
from zooassist_plugin.errors import BadInput
from zooassist_plugin.presenters import REDUCER_KEY
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.caesar.calls import MAX_BYTES
from zooassist_serving.http.caesar.door import CaesarDoor, caesar_routes
from zooassist_serving.http.caesar.platform import Platform
from zooassist_serving.http.caesar.read_back import ReadBack, Watched
from zooassist_serving.http.caesar.reducing import ProposingReducer
from zooassist_serving.http.media import MediaFetcher

SECRET = "a-secret-of-more-than-24-characters"
MODEL = "test-galaxies"
PATIENCE = 60.0


@dataclass
class Scene:
    """A sandbox's project and a server of doors that knows it."""

    prefill: object
    address: str
    ledger: Ledger
    door: CaesarDoor
    plane: DataPlane
    client: object

    def url(self, kind, name=MODEL, secret=SECRET):
        return f"http://{self.address}/caesar/{secret}/{kind}/{name}"

    def post(self, kind, body, name=MODEL, secret=SECRET):
        return self.client.post(f"/caesar/{secret}/{kind}/{name}", json=body)

    @property
    def workflow_id(self):
        return self.prefill.workflow_id

    def shown(self, subject_id):
        return self.prefill.caesar.visible_proposals(self.workflow_id, subject_id).payloads

    def entries(self):
        return {entry.subject_id: entry for entry in self.ledger.entries(self.workflow_id)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory, make_app, serve):
    root = tmp_path_factory.mktemp("caesar")
    images = [galaxy_png(seed) for seed in range(4)]
    options = {"retry_scale": 0.0}
    url = f"sqlite:///{root}/ledger.sqlite"
    with (
        prefill_project(root / "sandbox", images, server_options=options) as prefill,
        open_keeper(url) as keeper,
        Ledger(url) as ledger,
    ):
        plane = DataPlane([model_folder(root / "model")], threads=1)
        plane.warm_up()
        read_back = ReadBack(prefill.caesar, keeper, looks=(0.1, 0.5, 1.0, 2.0, 5.0, 10.0))
        reducer = ProposingReducer(
            platform=Platform(prefill.panoptes, prefill.caesar),
            fetch=MediaFetcher([prefill.server.url], 10**6).fetch_later,
            keeper=keeper,
            read_back=read_back,
        )
        door = CaesarDoor(SECRET, frozenset({prefill.workflow_id}), reducer)
        app = make_app(caesar_routes(door, plane), of=plane)
        with serve(app) as address:
            made = Scene(prefill, address, ledger, door, plane, app.test_client())
            prefill.caesar.create_workflow(prefill.workflow_id)
            prefill.panoptes.configure(prefill.workflow_id, {"enable_caesar_data_fetching": True})
            prefill.caesar.create_extractor(
                prefill.workflow_id,
                {"type": "external", "key": "edits", "url": made.url("extractors", "edits")},
            )
            prefill.caesar.create_extractor(
                prefill.workflow_id,
                {"type": "external", "key": "machine", "url": made.url("extractors")},
            )
            prefill.caesar.create_reducer(
                prefill.workflow_id,
                {
                    "type": "external",
                    "key": REDUCER_KEY,
                    "url": made.url("reducers"),
                    "topic": "reduce_by_subject",
                    "filters": {"extractor_keys": ["seed"]},
                },
            )
            yield made
            read_back.close()


@contextmanager
def hosted(path):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=path.parent)
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def wait_for(look, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def seed(scene, subject_ids, tmp_path):
    rows = "".join(f'seed,{each},"{{""seed"": true}}"\n' for each in subject_ids)
    (tmp_path / "seed.csv").write_text("extractor_key,subject_id,data\n" + rows)
    with hosted(tmp_path / "seed.csv") as url:
        scene.prefill.caesar.import_extracts(scene.workflow_id, url)
        for each in subject_ids:
            wait_for(lambda each=each: scene.shown(each), f"subject {each} has no proposal")


def classify(scene, subject_id, marks, seconds=20):
    scene.prefill.panoptes.call(
        "POST",
        "/classifications",
        json={
            "classifications": {
                "completed": True,
                "annotations": [{"task": "T0", "taskType": "drawing", "value": marks}],
                "metadata": {
                    "workflow_version": "1.1",
                    "started_at": "2026-06-01T10:00:00.000Z",
                    "finished_at": f"2026-06-01T10:00:{seconds:02}.000Z",
                    "user_agent": "test",
                    "user_language": "en",
                    "utc_offset": "0",
                },
                "links": {
                    "project": str(scene.prefill.project_id),
                    "workflow": str(scene.workflow_id),
                    "subjects": [str(subject_id)],
                },
            }
        },
    )


def extract(scene, subject_id, key):
    path = f"/workflows/{scene.workflow_id}/extractors/{key}/extracts?subject_id={subject_id}"
    rows = scene.prefill.caesar.call("GET", path) or []
    return [row["data"] for row in rows if row["extractor_key"] == key]


def test_the_whole_way(scene, tmp_path):
    """Seeded, reduced by our server, seen by volunteers, kept, corrected, and counted."""
    subject_id = scene.prefill.subject_ids[0]
    seed(scene, [subject_id], tmp_path)
    (payload,) = scene.shown(subject_id)
    assert payload["data"][0]["toolType"] == "ellipse", "an object with marks, no bare list"
    assert payload["model"] == MODEL
    entry = wait_for(
        lambda: next((e for e in scene.entries().values() if e.state == "presented"), None),
        "the ledger never heard that it is seen",
    )
    assert (entry.subject_id, entry.proposal_id) == (subject_id, payload["proposal_id"])
    assert entry.payload == payload
    mark = {k: v for k, v in payload["data"][0].items() if k not in ("markId", "taskKey")}
    moved = {**mark, "x_center": mark["x_center"] + 3}
    added = {**mark, "x_center": 5, "y_center": 5, "rx": 3, "ry": 3}
    classify(scene, subject_id, [moved, added])
    (edits,) = wait_for(lambda: extract(scene, subject_id, "edits"), "no extract")
    assert edits == {
        "proposed": 1, "kept": 0, "edited": 1, "added": 1, "deleted": 0, "loaded": 1
    }  # fmt: skip
    (machine,) = wait_for(lambda: extract(scene, subject_id, "machine"), "no extract")
    fractions = [machine[f"smooth-or-featured_{p}"] for p in
                 ("smooth", "featured-or-disk", "artifact")]  # fmt: skip
    assert sum(fractions) == pytest.approx(1)
    assert machine["model_version"] == scene.plane.metadata(MODEL).version
    assert scene.shown(subject_id) == (payload,), "a classification reduces again: the same"


def reducer_body(scene, subject_id, ids=None):
    rows = scene.prefill.caesar.call(
        "GET",
        f"/workflows/{scene.workflow_id}/extractors/seed/extracts?subject_id={subject_id}",
    )
    return rows if ids is None else [{**rows[0], "id": each} for each in ids]


def test_answers_are_the_same_again_and_those_of_the_first_model(scene, tmp_path):
    """Volunteers have seen the first proposal; another model must not change it under them."""
    subject_id = scene.prefill.subject_ids[1]
    seed(scene, [subject_id], tmp_path)
    body = reducer_body(scene, subject_id)
    first = scene.post("reducers", body)
    assert set(first.get_json()) == {"data", "store"}, "Caesar takes exactly these apart"
    assert first.get_json()["data"] == scene.shown(subject_id)[0]
    before = scene.plane.swap(MODEL, model_folder(tmp_path / "next", tilt=9.0))
    try:
        again = scene.post("reducers", {"extracts": body, "store": {}})
        assert again.get_json() == first.get_json()
    finally:
        scene.plane.swap(MODEL, before)


@pytest.mark.parametrize("kind", ["reducers", "extractors"])
def test_a_wrong_secret_looks_like_nothing_at_all(scene, kind):
    for secret in ("wrong", SECRET[:-1], SECRET + "x", "%C3%A9", "a" * 5000):
        refused = scene.post(kind, [], secret=secret)
        nothing = scene.client.post(f"/caesar/{secret}/nothing/here", json=[])
        assert refused.status_code == nothing.status_code == 404
        assert refused.content_type == nothing.content_type
        assert refused.get_json(force=True)["title"] == nothing.get_json(force=True)["title"]
        assert set(refused.headers.keys()) == set(nothing.headers.keys())
    # The workflow and the body are not even looked at.
    assert scene.client.post(f"/caesar/wrong/{kind}/{MODEL}", data=b"{").status_code == 404


def test_the_secret_is_in_no_text(scene):
    assert SECRET not in repr(scene.door)


@pytest.mark.parametrize("secret", ["", "short", "a/" * 20, "é" * 30, "a%20" * 10])
def test_secrets_that_are_none(scene, secret):
    with pytest.raises(BadInput, match="Caesar's secret"):
        replace(scene.door, secret=secret)


def test_extracts_that_caesar_does_not_have(scene, tmp_path):
    """Whoever learnt the address can call; what Caesar does not confirm is not kept."""
    subject_id = scene.prefill.subject_ids[2]
    body = [{"id": 10**9, "workflow_id": scene.workflow_id, "subject_id": subject_id,
             "extractor_key": "seed", "data": {}}]  # fmt: skip
    answer = scene.post("reducers", body)
    assert answer.status_code == 422
    assert "expected extracts that Caesar has" in answer.get_json(force=True)["detail"]
    assert subject_id not in scene.entries()


def test_other_workflows_are_not_answered(scene):
    body = [{"id": 1, "workflow_id": 999, "subject_id": 1, "extractor_key": "seed"}]
    assert scene.post("reducers", body).status_code == 403
    sent = {"id": 1, "workflow_id": 999, "subject_id": 1}
    assert scene.post("extractors", sent).status_code == 403


def test_models_and_extractors_that_are_not_there(scene):
    for name in ("other", "..", "TEST-GALAXIES"):
        assert scene.post("reducers", [], name=name).status_code == 404
        assert scene.post("extractors", {}, name=name).status_code == 404
    assert scene.post("reducers", [], name="edits").status_code == 404


def good(**changes):
    return {"id": 1, "workflow_id": 1, "subject_id": 1, "extractor_key": "seed"} | changes


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 100_000, 400),
        (b"NaN", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b"5", 422),
        (b'"x"', 422),
        (b"null", 422),
        (b"[5]", 422),
        (json.dumps([good(id="x")]).encode(), 422),
        (json.dumps([good(id=-1)]).encode(), 422),
        (json.dumps([good(id=1.5)]).encode(), 422),
        (json.dumps([good(subject_id=2**60)]).encode(), 422),
        (json.dumps([good(extractor_key="k" * 300)]).encode(), 422),
        (json.dumps([good(), good(subject_id=2)]).encode(), 422),
        (json.dumps({"extracts": [good()], "store": 5}).encode(), 422),
    ],
)
def test_what_is_no_reducers_call(scene, content, status):
    path = f"/caesar/{SECRET}/reducers/{MODEL}"
    answer = scene.client.post(path, data=content, content_type="application/json")
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    "sent",
    [
        [],
        {"id": 1, "workflow_id": 1},
        {"id": 1, "workflow_id": 1, "subject_id": "x"},
        {"id": 1, "workflow_id": 1, "subject_id": 1, "annotations": [1]},
        {"id": 1, "workflow_id": 1, "subject_id": 1, "annotations": {"T0": 5}},
        {"id": 1, "workflow_id": 1, "subject_id": 1, "metadata": "x"},
    ],
)
def test_what_is_no_extractors_call(scene, sent):
    assert scene.post("extractors", sent, name="edits").status_code == 422


def test_a_body_over_the_limit(scene):
    content = b"[" + b" " * MAX_BYTES + b"]"
    answer = scene.client.post(f"/caesar/{SECRET}/reducers/{MODEL}", data=content)
    assert answer.status_code == 413


def test_a_subject_without_a_proposal_has_no_edits(scene):
    sent = {"id": 1, "workflow_id": scene.workflow_id,
            "subject_id": scene.prefill.subject_ids[2], "annotations": {}}  # fmt: skip
    answer = scene.post("extractors", sent, name="edits")
    assert (answer.status_code, answer.data) == (204, b"")


def test_a_subject_that_panoptes_does_not_have(scene):
    sent = {"id": 1, "workflow_id": scene.workflow_id, "subject_id": 10**9}
    assert scene.post("extractors", sent).status_code == 422


def test_a_subject_whose_image_is_gone_has_no_data(scene, monkeypatch):
    """An error would be tried again, and three of them stop Caesar for every subject."""

    def gone(url):
        def fetch():
            from zooassist_plugin.errors import ItemFailed

            raise ItemFailed(url, "expected the file, got status 404", "upload it again")

        return fetch

    door = replace(scene.door, reducer=replace(scene.door.reducer, fetch=gone))
    from flask import Flask

    app = Flask("alone")
    app.register_blueprint(caesar_routes(door, scene.plane))
    sent = {"id": 1, "workflow_id": scene.workflow_id,
            "subject_id": scene.prefill.subject_ids[2]}  # fmt: skip
    answer = app.test_client().post(f"/caesar/{SECRET}/extractors/{MODEL}", json=sent)
    assert answer.status_code == 204


def test_caesar_asks_again_when_we_cannot_ask_it(scene):
    """The read-back needs Caesar; without it nothing is kept, and 503 says: later."""
    broken = replace(
        scene.door.reducer,
        platform=Platform(scene.prefill.panoptes, _away(scene.prefill)),
    )
    from flask import Flask

    from zooassist_serving.http.problems import register_problems

    app = Flask("alone")
    register_problems(app)
    app.register_blueprint(caesar_routes(replace(scene.door, reducer=broken), scene.plane))
    subject_id = scene.prefill.subject_ids[3]
    body = [good(workflow_id=scene.workflow_id, subject_id=subject_id)]
    answer = app.test_client().post(f"/caesar/{SECRET}/reducers/{MODEL}", json=body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert subject_id not in scene.entries()


def _away(prefill):
    from zooassist_plugin.caesar import Caesar

    settings = replace(prefill.settings, caesar_endpoint="http://127.0.0.1:9")
    return Caesar(settings, prefill.panoptes)


def test_what_volunteers_do_not_see_is_not_noted(scene):
    looked = ReadBack(scene.prefill.caesar, scene.door.reducer.keeper)
    subject_id = scene.prefill.subject_ids[3]
    payload = {"data": [], "proposal_id": "p"}
    assert not looked.look(Watched(scene.workflow_id, subject_id, "v", payload))


def test_over_the_wire_too(scene):
    """What Caesar's own client sends: JSON with a content type, and no redirect followed."""
    answer = requests.post(scene.url("reducers", secret="wrong"), json=[], timeout=20)
    assert answer.status_code == 404


def test_the_request_log_has_no_secret(scene, caplog):
    with caplog.at_level("INFO", "zooassist_serving.requests"):
        scene.post("reducers", [])
        scene.client.post("/caesar/guessed-wrong/reducers/x", json=[])
    paths = [record.fields["path"] for record in caplog.records if hasattr(record, "fields")]
    assert paths == [f"/caesar/…/reducers/{MODEL}", "/caesar/…/reducers/x"]
    assert SECRET not in caplog.text
