"""Lists, queues and exports must not load rows one by one."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
from panoptes_api import Api, token
from sqlalchemy import event

from zooassist_plugin.sandbox.server import running_sandbox

COUNT = 1000


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    state = tmp_path_factory.mktemp("many")
    with running_sandbox(state, export_interval=0) as server:
        builder = Api(server.url, token(server.url, "builder"))
        project = builder.project()
        workflow = builder.workflow(project)
        subject_set = builder.subject_set(project)
        links = {"subject_sets": [subject_set["id"]]}
        builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
        started = time.monotonic()
        numbers = builder.subjects(project, COUNT, subject_set)
        seconds = time.monotonic() - started
        yield server, builder, project, workflow, subject_set, numbers, seconds
        builder.session.close()


@contextmanager
def statements(server):
    """Count the statements that the server sends to its database."""
    seen = []

    def note(_connection, _cursor, statement, *_):
        seen.append(statement)

    engine = server.sandbox.store.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_thousand_subjects_are_created_and_linked_quickly(filled):
    *_, seconds = filled
    assert seconds < 10  # 0.6 s on two quiet cores


@pytest.mark.parametrize(
    "path", ["/subjects", "/set_member_subjects", "/subject_workflow_statuses"]
)
def test_a_page_takes_a_handful_of_statements(filled, path):
    server, builder, *_ = filled
    with statements(server) as seen:
        body = builder.get(path, page_size=100).json()
    assert len(body[path[1:]]) == 100
    assert len(seen) < 10


def test_the_queue_takes_a_handful_of_statements(filled):
    server, builder, _, workflow, *_ = filled
    with statements(server) as seen:
        body = builder.get("/subjects/queued", workflow_id=workflow["id"], page_size=100).json()
    assert len(body["subjects"]) == 100
    assert len(seen) < 15


def test_exports_take_a_handful_of_statements_per_batch(filled):
    server, builder, project, workflow, _, numbers, _ = filled
    for number in numbers[:30]:
        assert builder.classify(workflow, number).status_code == 201
    server.sandbox.jobs.drain()
    for path in (
        f"/workflows/{workflow['id']}/classifications_export",
        f"/projects/{project['id']}/subjects_export",
    ):
        assert builder.post(path, {"media": {"content_type": "text/csv"}}).status_code == 201
        with statements(server) as seen:
            server.sandbox.jobs.drain()
            deadline = time.monotonic() + 20
            while builder.one(path)["metadata"]["state"] != "ready":
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert len(seen) < 100


def test_retiring_all_at_once(filled):
    server, builder, _, workflow, _, numbers, _ = filled
    path = f"/workflows/{workflow['id']}"
    body = {"subject_ids": numbers, "retirement_reason": "other"}
    assert builder.post(f"{path}/retired_subjects", body).status_code == 204
    server.sandbox.jobs.drain()
    deadline = time.monotonic() + 20
    while builder.one(path)["retired_set_member_subjects_count"] != COUNT:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert builder.one(path)["finished_at"] is not None
