from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import requests
from click.testing import CliRunner
from panoptes_api import Api, png, token

from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.command import sandbox as sandbox_command
from zooassist_plugin.sandbox.server import running_sandbox


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "galaxies"
    made.mkdir()
    for shade in (10, 200):
        (made / f"g{shade}.png").write_bytes(png(shade))
    return made


def run(*arguments):
    return CliRunner().invoke(sandbox_command, [str(item) for item in arguments])


def test_a_folder_becomes_a_project(state, folder):
    result = run("--state", state, "seed", folder)
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert made["slug"] == "builder/galaxies"
    assert set(made["subjects"]) == {"g10.png", "g200.png"}
    with running_sandbox(state) as server:
        anonymous = Api(server.url)
        ask = {"workflow_id": made["workflow_id"]}
        subjects = anonymous.get("/subjects/queued", **ask).json()["subjects"]
        names = {subject["metadata"]["filename"] for subject in subjects}
        assert names == {"g10.png", "g200.png"}
        url = subjects[0]["locations"][0]["image/png"]
        assert url.startswith(server.url)
        assert requests.get(url, timeout=20).status_code == 200
        workflow = anonymous.one(f"/workflows/{made['workflow_id']}")
        assert workflow["tasks"]["T0"]["tools"][0]["type"] == "ellipse"
        assert len(workflow["tasks"]["T0"]["tools"][0]["details"]) == 2
        assert anonymous.classify(workflow, subjects[0]["id"]).status_code == 201
        anonymous.session.close()
    again = json.loads(run("--state", state, "seed", folder).stdout)
    assert again["slug"] == "builder/galaxies-2"


def test_a_running_sandbox_can_be_seeded(state, folder):
    with running_sandbox(state) as server:
        made = json.loads(run("--state", state, "seed", folder, "--name", "Added").stdout)
        assert Api(server.url).one(f"/projects/{made['project_id']}")["slug"] == "builder/added"


def test_the_present_folder_gives_its_name(state, folder, monkeypatch):
    monkeypatch.chdir(folder)
    made = json.loads(run("--state", state, "seed", ".").stdout)
    with running_sandbox(state) as server:
        builder = Api(server.url, token(server.url, "builder"))
        found = builder.one(f"/subject_sets/{made['subject_set_id']}")
        assert found["display_name"] == folder.name
        builder.session.close()


def test_own_project_and_workflow(state, folder):
    tasks = {"T0": {"type": "single", "question": "Round?", "answers": [{"label": "Yes"}]}}
    (folder / "workflow.json").write_text(json.dumps({"display_name": "Q", "tasks": tasks}))
    (folder / "project.json").write_text(json.dumps({"display_name": "My own", "live": True}))
    made = json.loads(run("--state", state, "seed", folder).stdout)
    assert made["slug"] == "builder/my-own"
    with running_sandbox(state) as server:
        builder = Api(server.url, token(server.url, "builder"))
        assert builder.one(f"/workflows/{made['workflow_id']}")["tasks"] == tasks
        builder.session.close()


def test_files_that_are_no_images_are_named_and_left_out(state, folder):
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.docx").write_bytes(b"x")
    (folder / os.fsdecode(b"bad-\xe9.png")).write_bytes(png())
    result = run("--state", state, "seed", folder)
    assert result.exit_code == 1
    assert "empty.png: empty file" in result.stderr
    assert "notes.docx: not an image" in result.stderr
    assert "bad-\\udce9.png': the file name is not UTF-8" in result.stderr
    assert len(json.loads(result.stdout)["subjects"]) == 2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("workflow.json", "[", "expected a JSON object"),
        ("workflow.json", '{"configuration": {"a": 1e999}}', "number is infinity"),
        ("workflow.json", "[]", "expected a JSON object, got list"),
        ("workflow.json", '{"retirement": {"criteria": "x"}}', "criteria"),
        ("project.json", '{"colour": "red"}', "unpermitted parameter: colour"),
    ],
)
def test_refused_attributes_leave_nothing_behind(state, folder, name, content, reason):
    (folder / name).write_text(content)
    result = run("--state", state, "seed", folder)
    assert isinstance(result.exception, BadInput)
    assert reason in str(result.exception)
    with running_sandbox(state) as server:
        assert Api(server.url).get("/projects").json()["projects"] == []


def test_a_folder_without_images(state, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("--state", state, "seed", empty)
    assert "expected images" in str(result.exception)


def test_a_public_url_must_be_one(state):
    result = run("--state", state, "--public-url", "sandbox.example.org")
    assert "expected https://host" in str(result.exception)


def test_the_command_serves_until_it_is_told_to_stop(state):
    process = subprocess.Popen(
        [sys.executable, "-m", "zooassist_plugin.cli", "sandbox", "--port", "0", "--state", state],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        line = process.stdout.readline()
        url = line.split()[2]
        assert requests.get(f"{url}/users/sign_in", timeout=20).status_code == 200
        assert process.stdout.readline().strip() == f"export PANOPTES_ENDPOINT={url}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
