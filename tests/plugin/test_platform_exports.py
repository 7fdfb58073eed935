"""Exports: reused, requested at most once a day, waited for with an end, read as UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefill_project import SMOOTH_TASKS, builder_settings
from scripted_server import scripted_server

from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.panoptes import Panoptes, connect
from zooassist_plugin.platform_exports import describe, fetch, request
from zooassist_plugin.project_building import create_project, create_workflow
from zooassist_plugin.sandbox.server import running_sandbox
from zooassist_plugin.settings import Settings


class Clock:
    """Ours and the sandbox's."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def panoptes(tmp_path, clock) -> Iterator[Panoptes]:
    with (
        running_sandbox(tmp_path / "sandbox", clock=clock, token_lifetime=10**7) as server,
        connect(builder_settings(server.url)) as panoptes,
    ):
        project_id = create_project(panoptes, "Exports", "é")
        create_workflow(panoptes, project_id, "Größe", SMOOTH_TASKS, "T0")
        yield panoptes


def bring(panoptes: Panoptes, out: Path, clock: Clock, **options: object) -> Path:
    given = {"wait": 10.0, "poll": 0.05, "now": clock, **options}
    return fetch(panoptes, "projects", 1, "workflows", out, **given)


def test_a_first_export_is_requested_waited_for_and_unpacked(panoptes, tmp_path, clock):
    assert describe(panoptes, "projects", 1, "workflows") is None
    (tmp_path / "a").mkdir()
    out = bring(panoptes, tmp_path / "a" / "workflows.csv", clock)
    assert "Größe" in out.read_text(encoding="utf-8")
    assert [path.name for path in out.parent.iterdir()] == ["workflows.csv"]


def test_a_ready_export_is_used_again_for_a_day(panoptes, tmp_path, clock):
    bring(panoptes, tmp_path / "w.csv", clock)
    first = describe(panoptes, "projects", 1, "workflows")
    clock.shift = timedelta(hours=23)
    bring(panoptes, tmp_path / "w.csv", clock)
    assert describe(panoptes, "projects", 1, "workflows").updated_at == first.updated_at
    clock.shift = timedelta(hours=25)
    bring(panoptes, tmp_path / "w.csv", clock)
    assert describe(panoptes, "projects", 1, "workflows").updated_at > first.updated_at


def test_which_export_is_used_and_what_is_waited_for_is_said(panoptes, tmp_path, clock):
    said: list[str] = []
    bring(panoptes, tmp_path / "w.csv", clock, say=said.append)
    assert said == ["the workflows export of project 1 is requested; waiting for up to 10 s"]
    made = describe(panoptes, "projects", 1, "workflows").updated_at
    clock.shift = timedelta(hours=2)
    bring(panoptes, tmp_path / "w.csv", clock, say=said.append)
    assert said[1].startswith(f"using the workflows export of project 1 of {made:%Y-%m-%d %H:%M} U")
    assert f"next from {made + timedelta(hours=24):%Y-%m-%d %H:%M} UTC on" in said[1]
    clock.shift = timedelta(hours=30)
    bring(panoptes, tmp_path / "w.csv", clock, say=said.append, max_age=timedelta(hours=48))
    assert said[2].endswith("what came later is not in it")


def test_another_export_too_soon_is_refused_and_the_ready_one_stays(panoptes, tmp_path, clock):
    bring(panoptes, tmp_path / "w.csv", clock)
    made = describe(panoptes, "projects", 1, "workflows")
    with pytest.raises(Refused, match=r"one per day: the next can be requested from 20.* UTC on"):
        bring(panoptes, tmp_path / "new.csv", clock, max_age=timedelta(0))
    now = describe(panoptes, "projects", 1, "workflows")
    assert (now.state, now.updated_at) == (made.state, made.updated_at)
    assert not (tmp_path / "new.csv").exists()
    bring(panoptes, tmp_path / "w.csv", clock)


def test_a_request_that_the_server_drops_ends_with_the_reason(
    panoptes, tmp_path, clock, monkeypatch
):
    bring(panoptes, tmp_path / "w.csv", clock)
    request(panoptes, "projects", 1, "workflows")  # somebody else's, too soon
    monkeypatch.setattr("zooassist_plugin.platform_exports.SECONDS_BETWEEN_LINES", 0.1)
    said: list[str] = []
    with pytest.raises(Refused, match=r"still 'creating' after 0 s.*one export per day"):
        bring(panoptes, tmp_path / "w.csv", clock, wait=0.3, say=said.append)
    assert "is being made already" in said[0]
    assert said[1] == "the workflows export of project 1 is 'creating', 0 of 0 s"
    # It stays "creating" for ever; a day later it is asked for again.
    clock.shift = timedelta(hours=25)
    bring(panoptes, tmp_path / "w.csv", clock)


def test_a_folder_that_is_not_there_is_named_before_anything_is_requested(
    panoptes, tmp_path, clock
):
    with pytest.raises(BadInput, match="none: expected a folder to write"):
        bring(panoptes, tmp_path / "none" / "w.csv", clock)
    assert describe(panoptes, "projects", 1, "workflows") is None


def test_a_project_that_is_not_there_is_told_from_one_never_exported(panoptes, tmp_path, clock):
    with pytest.raises(Refused, match="404 to GET /projects/99"):
        fetch(panoptes, "projects", 99, "workflows", tmp_path / "w.csv")


def test_the_method_chooses_the_resource(panoptes, tmp_path):
    out = panoptes.export("classifications", tmp_path / "c.csv", workflow_id=1, poll=0.05)
    assert out.read_text(encoding="utf-8").startswith("classification_id,")
    with pytest.raises(ValueError, match="needs a workflow_id or a project_id"):
        panoptes.export("classifications", tmp_path / "c.csv")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("failed", "failed on the server"), ("requeued", "still 'requeued'")],
)
def test_states_that_the_client_library_waits_on_for_ever(tmp_path, state, expected):
    media = (
        f'{{"media": [{{"src": "x", "metadata": {{"state": "{state}"}}, '
        '"updated_at": "2026-06-01T00:00:00Z"}]}'
    )
    with (
        scripted_server([(200, media.encode())]) as (url, _),
        connect(Settings(url, url)) as panoptes,
        pytest.raises(Refused, match=expected),
    ):
        fetch(panoptes, "projects", 1, "workflows", tmp_path / "w.csv", wait=0.1, poll=0.05)


def test_a_dead_link_leaves_no_file(tmp_path):
    (tmp_path / "out").mkdir()
    with scripted_server([(404, b"")]) as (dead, _):
        moment = datetime.now(UTC).isoformat()
        media = (
            f'{{"media": [{{"src": "{dead}/x.csv", "metadata": {{"state": "ready"}}, '
            f'"updated_at": "{moment}"}}]}}'
        )
        with (
            scripted_server([(200, media.encode())]) as (url, _),
            connect(Settings(url, url)) as panoptes,
            pytest.raises(Refused, match="got status 404"),
        ):
            fetch(panoptes, "projects", 1, "workflows", tmp_path / "out" / "w.csv")
    assert list((tmp_path / "out").iterdir()) == []
