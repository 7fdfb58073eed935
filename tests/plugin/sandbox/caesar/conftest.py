"""A sandbox without threads: requests by Flask's client, jobs by `drain`, time by hand."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select

import zooassist_plugin.sandbox.panoptes  # noqa: F401 - the Panoptes half comes first
from zooassist_plugin.database import Store
from zooassist_plugin.sandbox.app import create_app
from zooassist_plugin.sandbox.caesar.tables import Extract, SubjectReduction
from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.identity import issue_access_token
from zooassist_plugin.sandbox.jobs import Job
from zooassist_plugin.sandbox.panoptes.tables import (
    Classification,
    Project,
    SetMemberSubject,
    Subject,
    SubjectSet,
    User,
    Workflow,
    WorkflowSubjectSet,
)
from zooassist_plugin.sandbox.table_base import Base


class Lab:
    """One sandbox, the logged-in owner ``builder``, and shortcuts to Panoptes' rows."""

    def __init__(self, state, **options):
        self.now = datetime(2026, 6, 1, 10, tzinfo=UTC)
        config = SandboxConfig(
            state, "http://sandbox.test", clock=lambda: self.now, retry_scale=0.0, **options
        )
        self.app = create_app(config)
        self.sandbox = self.app.extensions["sandbox"]
        self.client = self.app.test_client()
        self.token = self.token_of("builder")

    def later(self, seconds):
        self.now += timedelta(seconds=seconds)

    def add(self, row):
        row.created_at = row.updated_at = self.now
        with self.sandbox.store.session() as session:
            session.add(row)
            session.flush()
            return row.id

    def token_of(self, login):
        with self.sandbox.store.session() as session:
            user = session.scalar(select(User).where(User.login == login))
        if user is None:
            self.add(User(login=login, display_name=login, password_hash="x"))
            return self.token_of(login)
        self.later(1)  # tokens of the same second could be equal
        return issue_access_token(self.sandbox, user, ["project"])

    def user_id(self, login):
        with self.sandbox.store.session() as session:
            return session.scalar(select(User.id).where(User.login == login))

    def add_workflow(self, owner="builder", in_caesar=True, **flags):
        project_id = self.add(
            Project(
                slug=f"{owner}/p{self.now.timestamp()}-{flags}-{len(self.rows(Project))}",
                owner_id=self.user_id(owner),
                display_name="Galaxies",
                configuration={},
                tags=[],
                urls=[],
                experimental_tools=[],
            )
        )
        workflow_id = self.add(
            Workflow(
                project_id=project_id,
                display_name="Shapes",
                primary_language="en",
                first_task="T0",
                tasks={},
                steps=[],
                configuration={},
                retirement={},
                aggregation={},
            )
        )
        if in_caesar:
            # A fresh token: the old one's snapshot does not know the new project.
            self.token = self.token_of(owner)
            answer = self.post("/workflows", {"workflow": {"id": workflow_id, **flags}})
            assert answer.status_code == 200, answer.data
        return workflow_id

    def add_subjects(self, workflow_id, count=1, **metadata):
        with self.sandbox.store.session() as session:
            project_id = session.get_one(Workflow, workflow_id).project_id
        subject_set_id = self.add(
            SubjectSet(project_id=project_id, display_name="set", metadata_={})
        )
        with self.sandbox.store.session() as session:
            session.add(WorkflowSubjectSet(workflow_id=workflow_id, subject_set_id=subject_set_id))
        subjects = []
        for _ in range(count):
            subject_id = self.add(
                Subject(
                    project_id=project_id,
                    uploader_id=self.user_id("builder"),
                    locations=[],
                    metadata_=metadata,
                )
            )
            self.add(
                SetMemberSubject(subject_set_id=subject_set_id, subject_id=subject_id, random=0.5)
            )
            subjects.append(subject_id)
        return subjects

    def classify(self, workflow_id, subject_id, annotations, user_id=None, run=True, **metadata):
        with self.sandbox.store.session() as session:
            workflow = session.get_one(Workflow, workflow_id)
        number = self.add(
            Classification(
                project_id=workflow.project_id,
                workflow_id=workflow_id,
                workflow_version="1.1",
                user_id=user_id,
                user_ip="",
                subject_ids=[subject_id],
                annotations=annotations,
                metadata_=metadata,
            )
        )
        self.enqueue("caesar.classification", {"classification_id": number})
        if run:
            self.drain()
        return number

    def enqueue(self, name, payload):
        with self.sandbox.store.session() as session:
            self.sandbox.jobs.enqueue(session, name, payload)

    def drain(self):
        return self.sandbox.jobs.drain()

    def rows(self, table, *where):
        with self.sandbox.store.session() as session:
            return list(session.scalars(select(table).where(*where).order_by(table.id)))

    def dead_jobs(self):
        return self.rows(Job, Job.state == "dead")

    def extracts(self):
        return {(row.subject_id, row.extractor_key): row.data for row in self.rows(Extract)}

    def reductions(self):
        return {(row.subject_id, row.reducer_key): row.data for row in self.rows(SubjectReduction)}

    def call(self, method, path, body=None, token="own", **options):
        token = self.token if token == "own" else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.open(path, method=method, json=body, headers=headers, **options)

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, body, **options)

    def put(self, path, body=None, **options):
        return self.call("PUT", path, body, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def make(self, workflow_id, what, **part):
        """POST an extractor, reducer or rule; returns the answered row."""
        answer = self.post(f"/workflows/{workflow_id}/{what}s", {what: part})
        assert answer.status_code in (200, 201), answer.data
        return answer.get_json()

    def query(self, workflow_id, subject_id, token=None):
        """Ask exactly what the classifier asks."""
        text = (
            f"{{ workflow(id: {workflow_id}) {{ subject_reductions(subjectId: {subject_id}, "
            'reducerKey:"machineLearnt") { data } } }'
        )
        return self.post("/graphql", {"query": text}, token=token)

    def empty(self):
        """Delete every row but the accounts."""
        with self.sandbox.store.session() as session:
            for table in reversed(Base.metadata.sorted_tables):
                if table is not User.__table__:
                    session.execute(table.delete())
        self.later(86_400)
        self.token = self.token_of("builder")

    def close(self):
        self.sandbox.store.close()


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory):
    """One app for most tests: making one takes longer than a test.

    On SQLite, or on an emptied PostgreSQL when a URL is given.
    """
    url = os.environ.get("ZOOASSIST_TEST_DATABASE", "")
    if url:
        store = Store(url)
        Base.metadata.drop_all(store.engine)
        store.close()
    made = Lab(tmp_path_factory.mktemp("state"), database_url=url)
    yield made
    made.close()


@pytest.fixture
def lab(shared_lab):
    """An emptied sandbox, a day after the last test: every breaker has cooled off."""
    shared_lab.empty()
    return shared_lab


@pytest.fixture
def fresh_lab(tmp_path):
    """A sandbox of its own, for tests that count failures in its breakers or list its files."""
    made = Lab(tmp_path)
    yield made
    made.close()


class Service:
    """A real HTTP service on this machine; `answers` are (status, body) and the last one stays."""

    def __init__(self):
        self.answers = [(200, {})]
        self.requests = []
        self.delay = threading.Event()
        self.hang = False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self):
                length = int(self.headers.get("Content-Length", 0))
                raw = self.rfile.read(length)
                service.requests.append(
                    {
                        "path": self.path,
                        "body": json.loads(raw) if raw else None,
                        "headers": dict(self.headers),
                    }
                )
                if service.hang:
                    service.delay.wait(5)
                status, body = (
                    service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
                )
                sent = body if isinstance(body, bytes) else json.dumps(body).encode()
                sent = b"" if status == 204 else sent
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", service.url + "/elsewhere")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = _answer

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self):
        self.delay.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def service():
    made = Service()
    yield made
    made.close()
