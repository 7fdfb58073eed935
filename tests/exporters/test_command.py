"""The command line: files to training sets, words and exit codes."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from prefill_project import galaxy_png

from zooassist_exporters.command import export
from zooassist_exporters.training_set import read_training_set


def zooassist(*arguments, data=None):
    """Run the real command in a process of its own, for its exit code and its words."""
    return subprocess.run(
        [sys.executable, "-m", "zooassist_plugin.cli", "export", *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_votes_of_a_file_with_a_broken_row(tmp_path, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")]),
        row(2, [answer("No")], user="bob", created_at="yesterday"),
        row(3, [answer("No")], user="ada"),
        row(4, [answer("No")], user="cyd"),
    )
    out = tmp_path / "set"
    done = zooassist("votes", file, "--out", out)
    assert done.returncode == 1
    assert done.stdout.decode() == f"{out}: 1 subjects, 2 votes of 2 classifications, 0 images\n"
    assert done.stderr.decode().splitlines() == [
        "problem: row 3: bad created_at: expected 'YYYY-MM-DD HH:MM:SS UTC', got 'yesterday'; "
        "the row was left out; correct it, or download the file again",
        "left out: 1 classifications (repeated by the same volunteer)",
        "1 problems, listed above",
    ]
    assert read_training_set(out).counts.tolist() == [[1, 1]]


def test_standard_input_and_errors_of_use(tmp_path, exports, row, answer):
    file = exports.classifications(row(1, [answer("Yes")]))
    out = tmp_path / "set"
    done = zooassist("votes", "-", "--out", out, "--map", "T0=ring", data=file.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    found = read_training_set(out)
    assert found.schema.columns == ("ring_yes",)
    assert found.manifest["sources"][0]["name"] == "standard input"
    again = zooassist("votes", file, "--out", out)
    assert again.returncode == 2
    assert again.stderr.decode() == (
        f"error: {out}: exists; choose another --out, or give --overwrite to replace it\n"
    )


def test_a_missing_column_ends_with_2(tmp_path, exports, row):
    file = exports.classifications(row(1, []), columns=["classification_id", "annotations"])
    done = zooassist("votes", file, "--out", tmp_path / "set")
    assert done.returncode == 2
    assert done.stderr.decode() == (
        "error: classifications.csv: columns 'user_name', 'workflow_id', 'workflow_version', "
        "'created_at', 'subject_ids' missing from the classification export; found: "
        "classification_id, annotations; give the classification export as it was downloaded\n"
    )
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "T0"], "--map: expected TASK=NAME such as T0=smooth-or-featured, got 'T0'"),
        (["--like", "nowhere"], "nowhere: expected a tree (gz2, gz-decals), a bundled model"),
        (["--images", "nowhere"], "nowhere: expected a folder of images, found none"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, exports, row, arguments, message):
    file = exports.classifications(row(1, []))
    result = CliRunner().invoke(export, ["votes", str(file), "--out", "set", *arguments])
    assert str(result.exception).startswith(message)


def test_training_set_of_a_votes_csv(tmp_path):
    (tmp_path / "12.png").write_bytes(galaxy_png(1))
    (tmp_path / "13.png").write_bytes(b"")
    votes = tmp_path / "votes.csv"
    votes.write_text("id,ring_yes,ring_no\n12,0.5,0.5\n13,1,0\n")
    arguments = ["training-set", str(votes), "--out", str(tmp_path / "set"), "--total-votes", "8"]
    result = CliRunner().invoke(export, arguments)
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path / 'set'}: 2 subjects, 16 votes, 1 images\n"
    assert result.stderr.splitlines() == [
        "note: votes.csv holds fractions; counts assume 8 volunteers per subject",
        "problem: subject 13: no image: expected an image, got 0 bytes; "
        "fetch or write the file again",
        "1 problems, listed above",
    ]
    found = read_training_set(tmp_path / "set")
    assert found.counts.tolist() == [[4, 4], [8, 0]]
    assert [found.has_image(row) for row in (0, 1)] == [True, False]
    result = CliRunner().invoke(export, [*arguments, "--overwrite", "--no-images"])
    assert result.exit_code == 0
    assert not read_training_set(tmp_path / "set").has_image(0)


def test_every_rule_is_an_option_and_recorded(tmp_path, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")], created_at="2026-06-01 23:00:00 UTC"),
        row(2, [answer("Yes")], user="bob", created_at="2026-06-02 23:00:00 UTC"),
        row(3, [answer("Yes")], user="cyd", created_at="2026-06-03 00:00:00 UTC"),
        row(4, [answer("Yes")], user="dan", created_at="2026-06-02 12:00:00 UTC"),
    )
    out, team = tmp_path / "set", tmp_path / "team.txt"
    team.write_text("dan\n\n")
    done = zooassist(
        *("votes", file, "--out", out, "--from", "2026-06-02", "--to", "2026-06-02"),
        *("--versions", "2.*", "--exclude-user", f"@{team}", "--exclude-user", "eve"),
        *("--min-classifications", "1", "--max-classifications", "5", "--part", "2/2"),
        *("--not-seen-before", "--live-only", "--workers", "1", "--survey-answers"),
    )
    assert done.returncode == 0, done.stderr.decode()
    found = read_training_set(out)
    assert found.counts.tolist() == [[1]]
    options = found.manifest["options"]
    assert {key: options[key] for key in ("since", "before", "versions", "part")} == {
        "since": "2026-06-02T00:00:00+00:00",
        "before": "2026-06-03T00:00:00+00:00",
        "versions": "2.*",
        "part": "2/2",
    }
    assert (options["seen_before"], options["survey_answers"]) == (False, True)
    assert options["left_out"]["excluded volunteer"] == 1


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--from", "1/6/2026", "--from: expected a date such as 2026-06-01"),
        ("--part", "half", "--part: expected K/N such as 1/4, got 'half'"),
        ("--exclude-user", "@nowhere.txt", "cannot read it: No such file or directory"),
    ],
)
def test_options_that_say_nothing(tmp_path, exports, row, answer, option, value, message):
    file = exports.classifications(row(1, [answer("Yes")]))
    done = zooassist("votes", file, "--out", tmp_path / "set", option, value)
    assert done.returncode == 2
    assert message in done.stderr.decode()
