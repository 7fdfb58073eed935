"""The commands enable, status, propose and disable, as a project builder types them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from prefill_model import model_folder
from prefill_project import SMOOTH_TASKS, Prefill, galaxy_png, prefill_project
from rich.console import Console

from zooassist_loop.check_table import check_lines, show_checks
from zooassist_plugin.cli import cli
from zooassist_plugin.enable import FLAG, Check
from zooassist_plugin.errors import ZooassistError
from zooassist_plugin.project_building import create_workflow


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Prefill]:
    images = [galaxy_png(seed) for seed in range(3)]
    with prefill_project(tmp_path_factory.mktemp("sandbox"), images) as prefill:
        yield prefill


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(model_folder(tmp_path_factory.mktemp("models") / "test-galaxies").path)


@pytest.fixture
def workflow(sandbox) -> str:
    created = create_workflow(
        sandbox.panoptes,
        sandbox.project_id,
        "Typed",
        SMOOTH_TASKS,
        "T0",
        subject_set_ids=[sandbox.subject_set_id],
    )
    return str(created.workflow_id)


@pytest.fixture
def zooassist(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANOPTES_ENDPOINT", sandbox.server.url)
    monkeypatch.setenv("PANOPTES_USERNAME", "builder")
    monkeypatch.setenv("PANOPTES_PASSWORD", "sandbox")
    monkeypatch.setenv("ZOOASSIST_LEDGER", f"sqlite:///{tmp_path / 'ledger.sqlite'}")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    return run


def test_from_nothing_to_proposals_and_off_again(zooassist, sandbox, model, workflow):
    dry = zooassist("enable", workflow, "--model", model, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "FAIL" not in dry.output
    assert "-     fetching switched on" in dry.output
    assert dry.output.count("would make: ") == 3
    assert f"would make: Panoptes PUT /workflows/{workflow} configuration.{FLAG}" in dry.output

    enabled = zooassist("enable", workflow, "--model", model)
    assert enabled.exit_code == 0, enabled.output
    assert "FAIL" not in enabled.output
    assert "an empty proposal was written and read back" in enabled.output

    again = zooassist("enable", workflow, "--model", model)
    assert again.exit_code == 0
    assert again.output.endswith("nothing to write\n")

    proposing = (
        "propose",
        workflow,
        "--subject-set",
        str(sandbox.subject_set_id),
        "--model",
        model,
    )
    dry = zooassist(*proposing, "--dry-run")
    assert dry.exit_code == 0
    assert "would propose 3 subjects" in dry.output
    assert f"Caesar POST /workflows/{workflow}/extracts/import" in dry.output

    proposed = zooassist(*proposing, "--read-back", "all", "--keep-csv", "kept.csv")
    assert proposed.exit_code == 0, proposed.output
    assert "3 proposed, 0 failed" in proposed.output
    assert "3 imported; read back as a volunteer: 3 of 3 equal" in proposed.output

    resumed = zooassist(*proposing)
    assert "3 skipped: already proposed by this model version" in resumed.output
    assert "nothing to import" in resumed.output

    seen = zooassist("status", workflow, "--model", model)
    assert seen.exit_code == 0
    assert "1 mark to see" in seen.output

    off = zooassist("disable", workflow)
    assert off.exit_code == 0
    assert "made: Panoptes PUT" in off.output
    assert "left in place" in off.output
    assert "off already" in zooassist("disable", workflow).output
    assert zooassist("status", workflow).exit_code == 1


def test_a_failed_check_is_exit_code_1_with_its_remedy(zooassist, model, sandbox):
    tasks = {"T0": {"type": "single", "question": "Smooth?", "answers": [{"label": "Yes"}]}}
    workflow_id = create_workflow(
        sandbox.panoptes, sandbox.project_id, "Questions", tasks, "T0"
    ).workflow_id
    result = zooassist("enable", str(workflow_id), "--model", model)
    assert result.exit_code == 1
    line = next(each for each in result.output.splitlines() if "a drawing tool" in each)
    assert line.startswith("FAIL")
    assert "questions can be subtasks of a drawing tool" in line
    assert "run `zooassist enable`" not in result.output
    assert result.output.endswith("nothing was written: mend what failed first\n")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["enable", "987654", "--model", "MODEL"], 3, "no permission"),
        (["enable", "WORKFLOW", "--model", "no-such-model"], 2, "expected a model folder"),
        (["propose", "WORKFLOW", "--subject-set", "1", "--model", "MODEL"], 1, "run `zooassist en"),
        (
            [
                "propose",
                "WORKFLOW",
                "--subject-set",
                "1",
                "--model",
                "MODEL",
                "--keep-csv",
                "n/c.csv",
            ],
            2,
            "n: expected a folder to write into, found none",
        ),
        (
            ["propose", "WORKFLOW", "--subject-set", "1", "--model", "MODEL", "--csv-host", "ftp:"],
            2,
            "local or s3://",
        ),
    ],
)
def test_errors_have_the_exit_code_of_their_kind(
    zooassist, model, workflow, arguments, code, expected
):
    names = {"MODEL": model, "WORKFLOW": workflow}
    result = zooassist(*(names.get(each, each) for each in arguments))
    assert isinstance(result.exception, ZooassistError)
    assert result.exception.exit_code == code
    assert expected in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["enable", "1", "--model", "x", "--map", "T0.0.0"],
        ["enable", "1", "--model", "x", "--presenter", "magic"],
        ["enable", "one", "--model", "x"],
        ["enable", "1", "--model", "x", "--wait", "-1"],
        ["enable", "1", "--model", "x", "--csv-port", "99999"],
        ["sandbox", "--port", "99999"],
        ["sandbox", "--port", "-1"],
        ["propose", "1", "--model", "x"],
        ["propose", "1", "--subject-set", "1", "--model", "x", "--read-back", "some"],
    ],
)
def test_usage_errors_are_exit_code_2(zooassist, arguments):
    assert zooassist(*arguments).exit_code == 2


def test_the_real_program_prints_one_line_and_no_traceback(sandbox, tmp_path, monkeypatch, model):
    monkeypatch.setenv("PANOPTES_ENDPOINT", sandbox.server.url)
    monkeypatch.setenv("PANOPTES_USERNAME", "builder")
    monkeypatch.setenv("PANOPTES_PASSWORD", "wrong")
    done = subprocess.run(
        [sys.executable, "-m", "zooassist_plugin.cli", "status", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith(f"error: Panoptes at {sandbox.server.url} did not take the login")


def test_checks_are_a_table_on_a_terminal_and_lines_elsewhere(capsys):
    checks = [
        Check("one", True, "fine"),
        Check("another", False, "broken", "mend it"),
        Check("third", True, "not looked at", checked=False),
    ]
    assert check_lines(checks) == [
        "ok    one      fine",
        "FAIL  another  broken; mend it",
        "-     third    not looked at",
    ]
    show_checks(checks, Console(force_terminal=False))
    assert capsys.readouterr().out.splitlines() == check_lines(checks)
    terminal = io.StringIO()
    show_checks(checks, Console(file=terminal, force_terminal=True, width=80))
    assert "✗" in terminal.getvalue()
    assert "mend it" in terminal.getvalue()
