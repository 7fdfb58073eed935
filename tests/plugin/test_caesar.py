"""Caesar's calls against a sandbox; above all what an anonymous volunteer gets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefill_project import Prefill, galaxy_png, prefill_project
from scripted_server import scripted_server

from zooassist_plugin.caesar import Caesar, Extractor, ReadBack, Reducer
from zooassist_plugin.errors import Refused
from zooassist_plugin.http_session import PlatformRefused
from zooassist_plugin.presenters.machine_learnt import REDUCER_KEY
from zooassist_plugin.project_building import create_project, create_workflow
from zooassist_plugin.settings import Settings


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Prefill]:
    with prefill_project(tmp_path_factory.mktemp("sandbox"), [galaxy_png(1)]) as prefill:
        prefill.caesar.create_workflow(prefill.workflow_id)
        yield prefill


def test_a_workflow_is_created_read_and_changed(sandbox):
    tasks = sandbox.panoptes.workflow(sandbox.workflow_id).tasks
    workflow_id = create_workflow(
        sandbox.panoptes, sandbox.project_id, "Other", tasks, "T0"
    ).workflow_id
    assert sandbox.caesar.workflow(workflow_id) is None
    sandbox.caesar.create_workflow(workflow_id, public_reductions=False)
    found = sandbox.caesar.workflow(workflow_id)
    assert (found.status, found.public_reductions) == ("active", False)
    sandbox.caesar.update_workflow(workflow_id, public_reductions=True)
    assert sandbox.caesar.workflow(workflow_id).public_reductions


def test_a_project_made_after_the_tokens_first_use_is_reached(sandbox):
    # Caesar remembers a token's projects from its first use; the sandbox does so too.
    sandbox.caesar.workflow(sandbox.workflow_id)
    project_id = create_project(sandbox.panoptes, "Later", "than the token")
    tasks = sandbox.panoptes.workflow(sandbox.workflow_id).tasks
    workflow = create_workflow(sandbox.panoptes, project_id, "Later", tasks, "T0")
    sandbox.caesar.create_workflow(workflow.workflow_id)
    assert sandbox.caesar.workflow(workflow.workflow_id).status == "active"


def test_extractors_reducers_rules_and_effects(sandbox):
    caesar, workflow_id = sandbox.caesar, sandbox.workflow_id
    caesar.create_extractor(workflow_id, {"type": "question", "key": "T1", "task_key": "T1"})
    [extractor] = caesar.extractors(workflow_id)
    assert extractor == Extractor(extractor.extractor_id, "T1", "question")
    filters = {"extractor_keys": ["mine"]}
    caesar.create_reducer(
        workflow_id, {"type": "first_extract", "key": REDUCER_KEY, "filters": filters}
    )
    [reducer] = caesar.reducers(workflow_id)
    assert reducer == Reducer(reducer.reducer_id, REDUCER_KEY, "first_extract", filters=filters)
    rule_id = caesar.create_rule(workflow_id, '["gte", ["const", 1], ["const", 2]]')
    caesar.create_effect(workflow_id, rule_id, "retire_subject", {"reason": "consensus"})
    caesar.delete_reducer(workflow_id, reducer.reducer_id)
    assert caesar.reducers(workflow_id) == ()


def test_a_reduction_of_a_subject_that_caesar_never_saw_is_refused(sandbox):
    with pytest.raises(PlatformRefused) as caught:
        sandbox.caesar.put_reduction(sandbox.workflow_id, 987, {"data": []})
    assert caught.value.status == 404


def test_bad_content_is_refused_with_caesars_words(sandbox):
    with pytest.raises(PlatformRefused, match=r"422 to POST /workflows/\d+/reducers \(.*type"):
        sandbox.caesar.create_reducer(sandbox.workflow_id, {"type": "magic", "key": "k"})


def test_a_workflow_that_is_not_public_shows_nothing_and_says_why(sandbox):
    sandbox.caesar.update_workflow(sandbox.workflow_id, public_reductions=False)
    answer = sandbox.caesar.visible_proposals(sandbox.workflow_id, sandbox.subject_ids[0])
    assert answer.payloads == ()
    assert answer.problem
    sandbox.caesar.update_workflow(sandbox.workflow_id, public_reductions=True)
    answer = sandbox.caesar.visible_proposals(sandbox.workflow_id, sandbox.subject_ids[0])
    assert answer == ReadBack()


def test_the_query_is_the_classifiers_own_byte_for_byte_and_anonymous(sandbox):
    seen: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, dict(self.headers), body))
            answer = b'{"data": {"workflow": {"subject_reductions": [{"data": {"data": []}}]}}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        settings = Settings(sandbox.server.url, f"http://127.0.0.1:{server.server_address[1]}")
        with Caesar(settings, sandbox.panoptes) as caesar:
            assert caesar.visible_proposals(102, 201) == ReadBack(({"data": []},))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    [(path, headers, body)] = seen
    assert path == "/graphql"
    assert not {"authorization", "cookie"} & {name.lower() for name in headers}
    # As recorded from the classifier (lib-classifier, useCaesarReductions.js).
    recorded = (
        '{ workflow(id: 102) { subject_reductions(subjectId: 201, reducerKey:"machineLearnt") '
        "{ data } } }"
    )
    assert json.loads(body) == {"query": recorded}


@pytest.mark.parametrize(
    ("status", "body", "expected", "in_trouble"),
    [
        (200, b'{"errors": [{"message": "no such workflow"}]}', "query (no such workflow)", False),
        (200, b'{"data": {"workflow": null}}', "not visible without a login", False),
        (200, b"[]", "without an error message", False),
        (404, b'{"errors": [{"message": "gone"}]}', "answered 404 to the query (gone)", False),
        (500, b"{}", "answered 500 to the query; the other side has trouble", True),
        (503, b"<html>", "answered 503 to the query; the other side has trouble", True),
        (200, b"<html>", "not JSON", True),
    ],
)
def test_every_failure_that_the_classifier_swallows_is_named(
    sandbox, status, body, expected, in_trouble
):
    with (
        scripted_server([(status, body)]) as (url, _),
        Caesar(Settings(sandbox.server.url, url), sandbox.panoptes) as caesar,
    ):
        answer = caesar.visible_proposals(1, 2)
    assert answer.payloads == ()
    assert expected in answer.problem
    assert answer.in_trouble is in_trouble


@pytest.mark.parametrize("name", ["first_extract", "Reducers::FirstExtractReducer"])
def test_a_type_is_read_as_the_api_takes_it_also_from_a_class_name(sandbox, name):
    rows = [{"id": 5, "key": "k", "type": name, "filters": None, "grouping": None}]
    with (
        scripted_server([(200, json.dumps(rows).encode())]) as (url, _),
        Caesar(Settings(sandbox.server.url, url), sandbox.panoptes) as caesar,
    ):
        assert caesar.reducers(1) == (Reducer(5, "k", "first_extract"),)


def test_a_token_that_expires_again_and_again_is_renewed_each_time(sandbox):
    with (
        scripted_server([(401, b""), (200, b"[]"), (401, b""), (200, b"[]")]) as (url, seen),
        Caesar(Settings(sandbox.server.url, url), sandbox.panoptes) as caesar,
    ):
        assert caesar.reducers(1) == ()
        assert caesar.reducers(1) == ()
    assert len(seen) == 4


def test_no_caesar_is_refused_with_its_address(sandbox):
    settings = Settings(sandbox.server.url, "http://127.0.0.1:1")
    with (
        Caesar(settings, sandbox.panoptes) as caesar,
        pytest.raises(Refused, match=r"Caesar at http://127\.0\.0\.1:1 did not answer"),
    ):
        caesar.workflow(1)


def test_a_token_is_sent_to_the_configured_caesar_only(sandbox):
    # A redirect, as Caesar answers for a workflow that exists, must not carry it elsewhere.
    with (
        scripted_server([(302, b"")]) as (url, seen),
        Caesar(Settings(sandbox.server.url, url), sandbox.panoptes) as caesar,
        pytest.raises(PlatformRefused, match="302"),
    ):
        caesar.create_workflow(1)
    assert seen == ["POST"]
