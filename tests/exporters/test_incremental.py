"""Classifications pulled from a running Panoptes, killed and resumed, against its own export."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from prefill_project import prefill_project

from zooassist_exporters.command import export
from zooassist_exporters.incremental.api_rows import COLUMNS, HEADER, export_cells
from zooassist_exporters.incremental.growing_file import GrowingFile
from zooassist_exporters.incremental.pull import pull_classifications
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.sandbox.panoptes.tables import Classification, Subject

KILLS = 10
TASKS = {
    "T0": {
        "type": "single",
        "question": "Is there a ring?",
        "answers": [
            {"label": "Yes", "next": "T1"},
            {"label": "No, none", "next": "T1"},
            {"label": "Überall 💫", "next": "T1"},
        ],
    },
    "T1": {
        "type": "multiple",
        "question": "What else?",
        "answers": [{"label": "Star"}, {"label": "Trail"}],
        "next": "T2",
    },
    "T2": {
        "type": "drawing",
        "instruction": "Mark it",
        "tools": [
            {
                "type": "point",
                "label": "Core",
                "color": "#ff0000",
                "details": [
                    {
                        "type": "single",
                        "question": "How bright?",
                        "answers": [{"label": "Dim"}, {"label": "Bright"}],
                    }
                ],
            }
        ],
    },
}


def _annotations(rng, new):
    mark = {"frame": 0, "toolIndex": 0, "toolType": "point", "x": rng.uniform(0, 9), "y": 2.5}
    if not new:
        mark = {"frame": 0, "tool": 0, "x": 1.5, "y": 2.5, "details": [{"value": rng.randrange(2)}]}
    given = [
        {"task": "T0", "value": rng.choice([0, 1, 2, None])},
        {"task": "T1", "value": rng.choice([[], [0], [1, 0]])},
        {"task": "T2", "value": rng.choice([[], [mark]])},
    ]
    if new and given[2]["value"]:
        mark["details"] = [{"task": "T2.0.0"}]
        given.append({"task": "T2.0.0", "value": rng.randrange(2), "markIndex": 0})
    return given


def _fill(prefill, count, seed=1):
    """Put classifications straight into the sandbox's tables."""
    rng = random.Random(seed)
    version = prefill.panoptes.workflow(prefill.workflow_id).version
    start = datetime(2026, 6, 1, 10, tzinfo=UTC)
    with prefill.server.sandbox.store.session() as session:
        subjects = [
            Subject(
                project_id=prefill.project_id,
                uploader_id=1,
                locations=[],
                metadata_={"name": name},
                created_at=start,
                updated_at=start,
            )
            for name in "abcde"
        ]
        session.add_all(subjects)
        session.flush()
        for place in range(count):
            new, user = rng.random() < 0.5, rng.choice([1, 2, 3, None])
            when = start + timedelta(seconds=place // 2)
            session.add(
                Classification(
                    project_id=prefill.project_id,
                    workflow_id=prefill.workflow_id,
                    workflow_version=version,
                    user_id=user,
                    user_ip=f"127.0.0.{place}",
                    subject_ids=[rng.choice(subjects).id],
                    annotations=_annotations(rng, new),
                    metadata_={
                        "workflow_version": version,
                        "classifier_version": "2.0" if new else "",
                        "live_project": True,
                        "session": f"visit{place}",
                        "user_agent": 'a "quoted", agent\nof two lines',
                    },
                    completed=place % 17 != 3,
                    gold_standard=place % 29 == 5,
                    created_at=when,
                    updated_at=when,
                )
            )


@pytest.fixture
def project(tmp_path, monkeypatch):
    with prefill_project(tmp_path / "state", tasks=TASKS) as running:
        for name, value in {
            "PANOPTES_ENDPOINT": running.server.url,
            "PANOPTES_USERNAME": "builder",
            "PANOPTES_PASSWORD": "sandbox",
        }.items():
            monkeypatch.setenv(name, value)
        yield running


def _run(*arguments):
    done = CliRunner().invoke(export, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.output


def _rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_votes_from_the_incremental_file_equal_votes_from_the_export(project, tmp_path):
    _fill(project, 300)
    number, pulled, exported = project.workflow_id, tmp_path / "pulled.csv", tmp_path / "all.csv"
    said = _run("classifications", number, "--incremental", "--out", pulled)
    assert "282 new, 282 classifications" in said
    _run("classifications", number, "--out", exported)
    _run("classifications", number, "--kind", "workflows", "--out", tmp_path / "workflows.csv")
    mine, theirs = _rows(pulled), _rows(exported)
    assert list(mine[0]) == list(theirs[0]) == list(COLUMNS)
    for column in ("classification_id", "user_id", "workflow_id", "workflow_version"):
        assert [row[column] for row in mine] == [row[column] for row in theirs]
    for column in ("created_at", "gold_standard", "subject_ids"):
        assert [row[column] for row in mine] == [row[column] for row in theirs]
    sets = {}
    for path in (pulled, exported):
        out = tmp_path / path.stem
        _run("votes", path, "--workflows", tmp_path / "workflows.csv", "--out", out)
        sets[path.stem] = read_training_set(out)
    assert sets["pulled"].schema == sets["all"].schema
    assert len(sets["all"].schema.questions) == 3
    assert sets["pulled"].votes.equals(sets["all"].votes)
    assert sets["all"].counts.sum() == 168


@pytest.mark.slow
def test_killed_at_ten_random_moments_and_resumed_gives_the_rows_of_one_pass(project, tmp_path):
    seed = int(os.environ.get("ZOOASSIST_TEST_SEED") or time.time_ns() % 10**6)
    print(f"ZOOASSIST_TEST_SEED={seed}")
    rng = random.Random(seed)
    _fill(project, 600, seed)
    whole, out = tmp_path / "whole.csv", tmp_path / "killed.csv"
    pull_classifications(project.panoptes, project.project_id, whole)
    checkpoint = out.with_name(out.name + ".checkpoint.json")
    command = [
        *(sys.executable, "-m", "zooassist_plugin.cli", "export", "classifications"),
        *(str(project.project_id), "--project", "--incremental", "--page-size", "2"),
        *("--out", str(out)),
    ]

    def seen():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    for _ in range(KILLS):
        before = seen()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while seen() == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        process.kill()
        _, error = process.communicate()
        assert process.returncode == -signal.SIGKILL, error.decode()
        assert not out.exists()  # nothing unfinished is ever visible
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == whole.read_bytes()
    _fill(project, 31, seed + 1)
    assert pull_classifications(project.panoptes, project.project_id, out).new == 29
    assert _rows(out)[: len(_rows(whole))] == _rows(whole)


@pytest.mark.parametrize("torn", [b"", b'8,,"half a r', b"9,,,,,,,,,,,,,\n10,,,,"])
@pytest.mark.parametrize("finished", [True, False])
def test_what_follows_the_checkpoint_is_cut_off(tmp_path, torn, finished):
    out = tmp_path / "rows.csv"
    with GrowingFile(out, HEADER, "project 1") as file:
        file.append(b"a\n", 1, 4)
        if finished:
            file.finish()
    if not finished:
        with (tmp_path / ".rows.csv.part").open("ab") as stream:
            stream.write(torn)
    with GrowingFile(out, HEADER, "project 1") as file:
        assert (file.checkpoint.last_id, file.checkpoint.rows) == (4, 1)
        file.append(b"b\n", 1, 6)
        file.finish()
    assert out.read_bytes() == HEADER + b"a\nb\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rows.csv",
        "rows.csv.checkpoint.json",
    ]


def _grown(folder):
    out = folder / "rows.csv"
    with GrowingFile(out, HEADER, "project 1") as file:
        file.append(b"a\n", 1, 4)
        file.finish()
    return out


@pytest.mark.parametrize(
    ("spoil", "source", "message"),
    [
        (lambda out: out.write_text("edited"), "project 1", "expected the 167 bytes"),
        (lambda out: out.unlink(), "project 1", "expected the 167 bytes of the last run, got 0"),
        (lambda out: None, "project 2", "holds classifications of project 1, expected project 2"),
        (
            lambda out: out.with_name("rows.csv.checkpoint.json").unlink(),
            "project 1",
            "exists without rows.csv.checkpoint.json",
        ),
        (
            lambda out: out.with_name("rows.csv.checkpoint.json").write_text("{"),
            "project 1",
            "expected a checkpoint",
        ),
    ],
)
def test_a_file_that_cannot_go_on_is_refused_and_left_alone(tmp_path, spoil, source, message):
    out = _grown(tmp_path)
    spoil(out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BadInput, match=message):
        GrowingFile(out, HEADER, source)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_new_leaves_the_file_alone_and_an_empty_project_gives_a_header(project, tmp_path):
    out = tmp_path / "rows.csv"
    assert pull_classifications(project.panoptes, project.project_id, out).rows == 0
    assert out.read_bytes() == HEADER
    stamp = out.stat().st_mtime_ns
    assert pull_classifications(project.panoptes, project.project_id, out).new == 0
    assert out.stat().st_mtime_ns == stamp


def test_half_a_surrogate_and_a_missing_part():
    links = {"workflow": "5", "subjects": ["7", "8"], "user": None}
    row = {"id": "1", "links": links, "created_at": "2026-06-01T10:00:00.123+02:00"}
    cells = dict(zip(COLUMNS, export_cells(row), strict=True))
    assert cells["created_at"] == "2026-06-01 08:00:00 UTC"
    assert (cells["subject_ids"], cells["user_name"], cells["annotations"]) == ("7;8", "", "[]")
    with pytest.raises(Refused, match=r"'1'.*KeyError"):
        export_cells({"id": "1", "links": links})


class _Crash(Exception):
    pass


def _grow(out, pages):
    with GrowingFile(out, HEADER, "project 1") as file:
        for number, data in pages:
            if number > file.checkpoint.last_id:
                file.append(data, 1, number)
        file.finish()


def test_stopped_at_every_single_step_of_the_disk_and_run_again(tmp_path, monkeypatch):
    """Also while the finished file is copied to go on from, and while it is put in place."""
    pages = [(number, b"%d,row\n" % number) for number in range(1, 6)]
    whole = HEADER + b"".join(data for _, data in pages)
    steps = 0

    def breaks_at(moment):
        def wrapped(original):
            def step(*arguments, **options):
                nonlocal steps
                steps += 1
                if steps == moment:
                    raise _Crash
                return original(*arguments, **options)

            return step

        return wrapped

    moment = 0
    while True:
        moment, steps = moment + 1, 0
        out = tmp_path / str(moment) / "rows.csv"
        out.parent.mkdir()
        _grow(out, pages[:2])
        with monkeypatch.context() as patched:
            for owner, name in ((os, "fsync"), (shutil, "copyfile"), (Path, "replace")):
                patched.setattr(owner, name, breaks_at(moment)(getattr(owner, name)))
            try:
                _grow(out, pages)
                break  # there are no more steps
            except _Crash:
                pass
        finished = HEADER + b"".join(data for _, data in pages[:2])
        assert out.read_bytes() in (finished, whole)
        _grow(out, pages)
        assert out.read_bytes() == whole
    assert moment > 10
