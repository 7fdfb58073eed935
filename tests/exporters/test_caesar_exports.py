"""Caesar's files: requested, waited for, downloaded, and counted like classifications."""

import csv
import json
import time

import pytest
from click.testing import CliRunner
from prefill_project import galaxy_png, prefill_project
from scripted_server import scripted_server
from sqlalchemy import func, select

from zooassist_exporters.caesar_extracts import extracts_to_classifications
from zooassist_exporters.command import export
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.caesar import Caesar
from zooassist_plugin.caesar_exports import fetch_data
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.sandbox.caesar.tables import Extract
from zooassist_plugin.settings import Settings

TASKS = {
    "T0": {
        "type": "single",
        "question": "Is there a ring?",
        "answers": [{"label": "Yes", "next": "T1"}, {"label": "No", "next": "T1"}],
    },
    "T1": {
        "type": "multiple",
        "question": "What else?",
        "answers": [{"label": "Star"}, {"label": "Trail"}, {"label": "Ghost"}],
    },
}


def _run(*arguments):
    done = CliRunner().invoke(export, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.output


def _wait_for_extracts(sandbox, count):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with sandbox.store.session() as session:
            if session.scalar(select(func.count(Extract.id))) == count:
                return
        time.sleep(0.02)
    raise AssertionError("the extracts did not come")


def _classify(project, subject, ring, also):
    version = project.panoptes.workflow(project.workflow_id).version
    content = {
        "annotations": [{"task": "T0", "value": ring}, {"task": "T1", "value": also}],
        "metadata": {
            "workflow_version": version,
            "started_at": "2026-06-01T10:00:00.000Z",
            "finished_at": "2026-06-01T10:01:00.000Z",
            "user_agent": "test",
            "user_language": "en",
            "utc_offset": "0",
        },
        "completed": True,
        "links": {
            "project": str(project.project_id),
            "workflow": str(project.workflow_id),
            "subjects": [str(subject)],
        },
    }
    project.panoptes.call("POST", "/classifications", json={"classifications": content})


def test_votes_from_caesars_extracts_equal_those_of_the_classification_export(
    tmp_path, monkeypatch
):
    given = [(0, [0]), (0, [0, 2]), (1, [1]), (1, [2, 1])]
    with prefill_project(tmp_path / "s", [galaxy_png(1), galaxy_png(2)], TASKS) as project:
        for name, value in {
            "PANOPTES_ENDPOINT": project.server.url,
            "CAESAR_ENDPOINT": project.server.url,
            "PANOPTES_USERNAME": "builder",
            "PANOPTES_PASSWORD": "sandbox",
        }.items():
            monkeypatch.setenv(name, value)
        number = project.workflow_id
        project.caesar.create_workflow(number)
        for key, task in (("T0", "T0"), ("others", "T1")):
            content = {"type": "question", "key": key, "task_key": task}
            project.caesar.create_extractor(number, content)
        for subject in project.subject_ids:
            for ring, also in given:
                _classify(project, subject, ring, also)
        _wait_for_extracts(project.server.sandbox, 16)
        extracts, rows = tmp_path / "extracts.csv", tmp_path / "rows.csv"
        assert "16 rows" in _run("extracts", number, "--out", extracts)
        assert "0 rows" in _run("reductions", number, "--out", tmp_path / "reductions.csv")
        _run("classifications", number, "--out", tmp_path / "all.csv")
        workflows = tmp_path / "workflows.csv"
        _run("classifications", number, "--kind", "workflows", "--out", workflows)
    maps = ("--map", "T0=T0", "--map", "others=T1")
    assert "8 classifications" in _run("from-extracts", extracts, "--out", rows, *maps)
    options = ("--workflows", workflows, "--repeats", "all", "--out")
    _run("votes", rows, *options, tmp_path / "mine")
    _run("votes", tmp_path / "all.csv", *options, tmp_path / "theirs")
    mine, theirs = read_training_set(tmp_path / "mine"), read_training_set(tmp_path / "theirs")
    assert mine.schema == theirs.schema
    assert mine.votes.equals(theirs.votes)
    assert mine.counts.tolist() == [[2, 2, 2, 2, 2]] * 2


def _extracts(path, *rows):
    columns = ["id", "workflow_id", "subject_id", "extractor_key", "classification_id"]
    columns += ["classification_at", "workflow_version", "data.0", "data.1", "data.yes"]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(
            {"workflow_id": 5, "subject_id": 7, "classification_at": "2026-06-01 10:00:00 UTC"}
            | row
            for row in rows
        )
    return path


def test_rows_that_are_no_answers_are_left_out_and_counted(tmp_path):
    path = _extracts(
        tmp_path / "extracts.csv",
        {"extractor_key": "T0", "classification_id": 3, "data.0": "1"},
        {"extractor_key": "T1", "classification_id": 2, "data.0": "1.0", "data.1": "2"},
        {"extractor_key": "T1", "classification_id": 3},  # asked, and passed over
        {"extractor_key": "T0", "classification_id": 4, "data.yes": "1"},  # not by index
        {"extractor_key": "T0", "classification_id": "x7", "data.0": "1"},
        {"extractor_key": "machine", "classification_id": "", "data.0": "1"},
    )
    problems = ProblemList()
    assert extracts_to_classifications(path, tmp_path / "out.csv", {}, problems) == 2
    assert dict(problems.counts) == {
        "extract is not of a question": 1,
        "bad classification_id": 1,
    }
    with (tmp_path / "out.csv").open(newline="") as stream:
        found = {row["classification_id"]: row for row in csv.DictReader(stream)}
    assert list(found) == ["2", "3"]
    assert json.loads(found["2"]["annotations"]) == [{"task": "T1", "value": [0, 1]}]
    assert json.loads(found["3"]["annotations"]) == [{"task": "T0", "value": 0}]
    assert (found["3"]["subject_ids"], found["3"]["workflow_id"]) == ("7", "5")


def test_a_file_without_answers_is_refused_and_leaves_nothing(tmp_path):
    path = _extracts(tmp_path / "extracts.csv", {"extractor_key": "T0", "classification_id": 3})
    with pytest.raises(BadInput, match="found answers in none of 1 classifications"):
        extracts_to_classifications(path, tmp_path / "out.csv", {}, ProblemList())
    assert [each.name for each in tmp_path.iterdir()] == ["extracts.csv"]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([b'{"id": 1, "status": "failed"}'], "the request failed"),
        ([b'{"id": 1, "status": "pending"}'], "still 'pending' after 0 s"),
        ([b"[]"], "expected|answered a data request with"),
    ],
)
def test_a_request_that_comes_to_nothing_says_so(tmp_path, answers, message):
    with (
        prefill_project(tmp_path / "s") as project,
        scripted_server([(200, answer) for answer in answers]) as (url, _),
        Caesar(Settings(project.server.url, url), project.panoptes) as caesar,
        pytest.raises(Refused, match=message),
    ):
        fetch_data(caesar, 5, "extracts", tmp_path / "out.csv", wait=0.2, poll=0.05)
    assert not (tmp_path / "out.csv").exists()
