"""The Panoptes connection against a sandbox, and against servers that misbehave."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prefill_project import Prefill, builder_settings, galaxy_png, prefill_project
from scripted_server import scripted_server

from zooassist_plugin import http_session
from zooassist_plugin.errors import ItemFailed, Refused
from zooassist_plugin.http_session import PlatformRefused, add_timeouts
from zooassist_plugin.panoptes import Panoptes, connect
from zooassist_plugin.project_building import (
    NewSubject,
    add_subjects,
    create_project,
    create_subject_set,
    upload_subjects,
)
from zooassist_plugin.sandbox.server import running_sandbox
from zooassist_plugin.settings import Settings


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[Prefill]:
    images = [galaxy_png(seed) for seed in range(3)]
    with prefill_project(tmp_path_factory.mktemp("sandbox"), images) as prefill:
        yield prefill


@pytest.mark.parametrize(
    "login",
    [
        {"username": "builder", "password": "sandbox"},
        {"username": None, "password": None, "client_id": "sandbox", "client_secret": "sandbox"},
    ],
    ids=["password", "client credentials"],
)
def test_both_logins_may_read_the_own_project(project, login):
    with connect(builder_settings(project.server.url, **login)) as panoptes:
        assert panoptes.token()
        assert panoptes.workflow(project.workflow_id).display_name == "Outline"


def test_anonymous_has_no_token(project, monkeypatch):
    # The library would take these by itself; our settings were read once, elsewhere.
    monkeypatch.setenv("PANOPTES_USERNAME", "builder")
    monkeypatch.setenv("PANOPTES_PASSWORD", "sandbox")
    with connect(Settings(panoptes_endpoint=project.server.url)) as panoptes:
        assert panoptes.token() is None


@pytest.mark.parametrize(
    "login",
    [
        {"password": "wrong"},
        {"username": None, "password": None, "client_id": "sandbox", "client_secret": "wrong"},
    ],
)
def test_a_wrong_login_is_refused_with_the_names_of_the_settings(project, login):
    with pytest.raises(Refused, match=r"did not take the login.*PANOPTES_PASSWORD"):
        connect(builder_settings(project.server.url, **login))


def test_no_server_is_refused_with_its_address():
    with pytest.raises(Refused, match=r"127\.0\.0\.1:1 did not answer the login"):
        connect(builder_settings("http://127.0.0.1:1"))


def test_importing_the_client_leaves_logging_alone():
    code = (
        "import logging, zooassist_plugin.panoptes; root = logging.getLogger(); "
        "print(len(root.handlers), root.level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", str(logging.WARNING)]


def test_workflow_that_is_not_there_says_missing_or_no_permission(project):
    with pytest.raises(
        PlatformRefused, match=r"404 to GET /workflows/987.*no permission"
    ) as caught:
        project.panoptes.workflow(987)
    assert caught.value.status == 404


def test_an_expired_token_is_renewed(tmp_path):
    shift = timedelta()

    def clock() -> datetime:
        return datetime.now(UTC) + shift

    with (
        running_sandbox(tmp_path, clock=clock) as server,
        connect(builder_settings(server.url)) as panoptes,
    ):
        project_id = create_project(panoptes, "Old", "token")
        before = panoptes.token()
        shift = timedelta(hours=3)  # the server's clock; the client thinks it is still valid
        assert panoptes.resource("projects", project_id)[0]["display_name"] == "Old"
        assert panoptes.token() != before


def test_a_login_that_cannot_be_renewed_is_refused(tmp_path):
    with (
        running_sandbox(tmp_path, token_lifetime=-10) as server,
        connect(builder_settings(server.url)) as panoptes,
        pytest.raises(PlatformRefused, match=r"401.*login or its token is not valid"),
    ):
        panoptes.call("GET", "/me")


def test_configure_merges_and_writes_only_changes(project):
    workflow_id = project.workflow_id
    assert project.panoptes.configure(workflow_id, {"first": 1})
    assert project.panoptes.configure(workflow_id, {"second": True})
    assert not project.panoptes.configure(workflow_id, {"second": True})
    found = project.panoptes.workflow(workflow_id).configuration
    assert (found["first"], found["second"]) == (1, True)


class _Interrupted(Panoptes):
    """Somebody else writes between our reading and our writing, `times` times."""

    other: Panoptes
    times = 0

    def resource(self, key, identifier):
        found = super().resource(key, identifier)
        if self.times:
            self.times -= 1
            self.other.configure(identifier, {"theirs": self.times})
        return found


@pytest.mark.parametrize(("times", "succeeds"), [(1, True), (4, True), (99, False)])
def test_configure_keeps_what_others_wrote_meanwhile(project, times, succeeds):
    with connect(project.settings) as other:
        connection = connect(project.settings)
        interrupted = _Interrupted(connection._client, "Panoptes")
        interrupted.other, interrupted.times = other, times
        connection.media.close()
        with interrupted:
            if succeeds:
                assert interrupted.configure(project.workflow_id, {"ours": times})
                found = interrupted.workflow(project.workflow_id).configuration
                assert (found["ours"], found["theirs"]) == (times, 0)
            else:
                with pytest.raises(Refused, match="changed by somebody else 5 times"):
                    interrupted.configure(project.workflow_id, {"ours": times})


def test_subjects_of_a_set_with_their_files(project):
    found = list(project.panoptes.subjects(project.subject_set_id))
    assert [subject.subject_id for subject in found] == list(project.subject_ids)
    assert project.subject_ids == tuple(sorted(project.subject_ids)), "created in the order given"
    content = project.panoptes.download(found[1].locations[0].url)
    assert content == galaxy_png(1)


def test_more_than_one_page_of_subjects(project):
    subject_set_id = create_subject_set(project.panoptes, project.project_id, "many")
    content = {
        "locations": [{"image/png": "https://example.org/g.png"}],
        "metadata": {},
        "links": {"project": str(project.project_id)},
    }
    ids = []
    for _ in range(103):
        body, _etag = project.panoptes.call("POST", "/subjects", json={"subjects": content})
        ids.append(int(body["subjects"][0]["id"]))
    add_subjects(project.panoptes, subject_set_id, ids)
    found = [subject.subject_id for subject in project.panoptes.subjects(subject_set_id)]
    assert sorted(found) == ids


def test_classifications_since_an_id_statuses_and_retirement(project):
    panoptes, (first, second, _) = project.panoptes, project.subject_ids
    metadata = {
        "started_at": "2026-06-01T10:00:00.000Z",
        "finished_at": "2026-06-01T10:01:00.000Z",
        "user_agent": "test",
        "user_language": "en",
        "workflow_version": "1.10",
    }
    for subject_id, answer in ((first, 0), (second, 1)):
        links = {
            "project": str(project.project_id),
            "workflow": str(project.workflow_id),
            "subjects": [str(subject_id)],
        }
        content = {
            "annotations": [{"task": "T1", "taskType": "single", "value": answer}],
            "completed": True,
            "metadata": metadata,
            "links": links,
        }
        panoptes.call("POST", "/classifications", json={"classifications": content})
    one, two = panoptes.classifications(project.project_id)
    assert (one.subject_id, one.annotations[0].value, one.workflow_version) == (first, 0, "1.10")
    assert two.user_id is not None
    [again] = panoptes.classifications(project.project_id, last_id=one.classification_id)
    assert again == two

    panoptes.retire_subjects(project.workflow_id, [second], "consensus")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = {each.subject_id: each for each in panoptes.statuses(project.workflow_id)}
        if {first, second} <= set(found) and found[second].retired_at:
            break
        time.sleep(0.05)
    assert found[second].retirement_reason == "consensus"
    assert found[first].retired_at is None
    assert found[first].classifications_count == 1


def test_a_file_that_does_not_arrive_is_reported(tmp_path):
    # panoptes-client's own Subject.save says nothing in this case.
    with (
        running_sandbox(tmp_path, upload_lifetime=-1) as server,
        connect(builder_settings(server.url)) as panoptes,
    ):
        project_id = create_project(panoptes, "Late", "uploads")
        new = [NewSubject("g1.png", (("image/png", galaxy_png(1)),))]
        uploaded, failed = upload_subjects(panoptes, project_id, new)
    assert uploaded == []
    assert [type(each) for each in failed] == [ItemFailed]
    assert failed[0].item == "g1.png"


def test_a_refused_subject_does_not_stop_the_others(project):
    new = [
        NewSubject("bad.exe", (("application/x-msdownload", b"MZ"),)),
        NewSubject("good.png", (("image/png", galaxy_png(9)),)),
    ]
    uploaded, failed = upload_subjects(project.panoptes, project.project_id, new)
    assert [each.item for each in failed] == ["bad.exe"]
    assert len(uploaded) == 1


def test_something_else_than_panoptes_is_named(project):
    with scripted_server([(200, b"<html>hello</html>")]) as (url, _):
        settings = replace(project.settings, panoptes_endpoint=url, username=None, password=None)
        with connect(settings) as panoptes, pytest.raises(Refused, match="not JSON"):
            panoptes.workflow(1)


@pytest.mark.parametrize(
    ("status", "expected", "tries"),
    [(503, "503 to GET /workflows/1; the other side has trouble", 3), (0, "did not answer", 3)],
    ids=["server error", "silence"],
)
def test_a_panoptes_in_trouble_is_asked_again_then_refused(status, expected, tries):
    with scripted_server([(status, b"")]) as (url, seen), connect(Settings(url, url)) as panoptes:
        add_timeouts(panoptes._client.session, timeout=(0.3, 0.1), tries=tries, backoff=0.0)
        with pytest.raises(Refused, match=expected):
            panoptes.workflow(1)
    assert len(seen) == tries


@pytest.mark.parametrize(
    ("login", "answers", "expected"),
    [
        ("password", [(503, b"")], "answered 503 to the login; the other side has trouble"),
        ("password", [(200, b""), (503, b"<html>")], "not take the login"),
        ("client", [(500, b"<html>oops</html>")], "answered 500 to the login; the other side has"),
        ("client", [(429, b"")], "answered 429 to the login; too many requests"),
        ("client", [(200, b"<html>hello")], "not JSON; check that PANOPTES_ENDPOINT is a Panoptes"),
        ("client", [(401, b"<html>no")], "did not take the login .no token in its answer.; check"),
        ("client", [(0, b"")], "did not answer the login in time; check the address"),
    ],
)
def test_a_login_that_fails_says_whose_fault_it_is(monkeypatch, login, answers, expected):
    monkeypatch.setattr(http_session.add_timeouts, "__defaults__", ((0.3, 0.1), 2, 0.0))
    with scripted_server(answers) as (url, _):
        names = (
            {"username": "builder", "password": "x"}
            if login == "password"
            else {"client_id": "app", "client_secret": "x"}
        )
        with pytest.raises(Refused, match=expected):
            connect(Settings(url, url, **names))
