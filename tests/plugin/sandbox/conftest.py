from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from panoptes_api import Api, Clock, token

from zooassist_plugin.database import Store
from zooassist_plugin.sandbox.server import RunningSandbox, opened_sandbox, running_sandbox
from zooassist_plugin.sandbox.table_base import Base


@pytest.fixture(scope="session")
def fresh_state(tmp_path_factory):
    """Keys, tables and accounts made once: each sandbox starts with a copy."""
    folder = tmp_path_factory.mktemp("fresh")
    with opened_sandbox(folder):
        return folder


@pytest.fixture
def state(fresh_state, tmp_path) -> Path:
    folder = tmp_path / "state"
    shutil.copytree(fresh_state, folder)
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database() -> str:
    """SQLite in the state folder, or an emptied PostgreSQL when a URL is given."""
    url = os.environ.get("ZOOASSIST_TEST_DATABASE", "")
    if url:
        store = Store(url)
        Base.metadata.drop_all(store.engine)
        store.close()
    return url


@pytest.fixture
def server(state, clock, database) -> RunningSandbox:
    with running_sandbox(state, clock=clock, database_url=database) as running:
        yield running


@pytest.fixture
def builder(server) -> Api:
    with_session = Api(server.url, token(server.url, "builder"))
    yield with_session
    with_session.session.close()


@pytest.fixture
def volunteer(server) -> Api:
    with_session = Api(server.url, token(server.url, "volunteer1"))
    yield with_session
    with_session.session.close()


@pytest.fixture
def anonymous(server) -> Api:
    with_session = Api(server.url)
    yield with_session
    with_session.session.close()


@pytest.fixture
def project(builder) -> dict:
    return builder.project()


@pytest.fixture
def workflow(builder, project) -> dict:
    return builder.workflow(project)
